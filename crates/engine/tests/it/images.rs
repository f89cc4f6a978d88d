//! Images that come from elsewhere: nothing is deployed before they are there and signed as required.

use towpath_domain::{Digest, GitRef, ImageRef, Span, Timestamp};
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

const API: &str = "registry.example.com/api";

/// The chain without a source of Towpath's own: what stage and production deploy is built elsewhere.
fn elsewhere() -> Sim {
    let mut install = Install::chain();
    install.sources.clear();
    for name in ["stage", "test", "prod"] {
        install.edit(name, |target| target.source = None);
    }
    let mut sim = Sim::of(install, &["test"]);
    sim.registry.name("stage", &[API]);
    sim.registry.name("prod", &[API]);
    sim.registry.there.insert(format!("{API}:{}", commit(1).short(7)));
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(1)));
    sim.registry.looks.clear();
    sim
}

fn image(number: u32) -> ImageRef {
    format!("{API}:{}", commit(number).short(7)).parse().unwrap()
}

fn looks(sim: &Sim, number: u32) -> usize {
    sim.registry.looks.iter().filter(|looked| looked.tag() == image(number).tag()).count()
}

#[test]
fn a_version_waits_for_its_image_and_is_looked_for_ever_more_rarely() {
    let mut sim = elsewhere();
    sim.push();
    sim.settle();
    let mut waits: Vec<u64> = Vec::new();
    let mut first = None;
    for _ in 0..9 {
        let holds = sim.holds("stage");
        let [Hold::ImageMissing { image: missing, since, next, error: None }] = holds.as_slice() else { panic!("{holds:?}") };
        assert_eq!((missing, *first.get_or_insert(*since)), (&image(2), *since));
        assert_eq!((sim.verdict("stage").wanted, sim.runs("stage")), (Some(commit(2)), Some(commit(1))));
        waits.push(next.since(sim.now).as_millis().div_ceil(1000));
        sim.now = *next;
        sim.tick();
        sim.settle();
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    sim.registry.there.insert(image(2).to_string());
    sim.wait(Span::from_secs(300));
    assert_eq!(sim.runs("prod"), Some(commit(2)));
    // Who promotes and who deploys pins what was tested, so production looks for exactly these bits.
    assert_eq!(sim.registry.looks.last(), Some(&image(2).pinned(sim.registry.digest)));
}

#[test]
fn a_webhook_makes_it_faster_and_nothing_is_looked_at_that_nobody_needs() {
    let mut sim = elsewhere();
    sim.settle();
    sim.wait(Span::from_days(1));
    sim.event(Event::ImageAnnounced { image: image(1) });
    sim.event(Event::ImageAnnounced { image: "registry.example.com/nobody/knows:1".parse().unwrap() });
    sim.settle();
    assert_eq!(sim.registry.looks, [], "what runs needs no look, whoever calls");

    sim.push();
    sim.settle();
    assert_eq!(looks(&sim, 2), 1);
    sim.registry.there.insert(image(2).to_string());
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(1)));
    sim.event(Event::ImageAnnounced { image: image(2) });
    sim.settle();
    assert_eq!((sim.runs("prod"), looks(&sim, 2)), (Some(commit(2)), 3), "once in vain, once for stage, once for production");
}

#[test]
fn a_registry_that_tells_no_tag_means_all_of_its_repository() {
    let mut sim = elsewhere();
    sim.push();
    sim.settle();
    sim.registry.there.insert(image(2).to_string());
    sim.event(Event::ImageAnnounced { image: "registry.example.com/other".parse().unwrap() });
    assert!(matches!(sim.verdict("stage").state, State::Held { .. }));
    sim.event(Event::ImageAnnounced { image: API.parse().unwrap() });
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(2)));
}

#[test]
fn a_registry_that_does_not_answer_holds_and_is_asked_again() {
    let mut sim = elsewhere();
    sim.registry.down = Some("connection refused");
    sim.push();
    sim.settle();
    let holds = sim.holds("stage");
    let [hold @ Hold::ImageMissing { error: Some(error), .. }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!(error, "connection refused");
    assert!(hold_text(hold, &*sim.catalog).contains("connection refused"));
    sim.registry.down = None;
    sim.registry.there.insert(image(2).to_string());
    sim.wait(Span::from_secs(6));
    assert_eq!(sim.runs("stage"), Some(commit(2)));
}

#[test]
fn whoever_retries_has_it_looked_at_at_once() {
    let mut sim = elsewhere();
    sim.push();
    sim.settle();
    sim.wait(Span::from_secs(3600));
    sim.registry.there.insert(image(2).to_string());
    let before = looks(&sim, 2);
    sim.retry("stage");
    sim.act();
    assert_eq!(looks(&sim, 2), before + 1);
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(2)));
}

#[test]
fn a_busy_branch_whose_images_come_late_starves_nobody() {
    let mut sim = elsewhere();
    for number in 2..12 {
        sim.push();
        sim.settle();
        // Each image takes longer than the next commit.
        if number > 3 {
            sim.registry.there.insert(image(number - 2).to_string());
        }
        sim.wait(Span::from_secs(400));
        sim.settle();
    }
    assert_eq!(sim.runs("prod"), Some(commit(9)));
    let passed = &sim.verdict("stage").passed_over;
    assert_eq!(passed.iter().map(|(over, _)| *over).collect::<Vec<_>>(), [commit(11), commit(10)]);
}

#[test]
fn an_image_that_never_comes_stops_no_version_after_it_even_where_each_has_its_turn() {
    let mut sim = elsewhere();
    for name in ["stage", "test", "prod"] {
        sim.install.policy(&format!("every-{name}"), |policy| {
            policy.select.targets = vec![target_id(name)];
            policy.queue = Some(towpath_catalog::QueuePolicy::Every);
        });
    }
    sim.config_seen();
    sim.push();
    sim.push();
    sim.registry.there.insert(image(3).to_string());
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(1)), "commit 2 has its turn first");
    sim.wait(Span::from_secs(1200));
    assert_eq!(sim.runs("prod"), Some(commit(3)));
}

#[test]
fn a_test_whose_image_never_comes_does_not_hold_what_it_would_test_for_ever() {
    let mut sim = elsewhere();
    sim.registry.name("test", &["registry.example.com/iqe"]);
    for number in 2..4 {
        sim.registry.there.insert(image(number).to_string());
    }
    sim.push();
    sim.settle();
    assert!(matches!(sim.holds("test").as_slice(), [Hold::ImageMissing { .. }]));
    sim.push();
    sim.settle();
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::UnderTest { .. }]), "for a while it may still come");
    sim.wait(Span::from_secs(1200));
    assert_eq!(sim.runs("stage"), Some(commit(3)));
    assert_eq!(sim.runs("prod"), Some(commit(1)), "what was not tested goes nowhere");
}

#[test]
fn what_a_source_of_our_own_built_needs_no_look_before_it_must_be_signed() {
    let mut sim = Sim::chain();
    for name in ["stage", "prod"] {
        sim.registry.name(name, &["registry.example.com/web"]);
    }
    sim.settle();
    assert_eq!((sim.runs("prod"), sim.registry.looks.len()), (Some(commit(1)), 0));

    sim.install.require_signed("prod", "release");
    sim.config_seen();
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("test"), Some(commit(2)));
    assert_eq!(sim.pinned("prod"), Some(commit(1)), "what could only be held there is not promoted in the first place");
    let holds = sim.holds("prod");
    let [hold @ Hold::Unsigned { policy, what, digest, .. }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!((policy.as_str(), what.as_str(), *digest), ("signed-prod-release", "it carries no signature", Digest::from_bytes([7; 32])));
    assert!(lift_text(hold, "prod").contains("data/web.yml:70"), "{}", lift_text(hold, "prod"));
    let asked = gate(&sim.catalog, &sim.facts, sim.now, &sim.catalog.targets["prod"], commit(2));
    assert!(matches!(asked.unwrap_err().as_slice(), [Hold::Unsigned { .. }]), "a change is asked the same");

    sim.registry.signed.insert(format!("registry.example.com/web:{}", commit(2).short(7)));
    // cosign pushes the signature under a tag that names the digest.
    let signature = format!("registry.example.com/web:sha256-{}.sig", Digest::from_bytes([7; 32]).hex());
    sim.event(Event::ImageAnnounced { image: signature.parse().unwrap() });
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)));
    assert!(sim.registry.looks.iter().all(|looked| looked.digest() == Some(Digest::from_bytes([7; 32]))), "at the digest that was pushed");
}

#[test]
fn an_unsigned_version_is_passed_over_for_a_signed_one_before_it() {
    let mut sim = elsewhere();
    sim.install.require_signed("prod", "release");
    sim.install.freeze("prod", None, None);
    sim.config_seen();
    for number in 2..4 {
        sim.registry.there.insert(image(number).to_string());
        sim.push();
        sim.settle();
    }
    sim.registry.signed.insert(image(2).to_string());
    sim.install.thaw("prod");
    sim.config_seen();
    sim.settle();
    assert_eq!((sim.runs("test"), sim.runs("prod")), (Some(commit(3)), Some(commit(2))));
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Unsigned { .. }]));
}

#[test]
fn every_policy_that_requires_a_signature_must_be_met_and_no_hotfix_passes_it() {
    let mut sim = elsewhere();
    sim.install.require_signed("prod", "release");
    sim.install.require_signed("prod", "audit");
    sim.install.versions(Vec::new(), vec![commit(2)]);
    sim.config_seen();
    sim.registry.there.insert(image(2).to_string());
    sim.push();
    sim.settle();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Unsigned { policy, .. }] if policy == "signed-prod-audit"));
    // One of the two is met.
    let key = |sim: &Sim| sim.facts.images.keys().find(|known| known.tag() == image(2).tag() && known.digest().is_some()).cloned().unwrap();
    let hash = |sim: &Sim, name: &str| {
        let policy = sim.install.policies.iter().find(|policy| &*policy.name == name).unwrap();
        policy.require_signed.as_ref().unwrap().hash.to_string()
    };
    let (audit, release) = (hash(&sim, "signed-prod-audit"), hash(&sim, "signed-prod-release"));
    let signed = [(audit.clone(), None), (release.clone(), Some("no signature by this key".to_owned()))].into();
    let (looked, digest) = (key(&sim), Some(sim.registry.digest));
    sim.event(Event::ImageLooked { image: looked.clone(), digest, signed, error: None });
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Unsigned { policy, .. }] if policy == "signed-prod-release"));
    sim.registry.signed.insert(image(2).to_string());
    sim.event(Event::ImageLooked { image: looked, digest, signed: [(release, None)].into(), error: None });
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)), "what was found of the same bits before still counts");
}

#[test]
fn right_before_a_deploy_what_became_known_meanwhile_counts() {
    let mut sim = elsewhere();
    sim.registry.there.insert(image(2).to_string());
    sim.push();
    sim.act_all();
    let asked = |sim: &Sim| may_deploy(&sim.catalog, &sim.facts, sim.now, &sim.catalog.targets["stage"], commit(2));
    assert!(asked(&sim).is_ok());
    sim.event(Event::ImageLooked { image: image(2), digest: None, signed: [].into(), error: None });
    assert!(matches!(asked(&sim).unwrap_err().as_slice(), [Hold::ImageMissing { .. }]));
    sim.event(Event::ImageLooked { image: image(2), digest: Some(sim.registry.digest), signed: [].into(), error: None });
    assert!(asked(&sim).is_ok());
    // What must be signed from now on, and was never asked for.
    sim.install.require_signed("stage", "release");
    sim.config_seen();
    assert!(!asked(&sim).unwrap_err().is_empty());
}

#[test]
fn a_pinned_target_waits_for_its_image_whoever_builds_it_and_takes_it_from_a_source_without_a_look() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.install.target("tool", |target| {
        target.source = None;
        target.git_ref = GitRef::Commit(commit(1));
    });
    sim.registry.name("tool", &["registry.example.com/web:0000002"]);
    sim.registry.down = Some("no route to host");
    sim.config_seen();
    sim.settle();
    assert!(matches!(sim.holds("tool").as_slice(), [Hold::ImageMissing { .. }]));
    // The source of another repository builds that very image.
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("tool"), Some(commit(1)));
}

#[test]
fn what_is_known_of_images_does_not_grow_for_ever_and_what_is_waited_for_stays() {
    let mut facts = Facts::default();
    let image = |number: u32| format!("registry.example.com/a:{number}").parse::<ImageRef>().unwrap();
    for number in 0..12_000 {
        let digest = (number > 10).then(|| Digest::from_bytes([1; 32]));
        let event = Event::ImageLooked { image: image(number), digest, signed: [].into(), error: None };
        let keys = facts.apply(Timestamp::from_millis(number.into()), &event);
        assert!(keys.iter().all(|key| matches!(key, FactKey::Image(known) if facts.images.contains_key(known) || *known != image(number))));
    }
    assert!((9_000..=10_000).contains(&facts.images.len()), "{}", facts.images.len());
    assert!(facts.images.contains_key(&image(0)) && facts.images.contains_key(&image(11_999)) && !facts.images.contains_key(&image(11)));
}
