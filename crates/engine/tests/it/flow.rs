//! The way of a commit from the branch to production.

use towpath_domain::FailureClass;
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

#[test]
fn a_merge_goes_all_the_way_by_itself() {
    let mut sim = Sim::chain();
    sim.settle();
    for name in ["stage", "test", "prod"] {
        assert_eq!((sim.runs(name), &sim.verdict(name).state), (Some(commit(1)), &State::UpToDate), "{name}");
    }
    let second = sim.push();
    sim.settle();
    for name in ["stage", "test", "prod"] {
        assert_eq!((sim.runs(name), &sim.verdict(name).state), (Some(second), &State::UpToDate), "{name}");
    }
    assert_eq!((sim.pinned("test"), sim.pinned("prod")), (Some(second), Some(second)));
}

#[test]
fn what_failed_its_test_stays_out_of_production_and_the_next_one_goes() {
    let mut sim = Sim::chain();
    sim.settle();
    let bad = sim.push();
    sim.fail("test", bad, FailureClass::Own, 1);
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(bad));
    assert_eq!(sim.runs("prod"), Some(commit(1)));
    assert!(matches!(sim.holds("test").as_slice(), [Hold::Failed { class: FailureClass::Own, attempts: 1, .. }]));
    let [(over, holds)] = sim.verdict("prod").passed_over.as_slice() else { panic!("{:?}", sim.verdict("prod")) };
    assert_eq!(*over, bad);
    assert!(matches!(holds.as_slice(), [Hold::Unvouched { why: Unvouched::Failed { .. }, .. }]));

    let good = sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(good));
    assert!(!sim.deployed.contains(&(target_id("prod"), bad)));
}

#[test]
fn a_ref_that_is_ahead_of_what_is_known_is_not_promoted_backwards_while_its_branch_is_away() {
    let mut sim = Sim::chain();
    sim.settle();
    // A person pushed a commit and set production to it; the branch could not be looked at since.
    sim.event(Event::BranchUnreachable { url: url(), branch: main_branch(), error: "no route to host".to_owned() });
    sim.install.edit("prod", |target| target.git_ref = towpath_domain::GitRef::Commit(commit(7)));
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.pinned("prod"), Some(commit(7)));
    assert!(
        sim.holds("prod").iter().any(|hold| matches!(hold, Hold::Unreachable { .. } | Hold::Unvouched { .. })),
        "{:?}",
        sim.holds("prod")
    );
}

#[test]
fn a_target_that_nothing_was_promoted_to_yet_gets_the_first_commit_that_passed() {
    let mut sim = Sim::chain();
    let nothing: towpath_domain::CommitId = "0".repeat(40).parse().unwrap();
    for name in ["test", "prod"] {
        sim.install.edit(name, |target| target.git_ref = towpath_domain::GitRef::Commit(nothing));
    }
    sim.config_seen();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::NothingYet { .. }]));
    sim.settle();
    assert_eq!((sim.pinned("prod"), sim.runs("prod")), (Some(commit(1)), Some(commit(1))));
    let renders =
        |sim: &Sim| sim.log.iter().filter(|(_, event)| matches!(event, Event::Rendered(render) if render.commit == nothing)).count();
    assert_eq!(renders(&sim), 0);
}
