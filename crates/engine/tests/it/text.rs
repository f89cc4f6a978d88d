//! What people read.

use towpath_catalog::Place;
use towpath_domain::{Digest, FailureClass, ImageRef, RunId, Span, Timestamp};
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

fn told(hold: &Hold) -> String {
    let catalog = Install::chain().catalog();
    format!("{}\n-> {}", hold_text(hold, &catalog), lift_text(hold, "web/web/prod/web-prod"))
}

fn run() -> RunId {
    RunId::new("deploy-web-prod-0123456789").unwrap()
}

fn image() -> ImageRef {
    "registry.example.com/web:0000002".parse().unwrap()
}

fn moment() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

#[test]
fn a_hold_says_what_and_what_would_lift_it() {
    let unvouched = |why| Hold::Unvouched {
        commit: commit(2),
        channel: channel("test-ok"),
        publisher: Some(target_id("test")),
        title: String::new(),
        why,
    };
    let holds = [
        unvouched(Unvouched::NotYet),
        unvouched(Unvouched::Failed { run: run(), message: "3 of 40 tests failed".to_owned() }),
        unvouched(Unvouched::FileBroken { path: "data/web.yml".to_owned() }),
        Hold::Disabled { place: place(10) },
        Hold::NotSeen { url: url(), branch: Some(main_branch()) },
        Hold::Blocked { commit: commit(2), reason: "it eats orders".to_owned(), place: place(7) },
        Hold::Blocked {
            commit: commit(2),
            reason: "it eats orders".to_owned(),
            place: Place { file: "data/towpath/blocks/web.yml".into(), ..place(7) },
        },
        Hold::Unsupported { features: vec!["unsupported: `slos`".to_owned(), "unsupported: `images`".to_owned()] },
        Hold::Unsupported { features: vec!["broken-publisher: `data/web.yml` is broken".to_owned()] },
        Hold::Soaking { commit: commit(2), days: 1, until: moment() },
        Hold::OutsideSchedule { schedule: "0 9 * * *".to_owned(), opens: Some(moment()) },
        Hold::OutsideWindow { policy: "hours".to_owned(), opens: None, place: place(60) },
        Hold::Frozen {
            policy: "hold-web".to_owned(),
            why: "inventory".to_owned(),
            by: Some("ann".to_owned()),
            until: None,
            place: place(3),
        },
        Hold::Frozen {
            policy: "hold-web".to_owned(),
            why: "inventory".to_owned(),
            by: Some("ann".to_owned()),
            until: None,
            place: Place { file: "data/towpath/holds/web.yml".into(), ..place(3) },
        },
        Hold::NotAutomatic { candidate: commit(2) },
        Hold::BuildFailed { commit: commit(2), run: run(), class: FailureClass::Own, message: "cc: error".to_owned() },
        Hold::RenderFailed { commit: commit(2), message: "parameter IMAGE has no value".to_owned() },
        Hold::ImageMissing { image: image(), since: moment(), next: moment(), error: None },
        Hold::ImageMissing { image: image(), since: moment(), next: moment(), error: Some("connection refused".to_owned()) },
        Hold::Unsigned {
            image: image(),
            digest: Digest::from_bytes([7; 32]),
            policy: "production".to_owned(),
            what: "no signature by its key".to_owned(),
            place: place(70),
            since: moment(),
            next: moment(),
        },
        Hold::InProgress { run: run(), commit: Some(commit(2)), started: true },
        Hold::UnderTest { target: target_id("test"), title: String::new(), commit: commit(2) },
        Hold::NotRunning { target: target_id("stage"), title: String::new(), commit: commit(2), runs: Some(commit(3)) },
        Hold::NotRunning { target: target_id("stage"), title: String::new(), commit: commit(2), runs: Some(commit(2)) },
        Hold::Backoff { run: run(), until: moment(), attempts: 2, of: 5, message: "no route to host".to_owned() },
        Hold::Failed { run: run(), class: FailureClass::Unknown, attempts: 5, message: "it broke".to_owned() },
        Hold::NoWayBack { bad: commit(2), why: "no earlier version is known to be good".to_owned() },
    ];
    let text: Vec<String> = holds.iter().map(told).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    channel test-ok does not vouch for 0000002: web/web/test/web-test has not deployed it yet
    -> nothing to do: it goes when the publisher has succeeded
    channel test-ok does not vouch for 0000002: web/web/test/web-test failed with it (deploy-web-prod-0123456789): 3 of 40 tests failed
    -> see `towpath logs deploy-web-prod-0123456789`; mend and merge, retry the publisher, or add the commit to the app's `hotfixVersions`
    channel test-ok does not vouch for 0000002: its publisher web/web/test/web-test is missing while data/web.yml is broken
    -> mend data/web.yml: `towpath validate` says what is wrong with it
    the target is disabled in data/web.yml:10:7
    -> remove `disable: true` from the target at data/web.yml:10:7
    branch main of https://git.example.com/web has not been looked at yet
    -> nothing to do: it is looked at within a poll
    0000002 is blocked (data/web.yml:7:7): it eats orders
    -> remove the block at data/web.yml:7:7, or go to another commit
    0000002 is blocked (data/towpath/blocks/web.yml:7:7): it eats orders
    -> `towpath release data/towpath/blocks/web.yml --reason …`, or go to another commit
    its saas file uses what Towpath cannot carry out: `slos`; `images`
    -> take these features out of the saas file, or deploy this target by other means
    its configuration is not in order: `data/web.yml` is broken
    -> mend it in the config repository: `towpath validate` there says where and how
    0000002 must stand well for a day and does so at 2023-11-14T22:13:20.000Z
    -> wait, or add the commit to the app's `hotfixVersions`
    the schedule `0 9 * * *` (UTC) is closed until 2023-11-14T22:13:20.000Z
    -> wait, change the target's `schedule`, or add the commit to the app's `hotfixVersions`
    the windows of policy hours are closed, with no end in sight
    -> wait, change the windows at data/web.yml:60:7, or add the commit to the app's `hotfixVersions`
    frozen by ann, without end (hold-web): inventory
    -> take the freeze out at data/web.yml:3:7
    frozen by ann, without end (hold-web): inventory
    -> `towpath release hold-web --reason …`
    0000002 could go, but promotion is not automatic here
    -> `towpath promote 'web/web/prod/web-prod' --to 0000002 --reason …`, or set `auto: true`
    the build deploy-web-prod-0123456789 of 0000002 failed, the change's own fault: cc: error
    -> see `towpath logs deploy-web-prod-0123456789`; mend and merge, or `towpath retry deploy-web-prod-0123456789 --reason …`
    the template at 0000002 does not come to objects: parameter IMAGE has no value
    -> mend the template or the parameters, or `towpath retry 'web/web/prod/web-prod' --reason …`
    the image registry.example.com/web:0000002 is not in its registry since 2023-11-14T22:13:20.000Z, next look at 2023-11-14T22:13:20.000Z
    -> push the image, or mend its name in the template or the parameters; it is looked for again by itself
    the image registry.example.com/web:0000002 cannot be looked at, next look at 2023-11-14T22:13:20.000Z: connection refused
    -> mend the access to the registry: `towpath doctor` says more; it is looked at again by itself
    the image registry.example.com/web:0000002 (sha256:0707070707070707070707070707070707070707070707070707070707070707) is not signed as policy production requires: no signature by its key; next look at 2023-11-14T22:13:20.000Z
    -> sign the image as data/web.yml:70:7 asks (`cosign sign`, `cosign attest`); it is looked at again by itself
    deploy-web-prod-0123456789 of 0000002 is under way
    -> nothing to do; `towpath logs deploy-web-prod-0123456789` follows it, `towpath cancel deploy-web-prod-0123456789 --reason …` stops it
    0000002 is being tested by web/web/test/web-test
    -> nothing to do: it goes when the test has spoken
    0000002 was to be tested, but web/web/stage/web-stage runs 0000003
    -> nothing to do: the test goes on with what runs then
    web/web/stage/web-stage is about to run something else than 0000002
    -> nothing to do: the test goes on with what runs then
    deploy-web-prod-0123456789 failed by the environment's fault (attempt 2 of 5), next attempt at 2023-11-14T22:13:20.000Z: no route to host
    -> nothing to do, or at once: `towpath retry 'web/web/prod/web-prod' --reason …`
    deploy-web-prod-0123456789 failed, after 5 attempts, of unknown cause: it broke
    -> see `towpath logs deploy-web-prod-0123456789`; mend it, then `towpath retry 'web/web/prod/web-prod' --reason …`
    0000002 failed its tests, and Towpath does not roll back: no earlier version is known to be good
    -> set the target's `ref` to a good commit, or merge a fix
    ");
}

#[test]
fn a_verdict_is_told_in_one_sentence() {
    let mut sim = Sim::chain();
    let mut told = Vec::new();
    let mut note = |sim: &Sim| {
        for name in ["stage", "prod"] {
            told.push(format!("{name}: {}", verdict_text(sim.verdict(name), &*sim.catalog)));
        }
    };
    note(&sim);
    sim.settle();
    note(&sim);
    sim.install.freeze("prod", None, Some(moment().plus(Span::from_days(1))));
    sim.config_seen();
    sim.push();
    sim.settle();
    note(&sim);
    insta::assert_snapshot!(told.join("\n"), @r"
    stage: held on the way to 0000001: the image of 0000001 is not built yet
    prod: render web/web/prod/web-prod at 0000001
    stage: up to date at 0000001
    prod: up to date at 0000001
    stage: up to date at 0000002
    prod: held on the way to 0000002: frozen by ann until 2023-11-15T22:13:20.000Z (freeze-prod): inventory
    ");
}
