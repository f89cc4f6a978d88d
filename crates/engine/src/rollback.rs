//! Automatic rollback: what failed its tests goes back to the last good version, by a change like any other.

use towpath_catalog::Selector;
use towpath_catalog::write::block_policy;
use towpath_domain::{CommitId, FailureClass, TargetId};

use crate::change::{Standing, of_this, under_way};
use crate::event::{ChangeKind, ChangeSpec, ConfigEdit};
use crate::facts::{Deployed, TargetFact};
use crate::ids;
use crate::index::TargetView;
use crate::order::Order;
use crate::policy::Urgency;
use crate::text::BLOCKS;
use crate::verdict::{Action, Hold};
use crate::world::World;

/// What rolling back says.
#[derive(Debug)]
pub(crate) enum Rollback {
    /// Nothing: it is not asked for, or nothing failed.
    Nothing,
    /// Go back.
    Go(Box<Action>),
    /// It would go back, but for these: nothing else moves meanwhile.
    Wait(Vec<Hold>),
    /// It will not go back by itself. Newer versions may go ahead.
    Stuck(Hold),
}

/// Decides on rolling `view` back.
pub(crate) fn plan(world: &World<'_>, view: &TargetView, fact: &TargetFact) -> Rollback {
    let Some(current) = fact.current.as_ref().filter(|_| view.automatic_rollback && !fact.dirty) else { return Rollback::Nothing };
    let bad = current.commit;
    let pinned_elsewhere = view.target.git_ref.commit().is_some_and(|pinned| pinned != bad);
    if pinned_elsewhere || view.rules.is_blocked(bad) {
        // Git already says to leave it.
        return Rollback::Nothing;
    }
    let Some((test, message)) = failed_test(world, view, current) else { return Rollback::Nothing };
    if let Some(why) = reached_by_rollback(world, view, fact, bad) {
        return Rollback::Stuck(Hold::NoWayBack { bad, why });
    }
    let good = last_good(world, view, fact, test, bad);
    let Some(good) = good else {
        let why = format!("no earlier version of {} is known to be good", view.target.title());
        return Rollback::Stuck(Hold::NoWayBack { bad, why });
    };
    let change = change(view, test, bad, good, &message);
    world.watch(&change.id);
    if let Some(known) = world.facts.changes.get(&change.id) {
        match of_this(world, &view.retries, known) {
            Standing::Free => {}
            Standing::Wait(hold) => return Rollback::Wait(vec![hold]),
            Standing::Failed(hold) => return Rollback::Stuck(hold),
        }
    }
    for id in world.changes.of(&view.target.id) {
        if *id != change.id && world.facts.changes.get(id).is_some_and(|fact| fact.active.is_some()) {
            return Rollback::Wait(vec![under_way(id)]);
        }
    }
    let holds = world.times(view, Urgency::Urgent);
    if !holds.is_empty() {
        return Rollback::Wait(holds);
    }
    let why = format!("{} failed at {}", test.target.title(), ids::short(bad));
    let spec = world.changes.run(change, &world.config_tried(), why);
    Rollback::Go(Box::new(Action::Run { spec: Box::new(spec) }))
}

/// A test that failed at what `view` runs, by no fault of the environment, with what it said.
fn failed_test<'a>(world: &World<'a>, view: &TargetView, current: &Deployed) -> Option<(&'a TargetView, String)> {
    view.subscribers.iter().map(|at| world.index.view(*at)).find_map(|test| {
        let target = &test.target;
        let fact = world.fact(&target.id);
        let counts = !target.disable && !target.delete && world.only_jobs(test) == Some(true) && fact.active.is_none();
        let failure = fact.failure.as_ref().filter(|failure| {
            counts
                && failure.commit == Some(current.commit)
                && failure.at >= current.at
                && !failure.cancelled
                && matches!(failure.class, FailureClass::Own | FailureClass::Unknown)
        })?;
        Some((test, failure.message.clone()))
    })
}

/// Why going back from `bad` would undo a rollback, if it would.
fn reached_by_rollback(world: &World<'_>, view: &TargetView, fact: &TargetFact, bad: CommitId) -> Option<String> {
    let set_back = world.changes.of(&view.target.id).iter().filter_map(|id| world.facts.changes.get(id)).any(|change| {
        let sets = |edit: &ConfigEdit| matches!(edit, ConfigEdit::SetRef { target, to, .. } if *target == view.target.id && *to == bad);
        change.kind() == ChangeKind::Rollback && change.merged.is_some() && change.spec.edits.iter().any(sets)
    });
    if set_back {
        return Some(format!("{} was itself reached by a rollback", ids::short(bad)));
    }
    // The same version may have been deployed several times since, with other parameters.
    let left = fact.history.iter().rev().map(|deployed| deployed.commit).find(|commit| *commit != bad)?;
    let by_rollback = view.rules.blocked(left).is_some_and(|blocked| blocked.rollback);
    let forwards = world.order(view).is_some_and(|order| order.is_newer(bad, left));
    (by_rollback && !forwards).then(|| format!("{} was itself reached by a rollback from {}", ids::short(bad), ids::short(left)))
}

/// The newest earlier version that was deployed here, is not blocked, may come here, and passed the test.
fn last_good(world: &World<'_>, view: &TargetView, fact: &TargetFact, test: &TargetView, bad: CommitId) -> Option<CommitId> {
    let order = world.order(view);
    let older = |commit: CommitId| commit != bad && !order.is_some_and(|order: Order<'_>| order.is_newer(commit, bad));
    let tested = world.fact(&test.target.id);
    let passed = |commit: CommitId| {
        tested.current.iter().chain(&tested.history).any(|deployed| deployed.commit == commit)
            || test.target.promotion.publish.iter().any(|channel| vouched(world, channel, &test.target.id, commit))
    };
    let mut deployed = fact.history.iter().rev().map(|deployed| deployed.commit);
    deployed.find(|commit| older(*commit) && passed(*commit) && world.gate(view, *commit).is_ok())
}

fn vouched(world: &World<'_>, channel: &towpath_domain::Channel, target: &TargetId, commit: CommitId) -> bool {
    let evidence = world.facts.evidence.get(&(channel.clone(), target.clone()));
    evidence.and_then(|by_commit| by_commit.get(&commit)).is_some_and(|evidence| evidence.success)
}

fn change(view: &TargetView, test: &TargetView, bad: CommitId, good: CommitId, message: &str) -> ChangeSpec {
    let target = &view.target;
    let (from, back) = (ids::short(bad), ids::short(good));
    let reason = format!("{} failed: {message}", test.target.title());
    let (path, content) = block_file(view, bad, &reason);
    let mut edits = vec![ConfigEdit::WriteFile { path, content }];
    if !view.moving() {
        edits.insert(0, ConfigEdit::SetRef { target: target.id.clone(), from: target.git_ref.clone(), to: good });
    }
    let title = format!("Roll {} back from {from} to {back} in {}", target.saas_file.name, target.environment);
    let mut description = format!("{from} failed its tests after it was deployed to {}.\n\n", target.title());
    description.push_str(&format!("Test: {}\nSaid: {message}\n\n", test.target.title()));
    description.push_str(&format!("{from} is blocked for this target; remove the block to let it come again.\n"));
    // Named after what it leaves and where to, not after the test's words: a second test that fails, too, names the same rollback.
    let named = [ConfigEdit::SetRef { target: target.id.clone(), from: towpath_domain::GitRef::Commit(bad), to: good }];
    let id = ids::change_id(ChangeKind::Rollback, &format!("{}-{from}", target.saas_file.name), &named);
    ChangeSpec {
        id,
        kind: ChangeKind::Rollback,
        edits,
        title,
        description,
        by: "towpath".to_owned(),
        pull: None,
        replaces: Vec::new(),
        parts: Vec::new(),
        moved: Vec::new(),
    }
}

/// The policy file that blocks `commit` for one target: path and content.
fn block_file(view: &TargetView, commit: CommitId, reason: &str) -> (String, String) {
    let target = &view.target;
    let short = ids::short(commit);
    let name = format!("block-{}-{short}-{}", ids::slug(target.saas_file.name.as_str()), ids::short_hash([target.id.as_str()]));
    let select = Selector { targets: vec![target.id.clone()], ..Selector::default() };
    let content = block_policy(&name, &select, &target.url, commit, reason, true);
    (format!("{BLOCKS}/{name}.yml"), content)
}
