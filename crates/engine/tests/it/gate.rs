//! What may come to a target, and what may not.

use std::sync::Arc;

use towpath_catalog::BrokenFile;
use towpath_domain::{Digest, FailureClass, RunId, Span};
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

/// A chain at rest at commit 1, and a second commit that stage and test passed while production was frozen.
fn waiting() -> Sim {
    let mut sim = Sim::chain();
    sim.settle();
    sim.install.freeze("prod", None, None);
    sim.config_seen();
    sim.push();
    sim.settle();
    sim
}

fn gate_of(sim: &Sim, target: &str, number: u32) -> Result<Passed, Vec<Hold>> {
    gate(&sim.catalog, &sim.facts, sim.now, &sim.install.targets[target], commit(number))
}

#[test]
fn the_gate_asked_alone_says_what_the_planner_says() {
    let sim = waiting();
    let passed = gate_of(&sim, "prod", 2).unwrap();
    assert_eq!(passed.vouchers.iter().map(|voucher| voucher.target.as_str()).collect::<Vec<_>>(), ["test"]);
    assert_eq!(passed.release.len(), 1, "the image that the source built: {:?}", passed.release);
    let holds = gate_of(&sim, "prod", 3).unwrap_err();
    assert!(matches!(holds.as_slice(), [Hold::Unvouched { why: Unvouched::NotYet, publisher: Some(_), .. }]));
}

/// Another continuous-delivery tool promotes a version that was tested again and failed.
#[test]
fn j4_a_version_that_was_tested_again_and_failed_is_no_longer_promotable() {
    let mut sim = waiting();
    assert!(gate_of(&sim, "prod", 2).is_ok());
    // Stage gets another configuration, so the test runs again at the same commit, and fails.
    sim.install.edit("stage", |target| target.input_hash = Arc::from("input-2"));
    sim.fail("test", commit(2), FailureClass::Environment, 9);
    sim.config_seen();
    sim.settle();
    let holds = gate_of(&sim, "prod", 2).unwrap_err();
    let [Hold::Unvouched { why: Unvouched::Failed { message, .. }, .. }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!(message, "test broke");
    sim.install.thaw("prod");
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(1)));
}

#[test]
fn a_blocked_version_goes_nowhere_and_the_one_before_it_does() {
    let mut sim = waiting();
    sim.push();
    sim.settle();
    sim.install.versions(vec![commit(3)], Vec::new());
    sim.install.thaw("prod");
    sim.config_seen();
    assert!(matches!(gate_of(&sim, "prod", 3).unwrap_err().as_slice(), [Hold::Blocked { .. }]));
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)));
    assert_eq!(sim.runs("stage"), Some(commit(2)), "stage leaves what is blocked everywhere");
}

#[test]
fn a_hotfix_passes_channels_and_soak_but_no_freeze() {
    let mut sim = Sim::chain();
    sim.install.edit("prod", |target| target.promotion.soak_days = 3);
    sim.config_seen();
    sim.settle();
    let bad = sim.push();
    sim.fail("test", bad, FailureClass::Own, 1);
    sim.settle();
    sim.install.versions(Vec::new(), vec![bad]);
    sim.install.freeze("prod", None, None);
    sim.config_seen();
    assert!(matches!(sim.holds("prod").as_slice(), [.., Hold::Frozen { .. }]), "{:?}", sim.verdict("prod"));
    sim.install.thaw("prod");
    sim.config_seen();
    assert!(gate_of(&sim, "prod", 2).unwrap().hotfix);
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(bad));
}

#[test]
fn a_disabled_publisher_does_not_count_and_none_at_all_closes_the_gate() {
    let mut sim = Sim::chain();
    sim.install.target("test-b", |target| {
        target.promotion.subscribe = vec![channel("stage-ok")];
        target.promotion.publish = vec![channel("test-ok")];
        target.disable = true;
    });
    sim.config_seen();
    sim.settle();
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)), "the disabled one is not waited for");
    assert!(matches!(sim.holds("test-b").as_slice(), [Hold::Disabled { .. }]));

    sim.install.edit("test", |target| target.disable = true);
    sim.config_seen();
    sim.push();
    sim.settle();
    let holds = gate_of(&sim, "prod", 3).unwrap_err();
    assert!(matches!(holds.as_slice(), [Hold::Unvouched { why: Unvouched::NoPublisher, publisher: None, .. }]));
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn a_broken_file_does_not_open_the_gate_by_taking_a_publisher_away() {
    let mut sim = Sim::chain();
    sim.install.target("test-b", |target| {
        target.promotion.subscribe = vec![channel("stage-ok")];
        target.promotion.publish = vec![channel("test-ok")];
        target.promotion.auto = true;
    });
    sim.config_seen();
    sim.settle();
    sim.push();
    sim.install.targets.remove("test-b");
    sim.install.broken.push(BrokenFile { path: Arc::from("data/test-b.yml"), name: None, error: "not YAML".to_owned() });
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(1)));
    let holds = gate_of(&sim, "prod", 2).unwrap_err();
    let [Hold::Unvouched { why: Unvouched::FileBroken { path }, .. }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!(path, "data/test-b.yml");
    // Mended without it: it was removed on purpose.
    sim.install.broken.clear();
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn every_publisher_must_have_stood_well_for_the_soak_and_then_it_goes_by_itself() {
    let mut sim = Sim::chain();
    sim.install.target("test-b", |target| {
        target.promotion.subscribe = vec![channel("stage-ok")];
        target.promotion.publish = vec![channel("test-ok")];
        target.promotion.auto = true;
    });
    sim.install.edit("prod", |target| target.promotion.soak_days = 2);
    sim.config_seen();
    sim.settle();
    sim.wait(Span::from_days(3));
    assert_eq!(sim.runs("prod"), Some(commit(1)));
    sim.push();
    sim.settle();
    let [Hold::Soaking { days: 2, until, .. }] = sim.holds("prod")[..] else { panic!("{:?}", sim.holds("prod")) };
    assert!(until > sim.now.plus(Span::from_secs(47 * 3600)), "two publishers do not soak twice as fast");
    assert_eq!(sim.verdict("prod").valid_until, Some(until));
    sim.wait(Span::from_days(3));
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn publishers_that_tested_different_bits_under_one_tag_hold_the_gate() {
    let mut sim = waiting();
    let image: towpath_domain::ImageRef = "registry.example.com/web:0000002".parse().unwrap();
    // A second publisher whose run found other bits behind the tag.
    sim.install.target("test-b", |target| {
        target.promotion.publish = vec![channel("test-ok")];
        target.git_ref = towpath_domain::GitRef::Commit(commit(2));
    });
    sim.config_seen();
    sim.act_all();
    let run = sim.open("test-b");
    sim.start(&run);
    let digests = [(image.clone(), Digest::from_bytes([9; 32]))].into();
    sim.end(&run, Outcome::Deployed { digests });
    let holds = gate_of(&sim, "prod", 2).unwrap_err();
    assert!(matches!(holds.as_slice(), [Hold::TagMoved { image: moved, .. }] if *moved == image), "{holds:?}");
    sim.install.thaw("prod");
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(1)));
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::TagMoved { .. }]));
}

#[test]
fn a_ref_that_a_person_pins_passes_the_same_gate() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    sim.fail("test", second, FailureClass::Own, 1);
    sim.settle();
    sim.install.edit("prod", |target| target.git_ref = towpath_domain::GitRef::Commit(second));
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(1)));
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Unvouched { .. }]));
}

#[test]
fn a_target_that_is_not_automatic_tells_what_could_go() {
    let mut sim = Sim::chain();
    sim.install.edit("prod", |target| target.promotion.auto = false);
    sim.config_seen();
    sim.settle();
    let second = sim.push();
    sim.settle();
    let verdict = sim.verdict("prod");
    assert_eq!(verdict.state, State::UpToDate);
    assert_eq!(verdict.passed_over, [(second, vec![Hold::NotAutomatic { candidate: second }])]);
}

/// Runs the test of commit 2 until it is queued, and takes it up if asked for. Production is not frozen.
fn at_its_test(start: bool) -> (Sim, RunId) {
    let mut sim = Sim::chain();
    sim.settle();
    sim.push();
    while sim.facts.targets["test"].active.is_none() {
        if sim.act() == 0 {
            sim.work_one();
        }
    }
    let run = sim.open("test");
    if start {
        sim.start(&run);
    }
    (sim, run)
}

/// A test whose pod never starts (no image, no room, evicted) says nothing, and that is not a yes.
#[test]
fn j1_a_test_that_never_started_has_not_passed() {
    let (mut sim, _) = at_its_test(false);
    sim.fail("test", commit(2), FailureClass::Environment, 99);
    sim.settle();
    sim.wait(Span::from_days(2));
    sim.settle();
    let holds = gate_of(&sim, "prod", 2).unwrap_err();
    assert!(matches!(holds.as_slice(), [Hold::Unvouched { why: Unvouched::Failed { .. }, .. }]), "{holds:?}");
    assert!(
        matches!(sim.holds("test").as_slice(), [Hold::Failed { class: FailureClass::Environment, .. }]),
        "tried as often as is worth it"
    );
    assert_eq!(sim.runs("prod"), Some(commit(1)));

    // Its image is not there: it does not even begin.
    let mut sim = Sim::chain();
    sim.settle();
    sim.registry.name("test", &["registry.example.com/iqe"]);
    sim.push();
    sim.settle();
    sim.wait(Span::from_days(2));
    assert!(matches!(sim.holds("test").as_slice(), [Hold::ImageMissing { .. }]));
    assert!(matches!(gate_of(&sim, "prod", 2).unwrap_err().as_slice(), [Hold::Unvouched { why: Unvouched::NotYet, .. }]));
    assert_eq!(sim.runs("prod"), Some(commit(1)));
}

/// A test that was cut short before it had spoken counts as nothing, whatever cut it.
#[test]
fn j2_a_test_that_was_cut_short_has_not_passed() {
    for outcome in [
        Outcome::Cancelled { by: "ann".to_owned() },
        Outcome::Superseded { by: "a newer one".to_owned() },
        Outcome::Failed {
            class: FailureClass::Unknown,
            step: "wait".to_owned(),
            message: "2 of 5 ended".to_owned(),
            refused: false,
            blame: None,
        },
        // An end that belongs to another kind of work.
        Outcome::Deleted,
    ] {
        let (mut sim, run) = at_its_test(true);
        sim.end(&run, outcome.clone());
        assert!(gate_of(&sim, "prod", 2).is_err(), "{outcome:?}");
        sim.act_all();
        assert_eq!(sim.pinned("prod"), Some(commit(1)), "{outcome:?}");
    }
    // One that was told to end as if it had passed, but for nobody's run, is nothing either.
    let (mut sim, _) = at_its_test(true);
    let run = RunId::new("nobody-knows-it").unwrap();
    sim.event(Event::RunFinished { run, outcome: Outcome::Deployed { digests: [].into() } });
    assert!(gate_of(&sim, "prod", 2).is_err());
}

/// A required check that was renamed, removed or skipped: an empty set of checks vouches for nothing.
#[test]
fn j5_without_a_single_required_check_nothing_is_promoted() {
    for way in ["renamed", "removed", "skipped", "none asked for"] {
        let mut sim = Sim::chain();
        sim.settle();
        match way {
            "renamed" => sim.install.edit("test", |target| target.promotion.publish = vec![channel("smoke-ok")]),
            "removed" => assert!(sim.install.targets.remove("test").is_some()),
            "skipped" => sim.install.edit("test", |target| target.disable = true),
            _ => sim.install.edit("prod", |target| target.promotion.subscribe.clear()),
        }
        sim.config_seen();
        sim.push();
        sim.settle();
        sim.wait(Span::from_days(2));
        assert_eq!((sim.runs("stage"), sim.runs("prod"), sim.pinned("prod")), (Some(commit(2)), Some(commit(1)), Some(commit(1))), "{way}");
        if way != "none asked for" {
            let holds = gate_of(&sim, "prod", 2).unwrap_err();
            assert!(matches!(holds.as_slice(), [Hold::Unvouched { why: Unvouched::NoPublisher, publisher: None, .. }]), "{way}: {holds:?}");
        }
    }
}
