//! Changes that are under way beside each other, or one after the other.

use towpath_domain::{FailureClass, RunId};
use towpath_engine::*;

use crate::changes::until_promoted;
use crate::install::*;
use crate::sim::Sim;

/// The open runs of changes that move `target`.
fn moving(sim: &Sim, target: &str) -> Vec<RunId> {
    let moves = |work: &Work| match work {
        Work::Change(change) => {
            change.edits.iter().any(|edit| matches!(edit, ConfigEdit::SetRef { target: moved, .. } if moved.as_str() == target))
        }
        _ => false,
    };
    sim.facts.open_runs.iter().filter(|(_, open)| moves(&open.spec.work)).map(|(run, _)| run.clone()).collect()
}

/// Does all that can be done beside `left`, which goes on for as long as it likes.
fn all_but(sim: &mut Sim, left: &RunId) {
    loop {
        sim.act_all();
        let Some(next) = sim.facts.open_runs.keys().find(|run| *run != left).cloned() else { return };
        sim.finish(&next);
    }
}

/// What a controller decides that knows nothing but what was written down.
fn after_a_restart(sim: &Sim) -> Vec<Action> {
    let mut facts = Facts::default();
    for (at, event) in &sim.log {
        facts.apply(*at, event);
    }
    plan(&sim.catalog, &facts, sim.now).actions
}

/// Two promotions of one environment that interleave when the controller starts anew, or when there are two of them for a moment.
#[test]
fn j9_two_promotions_of_one_environment_do_not_interleave() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    until_promoted(&mut sim, "prod");
    let first_change = moving(&sim, "prod").remove(0);
    sim.start(&first_change);
    // While that change is under way, the next commit passes all that comes before production.
    let third = sim.push();
    all_but(&mut sim, &first_change);
    assert_eq!(sim.runs("test"), Some(third), "the next one is ready to go");
    assert_eq!(moving(&sim, "prod"), std::slice::from_ref(&first_change), "and waits for its turn");
    assert_eq!(after_a_restart(&sim), [], "also for who starts anew here: nothing is to be done");
    assert_eq!(sim.pinned("prod"), Some(commit(1)));

    // Both controllers of a split brain order the same: it has one name, and the second order of it changes nothing.
    sim.finish(&first_change);
    assert_eq!(sim.pinned("prod"), Some(second));
    let orders = after_a_restart(&sim);
    assert!(!orders.is_empty());
    sim.act_all();
    for order in orders {
        let Action::Run { spec } = order else { continue };
        let before = sim.facts.open_runs.len();
        sim.event(Event::RunQueued(*spec));
        assert_eq!(sim.facts.open_runs.len(), before);
    }
    sim.settle();
    let commits: Vec<_> = sim.deployed.iter().filter(|(target, _)| target.as_str() == "prod").map(|(_, commit)| *commit).collect();
    assert_eq!(commits, [commit(1), second, third]);
}

/// A batch of which one member fails: who has nothing to do with it is not starved, and a hotfix may overtake.
#[test]
fn j13_one_change_that_fails_its_checks_starves_nobody_and_a_hotfix_overtakes() {
    let mut sim = Sim::chain();
    // A neighbour that goes to production with the same commit, and another with a way of its own.
    for (name, subscribes) in [("prod-b", "test-ok"), ("other", "stage-ok")] {
        sim.install.target(name, |target| {
            target.promotion.subscribe = vec![channel(subscribes)];
            target.promotion.auto = true;
        });
    }
    sim.config_seen();
    sim.settle();
    let second = sim.push();
    let change = until_promoted(&mut sim, "prod");
    assert_eq!(change.edits.len(), 2, "prod and prod-b move together");
    let run = moving(&sim, "prod").remove(0);
    sim.end(
        &run,
        Outcome::Failed { class: FailureClass::Own, step: "check".to_owned(), message: "invalid".to_owned(), refused: false, blame: None },
    );
    sim.settle();
    for held in ["prod", "prod-b"] {
        assert!(matches!(sim.holds(held).as_slice(), [Hold::ChangeFailed { .. }]), "{held}");
    }
    assert_eq!(sim.runs("other"), Some(second), "who is in no batch with it goes on");

    // One of the two may not go: the other does not wait for it.
    sim.install.freeze("prod-b", None, None);
    sim.config_seen();
    sim.settle();
    assert_eq!((sim.runs("prod"), sim.runs("prod-b")), (Some(second), Some(commit(1))));

    // Production is held by a test that fails; a hotfix does not wait in line behind it.
    let third = sim.push();
    sim.fail("test", third, FailureClass::Own, 9);
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(second));
    let fourth = sim.push();
    sim.fail("test", fourth, FailureClass::Environment, 99);
    sim.settle();
    sim.install.versions(Vec::new(), vec![fourth]);
    sim.config_seen();
    sim.settle();
    assert_eq!((sim.runs("prod"), sim.runs("prod-b")), (Some(fourth), Some(commit(1))), "a freeze holds a hotfix, too");
}
