//! The verdict on a target: its sides, put together.

use towpath_domain::CommitId;

use crate::deploy::{self, Side};
use crate::event::Work;
use crate::facts::{ActiveDeploy, TargetFact};
use crate::ids;
use crate::index::TargetView;
use crate::promotion::{self, Going, Note, Promotion};
use crate::rollback::{self, Rollback};
use crate::split::Company;
use crate::verdict::{Action, Hold, State, Verdict};
use crate::world::World;

/// What is said of a target.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) verdict: Verdict,
    /// What a change would tell of it, where one is to be made, or may take it along.
    pub(crate) note: Option<Box<Note>>,
    /// The verdict without its promotion, where that may have to wait for others.
    pub(crate) apart: Option<Box<Verdict>>,
}

impl From<Side> for Said {
    fn from(side: Side) -> Self {
        Self { verdict: verdict(side), note: None, apart: None }
    }
}

impl From<Verdict> for Said {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, note: None, apart: None }
    }
}

/// The verdict on a target, and what a change would tell of it.
pub(crate) fn plan(world: &World<'_>, view: &TargetView) -> Said {
    world.focus(view);
    let (target, fact) = (&view.target, world.fact(&view.target.id));
    let mut stopped = Vec::new();
    if !target.unsupported.is_empty() {
        stopped.push(Hold::Unsupported { features: target.unsupported.clone() });
    }
    if target.disable {
        stopped.push(Hold::Disabled { place: target.ref_place.clone() });
    }
    if !stopped.is_empty() {
        stopped.extend(fact.active.as_ref().map(in_progress));
        return Side { wanted: None, state: State::Held { holds: stopped }, passed_over: Vec::new() }.into();
    }
    if target.delete {
        let state = deploy::plan_delete(world, view, fact);
        let side = Side { wanted: None, state, passed_over: Vec::new() };
        return give_way(world, fact, side).into();
    }
    if fact.active.is_some() {
        let side = deploy::plan(world, view, fact);
        return give_way(world, fact, side).into();
    }
    moving(world, view, fact)
}

fn verdict(side: Side) -> Verdict {
    Verdict { wanted: side.wanted, state: side.state, passed_over: side.passed_over, valid_until: None }
}

fn in_progress(active: &ActiveDeploy) -> Hold {
    Hold::InProgress { run: active.run.clone(), commit: active.commit, started: active.started }
}

/// With a run queued or under way: one at a time, but one that nobody has taken up yet makes room for another decision.
fn give_way(world: &World<'_>, fact: &TargetFact, side: Side) -> Side {
    let Some(active) = &fact.active else { return side };
    let by = match &side.state {
        State::Act { action: Action::Run { spec } } => superseding(world, active, &spec.work),
        // Neither touches anything outside, so it need not wait for the queue.
        State::Act { action: Action::Render { .. } | Action::LookAtImage { .. } } if !active.started => return side,
        _ => None,
    };
    let state = match by.filter(|_| !active.started) {
        Some(by) => State::Act { action: Action::Supersede { run: active.run.clone(), by } },
        None => State::Held { holds: vec![in_progress(active)] },
    };
    Side { state, ..side }
}

/// What would take the place of `active`, for people; `None` if it is the very same.
fn superseding(world: &World<'_>, active: &ActiveDeploy, work: &Work) -> Option<String> {
    let queued = world.facts.open_runs.get(&active.run).map(|open| &open.spec.work);
    match (work, queued) {
        (Work::Deploy(new), Some(Work::Deploy(old))) if new.commit == old.commit && new.fingerprint == old.fingerprint => None,
        (Work::Deploy(new), Some(_)) => Some(format!("the deploy of {}", ids::short(new.commit))),
        (Work::Delete { .. }, Some(Work::Deploy(_))) => Some("the deletion of the target".to_owned()),
        _ => None,
    }
}

/// With no run: rollback, then promotion, then deploy.
fn moving(world: &World<'_>, view: &TargetView, fact: &TargetFact) -> Said {
    let current = fact.current.as_ref().map(|current| current.commit);
    let mut extra = Vec::new();
    match rollback::plan(world, view, fact) {
        Rollback::Nothing => {}
        Rollback::Go(action) => {
            let side = Side { wanted: current, state: State::Act { action: *action }, passed_over: Vec::new() };
            return side.into();
        }
        Rollback::Wait(holds) => {
            let side = Side { wanted: current, state: State::Held { holds }, passed_over: Vec::new() };
            return side.into();
        }
        Rollback::Stuck(hold) => extra.push(hold),
    }
    let mut note = None;
    let mut passed_over = Vec::new();
    let promotion = promotion::plan(world, view, fact, &mut passed_over);
    let mut side = deploy::plan(world, view, fact);
    side.passed_over.extend(passed_over);
    // Whether it is a test decides which commits may go at all, so that must be known first.
    let unknown = world.renders(view).is_empty();
    if unknown && matches!(side.state, State::Act { action: Action::Render { .. } }) {
        return side.into();
    }
    match promotion {
        Promotion::Nothing => {}
        Promotion::Go(going) => {
            let Going { action, note } = *going;
            if unknown {
                // Its ref has no objects to tell by, so the candidate's must.
                side.wanted = Some(note.to);
                side.state = State::Act { action: Action::Render { target: view.target.id.clone(), commit: note.to } };
                return side.into();
            }
            let waits = matches!(note.company, Company::Batch { .. });
            let apart = waits.then(|| {
                let (state, passed_over) = (held_by(side.state.clone(), extra), side.passed_over.clone());
                Box::new(Verdict { wanted: side.wanted, state, passed_over, valid_until: None })
            });
            (side.wanted, side.state) = (Some(note.to), State::Act { action });
            return Said { verdict: verdict(side), note: Some(Box::new(note)), apart };
        }
        Promotion::First { to, action } => {
            // What is to be found out is found out beside what is to be done.
            if !matches!(side.state, State::Act { .. }) {
                (side.wanted, side.state) = (Some(to), State::Act { action });
            }
        }
        Promotion::Wait { to, holds, along } => {
            note = along.map(|going| Box::new(going.note));
            if side.state == State::UpToDate {
                side.wanted = Some(to);
            }
            extra.extend(holds);
        }
        Promotion::Never(hold) => extra.push(hold),
    }
    side.state = held_by(side.state, extra);
    Said { verdict: verdict(side), note, apart: None }
}

/// What follows when these hold something, too: what is to be done beside it is done.
fn held_by(state: State, extra: Vec<Hold>) -> State {
    match state {
        State::UpToDate if !extra.is_empty() => State::Held { holds: extra },
        State::Held { mut holds } => {
            holds.extend(extra);
            State::Held { holds }
        }
        other => other,
    }
}

/// The verdict on a target whose promotion to `to` waits for others: `apart` is what is said of all else.
pub(crate) fn collecting(mut apart: Verdict, to: CommitId, hold: Hold) -> Verdict {
    if apart.state == State::UpToDate {
        apart.wanted = Some(to);
    }
    apart.state = held_by(apart.state, vec![hold]);
    apart
}
