//! Going back, by a change like any other.

use towpath_domain::{FailureClass, GitRef};
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

/// The chain, and behind production a smoke test; production rolls back by itself.
fn smoke() -> Sim {
    let mut install = Install::chain();
    install.edit("prod", |target| target.promotion.publish = vec![channel("prod-ok")]);
    install.target("smoke", |target| {
        target.promotion.subscribe = vec![channel("prod-ok")];
        target.promotion.auto = true;
    });
    install.policy("back", |policy| {
        policy.select.targets = vec![target_id("prod")];
        policy.automatic_rollback = Some(true);
    });
    let mut sim = Sim::of(install, &["test", "smoke"]);
    sim.settle();
    sim
}

fn rollbacks(sim: &Sim) -> Vec<&ChangeFact> {
    sim.facts.changes.values().filter(|fact| fact.kind() == ChangeKind::Rollback).collect()
}

#[test]
fn what_fails_its_tests_in_production_goes_back_and_does_not_return() {
    let mut sim = smoke();
    let bad = sim.push();
    sim.fail("smoke", bad, FailureClass::Own, 1);
    sim.settle();
    assert_eq!((sim.runs("prod"), sim.pinned("prod")), (Some(commit(1)), Some(commit(1))));
    assert_eq!(sim.deployed.iter().filter(|(target, to)| target.as_str() == "prod" && *to == bad).count(), 1, "no ping-pong");
    let changes = rollbacks(&sim);
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    assert!(matches!(change.spec.edits.as_slice(), [ConfigEdit::SetRef { .. }, ConfigEdit::WriteFile { .. }]));
    assert_eq!(change.spec.title, "Roll web back from 0000002 to 0000001 in prod");

    let good = sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(good), "a fix goes ahead");
}

#[test]
fn a_target_that_follows_a_branch_goes_back_by_a_block_alone() {
    let mut install = Install::chain();
    install.policy("back", |policy| policy.automatic_rollback = Some(true));
    let mut sim = Sim::of(install, &["test"]);
    sim.settle();
    let bad = sim.push();
    sim.fail("test", bad, FailureClass::Own, 1);
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(1)));
    let changes = rollbacks(&sim);
    assert!(matches!(changes.as_slice(), [ChangeFact { spec, .. }] if matches!(spec.edits.as_slice(), [ConfigEdit::WriteFile { .. }])));
    assert_eq!(sim.runs("prod"), Some(commit(1)));
    let good = sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(good));
}

/// Two bad versions must not take turns for ever: what a rollback reached stays, however bad it is.
#[test]
fn j12_a_rollback_is_never_rolled_back() {
    let mut sim = smoke();
    let good = sim.push();
    sim.settle();
    let bad = sim.push();
    sim.fail("smoke", bad, FailureClass::Own, 1);
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(good));
    // The good version begins to fail, too: its test runs again, since production has another configuration. Commit 1,
    // which was good as well, is still there to go back to.
    sim.install.edit("smoke", |target| {
        target.promotion.redeploy_on_publisher_config_change = true;
        target.git_ref = GitRef::Commit(good);
    });
    sim.install.edit("prod", |target| target.input_hash = "input-2".into());
    sim.fail("smoke", good, FailureClass::Own, 9);
    sim.config_seen();
    sim.settle();
    let holds = sim.holds("prod");
    let [Hold::NoWayBack { bad, why }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!((*bad, why.as_str()), (good, "0000002 was itself reached by a rollback"));
    assert_eq!((sim.runs("prod"), rollbacks(&sim).len()), (Some(good), 1));
    sim.fails.clear();
    let better = sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(better), "a newer version goes ahead all the same");
}

#[test]
fn j12_a_rollback_by_a_block_alone_is_never_rolled_back_either() {
    let mut install = Install::chain();
    install.policy("back", |policy| policy.automatic_rollback = Some(true));
    let mut sim = Sim::of(install, &["test"]);
    sim.settle();
    let good = sim.push();
    sim.settle();
    let bad = sim.push();
    sim.fail("test", bad, FailureClass::Own, 1);
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(good));
    sim.install.edit("stage", |target| target.input_hash = "input-2".into());
    sim.install.edit("test", |target| target.git_ref = GitRef::Commit(good));
    sim.fail("test", good, FailureClass::Own, 9);
    sim.config_seen();
    sim.settle();
    let holds = sim.holds("stage");
    let [Hold::NoWayBack { why, .. }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!(why, "0000002 was itself reached by a rollback from 0000003");
    assert_eq!(sim.runs("stage"), Some(good));
}

#[test]
fn without_an_earlier_good_version_it_stays_and_says_so() {
    let mut install = Install::chain();
    install.policy("back", |policy| policy.automatic_rollback = Some(true));
    let mut sim = Sim::of(install, &["test"]);
    sim.fail("test", commit(1), FailureClass::Own, 1);
    sim.settle();
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::NoWayBack { .. }]));
}

#[test]
fn neither_a_stopped_test_nor_the_environment_rolls_anything_back() {
    let mut sim = smoke();
    let second = sim.push();
    sim.fail("smoke", second, FailureClass::Environment, 99);
    sim.settle();
    sim.wait(towpath_domain::Span::from_days(1));
    assert_eq!((sim.runs("prod"), rollbacks(&sim).len()), (Some(second), 0));

    sim.fails.clear();
    let third = sim.push();
    while sim.runs("prod") != Some(third) || sim.facts.targets["smoke"].active.is_none() {
        sim.act();
        let next = sim.facts.open_runs.keys().find(|run| !run.as_str().starts_with("deploy-web-smoke")).cloned();
        if let Some(run) = next {
            sim.finish(&run);
        }
    }
    let run = sim.open("smoke");
    sim.start(&run);
    sim.end(&run, Outcome::Cancelled { by: "ann".to_owned() });
    sim.settle();
    assert_eq!((sim.runs("prod"), rollbacks(&sim).len()), (Some(third), 0));
}

#[test]
fn a_frozen_target_does_not_go_back_before_it_thaws() {
    let mut sim = smoke();
    let bad = sim.push();
    sim.fail("smoke", bad, FailureClass::Own, 1);
    while sim.runs("prod") != Some(bad) {
        sim.act();
        sim.work_one();
    }
    sim.install.freeze("prod", None, None);
    sim.config_seen();
    sim.settle();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Frozen { .. }]));
    sim.install.thaw("prod");
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(1)));
}

/// Versions that are bad one after the other: each goes back once, to what is known to be good, and none comes again.
#[test]
fn j12_bad_versions_in_a_row_do_not_take_turns() {
    let mut sim = smoke();
    for number in 2..6 {
        let bad = sim.push();
        sim.fail("smoke", bad, FailureClass::Own, 9);
        sim.settle();
        sim.wait(towpath_domain::Span::from_days(1));
        assert_eq!(sim.runs("prod"), Some(commit(1)), "after {number}");
        assert_eq!(rollbacks(&sim).len(), number - 1);
    }
    for number in 2..6 {
        let times = sim.deployed.iter().filter(|(target, to)| target.as_str() == "prod" && *to == commit(number)).count();
        assert_eq!(times, 1, "{number} came once");
    }
    let good = sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(good));
}
