//! Changes to the config repository: which are under way, and what follows when one did not pass.

use rustc_hash::FxHashMap;
use towpath_catalog::{Catalog, QueuePolicy, Retries};
use towpath_domain::{ChangeId, CommitId, GitRef, TargetId};

use crate::event::{ChangeKind, ChangeSpec, ConfigEdit, OpenChange, RunSpec, Work};
use crate::facts::{ChangeFact, Facts};
use crate::ids;
use crate::index::TargetView;
use crate::retry::{Again, again};
use crate::review::MergeOrder;
use crate::rules::versions_by_url;
use crate::verdict::{Action, Hold, State, Verdict};
use crate::world::World;

/// Who wants what no person asked for.
const TOWPATH: &str = "towpath";

/// Which changes move a target, and what naming the next run of a change takes.
#[derive(Debug, Default)]
pub(crate) struct ChangeIndex {
    by_target: FxHashMap<TargetId, Vec<ChangeId>>,
    marks: FxHashMap<ChangeId, Mark>,
}

/// What is kept of a change while it is known.
#[derive(Debug)]
struct Mark {
    targets: Vec<TargetId>,
    runs: u64,
    failed: Option<(String, u32)>,
    replaceable: bool,
}

impl ChangeIndex {
    pub(crate) fn new(facts: &Facts) -> Self {
        let mut index = Self::default();
        let mut ids: Vec<_> = facts.changes.keys().collect();
        ids.sort();
        for id in ids {
            index.update(id, facts);
        }
        index
    }

    /// Takes up what `facts` say of a change. Returns the targets that it moves or moved.
    pub(crate) fn update(&mut self, id: &ChangeId, facts: &Facts) -> Vec<TargetId> {
        let mut targets = self.marks.remove(id).map(|mark| mark.targets).unwrap_or_default();
        for target in &targets {
            if let Some(list) = self.by_target.get_mut(target) {
                list.retain(|known| known != id);
            }
        }
        if let Some(fact) = facts.changes.get(id) {
            let moved: Vec<TargetId> = moved(&fact.spec).map(|(target, ..)| target.clone()).collect();
            for target in &moved {
                let list = self.by_target.entry(target.clone()).or_default();
                if let Err(at) = list.binary_search(id) {
                    list.insert(at, id.clone());
                }
            }
            targets.extend(moved.iter().cloned());
            let failed = fact.failure.as_ref().map(|failure| (failure.tried.clone(), failure.attempts));
            let there = fact.open.is_some() || (fact.is_split() && !fact.replaced);
            let replaceable = there && fact.active.is_none() && fact.kind() == ChangeKind::Promotion;
            self.marks.insert(id.clone(), Mark { targets: moved, runs: fact.runs, failed, replaceable });
        }
        targets
    }

    /// The changes that move `target`, in the order of their ids.
    pub(crate) fn of(&self, target: &TargetId) -> &[ChangeId] {
        self.by_target.get(target).map(Vec::as_slice).unwrap_or_default()
    }

    /// The targets that a change moves.
    pub(crate) fn targets(&self, change: &ChangeId) -> &[TargetId] {
        self.marks.get(change).map(|mark| mark.targets.as_slice()).unwrap_or_default()
    }

    /// Promotions that `change` takes the place of: those that move a target of its, and are open and wait for somebody, or were refused and
    /// go in parts.
    pub(crate) fn replaced_by(&self, change: &ChangeSpec) -> Vec<ChangeId> {
        let alike = moved(change).flat_map(|(target, ..)| self.of(target));
        let mut ids: Vec<ChangeId> =
            alike.filter(|id| **id != change.id && self.marks.get(*id).is_some_and(|mark| mark.replaceable)).cloned().collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// The next run of `change`, with the config repository at `tried`.
    pub(crate) fn run(&self, change: ChangeSpec, tried: &str, why: String) -> RunSpec {
        let mark = self.marks.get(&change.id);
        let failed = mark.and_then(|mark| mark.failed.as_ref()).filter(|(failed, _)| failed == tried);
        run(change, mark.map_or(0, |mark| mark.runs), failed.map_or(1, |(_, attempts)| attempts.saturating_add(1)), why)
    }
}

fn run(change: ChangeSpec, runs: u64, attempt: u32, why: String) -> RunSpec {
    let work = Work::Change(change);
    RunSpec { id: ids::run_id(&work, "", runs), attempt, work, why, after: None }
}

/// The run of a change that a person asked for: named as the planner would name it.
#[must_use]
pub fn change_run(facts: &Facts, change: ChangeSpec, why: String) -> RunSpec {
    let runs = facts.changes.get(&change.id).map_or(0, |fact| fact.runs);
    run(change, runs, 1, why)
}

/// Whether a change goes before others that wait to be merged: it takes something back, holds or frees it, or brings a hotfix.
#[must_use]
pub fn is_urgent(catalog: &Catalog, change: &ChangeSpec) -> bool {
    let is_hotfix = |target: &TargetId, to: CommitId| {
        let Some(target) = catalog.targets.get(target) else { return false };
        versions_by_url(catalog, Some(&target.url)).get(&target.url).is_some_and(|versions| versions.hotfixes.contains(&to))
    };
    change.kind != ChangeKind::Promotion || moved(change).any(|(target, _, to)| is_hotfix(target, to))
}

/// Where a change stands among those that wait to be merged, people's and Towpath's alike: the least goes first.
///
/// Its review says so where it had one. A hotfix is one by what the config repository says now; what a person wrote is none, whatever it
/// touches. What was never seen on a forge is as old as its first run, and has no priority.
#[must_use]
pub fn merge_order(catalog: &Catalog, facts: &Facts, change: &ChangeSpec) -> (MergeOrder, ChangeId) {
    let fact = facts.changes.get(&change.id);
    let seen = fact.and_then(|fact| fact.open.as_ref()?.order);
    let opened = fact.map(|fact| fact.opened_at).unwrap_or_default();
    let usual = MergeOrder { ordinary: true, priority: MergeOrder::NO_PRIORITY, opened, number: u64::MAX };
    let urgent = change.kind != ChangeKind::Edit && is_urgent(catalog, change);
    (MergeOrder { ordinary: !urgent, ..seen.unwrap_or(usual) }, change.id.clone())
}

/// The refs that a change sets.
pub(crate) fn moved(change: &ChangeSpec) -> impl Iterator<Item = (&TargetId, &GitRef, CommitId)> {
    change.edits.iter().filter_map(|edit| match edit {
        ConfigEdit::SetRef { target, from, to } => Some((target, from, *to)),
        ConfigEdit::WriteFile { .. } | ConfigEdit::RemoveFile { .. } => None,
    })
}

/// Whether a change moves `view` from where its ref is now to `to`.
pub(crate) fn makes(change: &ChangeSpec, view: &TargetView, to: CommitId) -> bool {
    moved(change).any(|(target, from, goal)| *target == view.target.id && *from == view.target.git_ref && goal == to)
}

/// What the changes that move a target let it do.
pub(crate) enum Standing {
    /// It may be moved.
    Free,
    /// It must wait for a change that is under way, or for the next attempt at one.
    Wait(Hold),
    /// The change that would move it did not pass.
    Failed(Hold),
}

/// How changes stand that move `view` from its ref to `to`, or anywhere.
pub(crate) fn standing(world: &World<'_>, view: &TargetView, to: CommitId) -> Standing {
    let mut standing = Standing::Free;
    for id in world.changes.of(&view.target.id) {
        let Some(fact) = world.facts.changes.get(id) else { continue };
        if fact.active.is_some() {
            return Standing::Wait(under_way(id));
        }
        let this = makes(&fact.spec, view, to);
        // A part of it goes without the others; or a newer version of another one of it took its place.
        if this && (fact.is_split() || (fact.replaced && fact.merged.is_none())) {
            continue;
        }
        if let Some(open) = fact.open.as_ref().filter(|_| !this) {
            // A newer candidate takes the place of one that waits for people, where the newest is what counts.
            if fact.kind() == ChangeKind::Promotion && view.queue == QueuePolicy::Latest {
                continue;
            }
            return Standing::Wait(waits(id, open));
        }
        if this {
            match of_this(world, &view.retries, fact) {
                Standing::Free => {}
                other => standing = other,
            }
        }
    }
    standing
}

/// How one change stands that would do exactly what is wanted, and has no run.
pub(crate) fn of_this(world: &World<'_>, retries: &Retries, fact: &ChangeFact) -> Standing {
    let change = fact.spec.id.clone();
    if fact.active.is_some() {
        return Standing::Wait(under_way(&change));
    }
    if let Some((commit, at)) = fact.merged {
        let undone = world.config_holds(commit, at);
        return if undone { Standing::Free } else { Standing::Wait(under_way(&change)) };
    }
    let tried = world.change_tried(fact);
    if let Some(open) = &fact.open
        && (fact.superseded.as_ref() == Some(&tried) || !(open.ready || open.rebase))
    {
        return Standing::Wait(waits(&change, open));
    }
    if fact.closed {
        let message = "somebody closed it without merging it, so it stays closed".to_owned();
        return Standing::Failed(Hold::ChangeFailed { change, message });
    }
    if fact.superseded.as_ref() == Some(&tried) {
        return Standing::Wait(under_way(&change));
    }
    let Some(failure) = fact.failure.as_ref().filter(|failure| failure.tried == tried) else { return Standing::Free };
    match again(&world.clock, retries, Some(failure)) {
        Again::Now { .. } => Standing::Free,
        Again::Later(hold) => Standing::Wait(hold),
        Again::Never(_) => Standing::Failed(Hold::ChangeFailed { change, message: failure.message.clone() }),
    }
}

/// The verdict on a change itself.
///
/// Promotions and rollbacks are tried again by the targets that they move, which ask the gate anew each time; what a
/// person asked for is tried again here.
pub(crate) fn plan(world: &World<'_>, fact: &ChangeFact) -> Verdict {
    let state = if fact.merged.is_some() && fact.active.is_none() { State::UpToDate } else { open_state(world, fact) };
    Verdict { wanted: None, state, passed_over: Vec::new(), valid_until: None }
}

fn open_state(world: &World<'_>, fact: &ChangeFact) -> State {
    if let Some(run) = &fact.active {
        let started = world.facts.open_runs.get(run).is_some_and(|open| open.started);
        return State::Held { holds: vec![Hold::InProgress { run: run.clone(), commit: None, started }] };
    }
    let by_targets = matches!(fact.kind(), ChangeKind::Promotion | ChangeKind::Rollback);
    if let Some(open) = &fact.open {
        return on_forge(world, fact, open, by_targets);
    }
    if fact.closed || fact.kind() == ChangeKind::Edit || fact.is_split() || fact.replaced {
        return State::UpToDate;
    }
    if fact.superseded.is_some() || (by_targets && is_moot(world, fact)) {
        return State::UpToDate;
    }
    let retries = Retries::default();
    let failure = fact.failure.as_ref();
    let failure = failure.filter(|failure| !failure.class.is_retried() || failure.tried == world.config_tried() || by_targets);
    match again(&world.clock, &retries, failure) {
        Again::Later(hold) | Again::Never(hold) => State::Held { holds: vec![hold] },
        Again::Now { .. } if by_targets => State::UpToDate,
        Again::Now { attempt } => {
            let why = if attempt > 1 { "the last attempt failed by the environment's fault" } else { "a person asked for it" };
            let spec = run(fact.spec.clone(), fact.runs, attempt, why.to_owned());
            State::Act { action: Action::Run { spec: Box::new(spec) } }
        }
    }
}

/// A change that people see: it is closed once it is moot, and merged once everything is there. What Towpath itself wants is merged by the
/// targets that it moves, which ask the gate anew.
fn on_forge(world: &World<'_>, fact: &ChangeFact, open: &OpenChange, by_targets: bool) -> State {
    let tried = world.change_tried(fact);
    let moot = by_targets && is_moot(world, fact);
    let held = |hold| State::Held { holds: vec![hold] };
    let by_its_targets = by_targets && fact.spec.by == TOWPATH;
    if fact.superseded.as_ref() == Some(&tried) || !(moot || (!by_its_targets && (open.ready || open.rebase))) {
        return held(waits(&fact.spec.id, open));
    }
    let failure = fact.failure.as_ref().filter(|failure| failure.tried == tried);
    match again(&world.clock, &Retries::default(), failure) {
        Again::Later(hold) | Again::Never(hold) => held(hold),
        Again::Now { attempt } => {
            let why = match (moot, open.ready) {
                (true, _) => "what it sets out from is over: it is closed",
                (false, true) => "all that it waited for is there",
                (false, false) => "somebody asked for a new branch",
            };
            State::Act { action: Action::Run { spec: Box::new(run(fact.spec.clone(), fact.runs, attempt, why.to_owned())) } }
        }
    }
}

/// A change that Towpath is at work on.
pub(crate) fn under_way(change: &ChangeId) -> Hold {
    Hold::ChangeOpen { change: change.clone(), url: None, waits: Vec::new() }
}

/// A change that people see, and what it waits for there.
fn waits(change: &ChangeId, open: &OpenChange) -> Hold {
    Hold::ChangeOpen { change: change.clone(), url: Some(open.url.clone()), waits: open.waits.clone() }
}

/// Whether what a change sets out from is over: some target's ref is another one by now, or the target is gone.
fn is_moot(world: &World<'_>, fact: &ChangeFact) -> bool {
    moved(&fact.spec).any(|(target, from, _)| world.index.target(target).is_none_or(|view| view.target.git_ref != *from))
}
