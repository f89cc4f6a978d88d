//! Many commits, one after the other.

use towpath_catalog::QueuePolicy;
use towpath_domain::{FailureClass, Span};
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

fn every(sim: &mut Sim, names: &[&str]) {
    for name in names {
        sim.install.policy(&format!("every-{name}"), |policy| {
            policy.select.targets = vec![target_id(name)];
            policy.queue = Some(QueuePolicy::Every);
        });
    }
    sim.config_seen();
}

fn deploys(sim: &Sim, name: &str) -> Vec<u32> {
    let number = |commit: &towpath_domain::CommitId| u32::from_str_radix(&commit.short(7), 16).unwrap();
    sim.deployed.iter().filter(|(target, _)| target.as_str() == name).map(|(_, commit)| number(commit)).collect()
}

#[test]
fn the_newest_goes_and_those_between_are_passed_over() {
    let mut sim = Sim::chain();
    sim.settle();
    for _ in 0..3 {
        sim.push();
    }
    sim.settle();
    assert_eq!(deploys(&sim, "stage"), [1, 4]);
    assert_eq!(deploys(&sim, "prod"), [1, 4]);
}

#[test]
fn each_goes_in_its_turn_where_the_policy_says_so() {
    let mut sim = Sim::chain();
    every(&mut sim, &["stage", "test", "prod"]);
    sim.settle();
    for _ in 0..3 {
        sim.push();
    }
    sim.settle();
    for name in ["stage", "test", "prod"] {
        assert_eq!(deploys(&sim, name), [1, 2, 3, 4], "{name}");
    }
}

#[test]
fn a_bad_version_does_not_stop_those_after_it_nor_come_back() {
    let mut sim = Sim::chain();
    every(&mut sim, &["stage"]);
    sim.settle();
    let (second, third) = (sim.push(), sim.push());
    sim.fail("stage", second, FailureClass::Own, 1);
    sim.fail("stage", third, FailureClass::Own, 1);
    sim.settle();
    assert_eq!(deploys(&sim, "stage"), [1]);
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::Failed { .. }]));
    sim.push();
    sim.settle();
    assert_eq!(deploys(&sim, "stage"), [1, 4], "the failed ones are not tried again");
}

#[test]
fn a_busy_branch_starves_no_test() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    while sim.runs("stage") != Some(second) {
        sim.act();
        sim.work_one();
    }
    // From here on there is a newer commit before anything ends.
    let third = sim.push();
    sim.act_all();
    while sim.facts.targets["test"].active.as_ref().is_none_or(|active| active.commit != Some(second)) {
        assert_eq!(sim.runs("stage"), Some(second), "stage waits for the test of what it runs");
        sim.work_one();
        sim.act();
    }
    let holds = sim.holds("stage");
    assert!(
        matches!(holds.as_slice(), [Hold::UnderTest { target, commit, .. }] if target.as_str() == "test" && *commit == second),
        "{holds:?}"
    );
    sim.settle();
    assert_eq!(deploys(&sim, "test"), [1, 2, 3]);
    assert_eq!(sim.runs("prod"), Some(third));
}

#[test]
fn nobody_waits_for_a_test_that_will_not_speak() {
    for stuck in ["disabled", "frozen", "failed"] {
        let mut sim = Sim::chain();
        sim.settle();
        match stuck {
            "disabled" => sim.install.edit("test", |target| target.disable = true),
            "frozen" => sim.install.freeze("test", None, None),
            _ => sim.fail("test", commit(2), FailureClass::Own, 1),
        }
        sim.config_seen();
        sim.push();
        sim.settle();
        let third = sim.push();
        sim.settle();
        assert_eq!(sim.runs("stage"), Some(third), "{stuck}");
    }
}

#[test]
fn a_test_of_what_no_longer_runs_goes_on_with_what_does() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.install.freeze("test", None, None);
    sim.config_seen();
    sim.push();
    sim.settle();
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(3)));
    sim.install.thaw("test");
    sim.config_seen();
    sim.settle();
    assert_eq!(deploys(&sim, "test"), [1, 3]);
    assert_eq!(sim.runs("prod"), Some(commit(3)));
}

#[test]
fn a_queued_run_that_nobody_took_up_makes_room_for_a_newer_one() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.push();
    while sim.facts.targets["stage"].active.as_ref().is_none_or(|active| active.commit != Some(commit(2))) {
        sim.act();
        let builds: Vec<_> = sim
            .facts
            .open_runs
            .iter()
            .filter(|(_, open)| matches!(open.spec.work, Work::Build { .. }))
            .map(|(run, _)| run.clone())
            .collect();
        builds.iter().for_each(|run| sim.finish(run));
    }
    let queued = sim.open("stage");
    sim.push();
    sim.act_all();
    let build =
        sim.facts.open_runs.iter().find(|(_, open)| matches!(open.spec.work, Work::Build { .. })).map(|(run, _)| run.clone()).unwrap();
    assert_eq!(sim.open("stage"), queued, "without its image the newer one takes nobody's place");
    sim.finish(&build);
    sim.act_all();
    assert_ne!(sim.open("stage"), queued);
    assert_eq!(sim.facts.targets["stage"].active.as_ref().unwrap().commit, Some(commit(3)));
    assert!(sim.facts.targets["stage"].failure.is_none());

    let run = sim.open("stage");
    sim.start(&run);
    sim.push();
    sim.act_all();
    assert_eq!(sim.open("stage"), run, "what is under way is left alone");
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::InProgress { started: true, .. }]));
}

#[test]
fn of_the_builds_only_the_head_counts_unless_each_is_deployed() {
    let mut sim = Sim::chain();
    sim.act_all();
    let first = sim.facts.open_runs.keys().next().unwrap().clone();
    sim.push();
    sim.act_all();
    assert!(!sim.facts.open_runs.contains_key(&first), "the queued build of the old head makes room");
    sim.settle();
    assert_eq!(deploys(&sim, "stage"), [2]);
    assert_eq!(sim.source_verdict().state, State::UpToDate);
    assert_eq!(sim.facts.builds["web"].values().filter(|fact| fact.built.is_some()).count(), 1);
}

#[test]
fn a_failed_build_is_told_to_who_waits_for_it_and_the_next_commit_mends_it() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    sim.fail("build web", second, FailureClass::Own, 1);
    sim.settle();
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::BuildFailed { class: FailureClass::Own, .. }]));
    assert!(matches!(sim.source_verdict().state, State::Held { .. }));
    let third = sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(third));
}

/// A queue that moves on while nobody knows whether what it left is healthy.
#[test]
fn j3_a_test_waits_while_what_it_tests_is_being_deployed_or_half_done() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.install.edit("stage", |target| target.input_hash = "input-2".into());
    sim.install.edit("test", |target| target.promotion.redeploy_on_publisher_config_change = false);
    sim.config_seen();
    sim.act_all();
    assert!(sim.facts.targets["stage"].active.is_some());
    // Meanwhile the test is to run again for a reason of its own.
    sim.install.edit("test", |target| target.input_hash = "input-2".into());
    sim.config_seen();
    sim.act_all();
    assert!(matches!(sim.holds("test").as_slice(), [Hold::NotRunning { target, runs: Some(_), .. }] if target.as_str() == "stage"));
    sim.settle();
    assert_eq!(deploys(&sim, "test"), [1, 1]);

    // A newer commit that stage chokes on leaves nobody knows what behind: no test of the old one then.
    let second = sim.push();
    sim.fail("stage", second, FailureClass::Own, 1);
    sim.settle();
    sim.install.edit("test", |target| target.input_hash = "input-3".into());
    sim.config_seen();
    sim.settle();
    assert_eq!(deploys(&sim, "test"), [1, 1]);
    assert!(matches!(sim.holds("test").as_slice(), [Hold::NotRunning { .. }]));
}

#[test]
fn j3_a_queue_does_not_move_on_before_it_is_known_how_the_version_before_it_fares() {
    let mut sim = Sim::chain();
    every(&mut sim, &["stage", "test", "prod"]);
    sim.settle();
    let (second, third) = (sim.push(), sim.push());
    while sim.facts.targets["stage"].active.is_none() {
        sim.act_all();
        sim.work_one();
    }
    let run = sim.open("stage");
    sim.start(&run);
    // The worker died, and nobody knows how it went: started again, for as long as it takes.
    for _ in 0..3 {
        sim.wait(Span::from_days(1));
        sim.start(&run);
        sim.act_all();
        assert!(
            matches!(sim.holds("stage").as_slice(), [Hold::InProgress { commit: Some(commit), started: true, .. }] if *commit == second)
        );
        assert!(!sim.facts.evidence[&(channel("stage-ok"), target_id("stage"))].contains_key(&second), "not known is not well");
    }
    let failed = Outcome::Failed {
        class: FailureClass::Environment,
        step: "wait".to_owned(),
        message: "no answer".to_owned(),
        refused: false,
        blame: None,
    };
    sim.end(&run, failed);
    sim.act_all();
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::Backoff { .. }]), "it is proven before the next has its turn");
    sim.wait(Span::from_days(1));
    assert_eq!(deploys(&sim, "stage"), [1, 2, 3]);
    assert_eq!(sim.runs("prod"), Some(third));
}
