//! Post-deploy tests: what they test must run and stay until they have spoken.

use towpath_domain::CommitId;

use crate::change::{Standing, standing};
use crate::event::RenderOutcome;
use crate::facts::TargetFact;
use crate::images;
use crate::index::TargetView;
use crate::policy::Urgency;
use crate::retry::is_final;
use crate::verdict::Hold;
use crate::world::World;

/// The holds of a test of `commit`: one for each publisher that does not run it, or is about to run something else.
pub(crate) fn not_running(world: &World<'_>, test: &TargetView, commit: CommitId) -> Vec<Hold> {
    let mut holds = Vec::new();
    for at in &test.publishers {
        let publisher = &world.index.view(*at).target;
        let fact = world.fact(&publisher.id);
        let runs = fact.current.as_ref().map(|current| current.commit);
        if runs != Some(commit) || fact.active.is_some() || fact.dirty {
            holds.push(Hold::NotRunning { target: publisher.id.clone(), title: publisher.title(), commit, runs });
        }
    }
    holds
}

/// The holds of a publisher that is to leave what it runs for `next`: one for each test that still has something to say about it.
///
/// Without them a busy branch would starve every test.
pub(crate) fn under_test(world: &World<'_>, view: &TargetView, fact: &TargetFact, next: CommitId) -> Vec<Hold> {
    let Some(current) = fact.current.as_ref().map(|current| current.commit) else { return Vec::new() };
    if current == next || view.rules.is_blocked(current) {
        return Vec::new();
    }
    let tests = view.subscribers.iter().map(|at| world.index.view(*at));
    let pending = tests.filter(|test| is_pending(world, test, current));
    pending.map(|test| Hold::UnderTest { target: test.target.id.clone(), title: test.target.title(), commit: current }).collect()
}

/// Whether `test` will by itself come to say something about `commit` that it has not said yet.
///
/// Each way in which a test can be stuck makes this false, so that nobody waits for what never comes.
fn is_pending(world: &World<'_>, test: &TargetView, commit: CommitId) -> bool {
    let target = &test.target;
    let Some(pinned) = target.git_ref.commit().filter(|_| target.promotion.auto) else { return false };
    if target.disable || target.delete || !target.unsupported.is_empty() || world.only_jobs(test) != Some(true) {
        return false;
    }
    let fact = world.fact(&target.id);
    if fact.active.as_ref().is_some_and(|active| active.commit == Some(commit)) {
        return true;
    }
    if fact.current.as_ref().is_some_and(|current| current.commit == commit) {
        return false;
    }
    if fact.failure.as_ref().is_some_and(|failure| failure.commit == Some(commit) && is_final(&test.retries, failure)) {
        return false;
    }
    if !world.times(test, Urgency::Ordinary).is_empty() {
        return false;
    }
    let Ok(passed) = world.gate(test, commit) else { return false };
    if images::given_up(world, test, commit, &passed.release) {
        return false;
    }
    let seen = test.branch.is_none() || world.order(test).is_some();
    if !seen || (pinned != commit && !can_be_promoted(world, test, pinned, commit)) {
        return false;
    }
    if world.render(test, commit).is_some_and(|render| matches!(render.outcome, RenderOutcome::Failed { .. })) {
        return false;
    }
    // With another publisher elsewhere there is nothing to test here; waiting for each other would never end.
    test.publishers.iter().map(|at| world.fact(&world.index.view(*at).target.id)).all(|publisher| {
        let elsewhere = publisher.active.as_ref().is_some_and(|active| active.commit != Some(commit));
        publisher.current.as_ref().is_some_and(|current| current.commit == commit) && !elsewhere && !publisher.dirty
    })
}

fn can_be_promoted(world: &World<'_>, test: &TargetView, from: CommitId, to: CommitId) -> bool {
    let newer = world.order(test).is_some_and(|order| order.is_newer(to, from));
    newer && !matches!(standing(world, test, to), Standing::Failed(_))
}
