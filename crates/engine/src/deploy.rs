//! The deploy side of a target: brings it to what the catalog says.

use towpath_domain::{CommitId, FailureClass};

use crate::build;
use crate::candidates::{Wanted, blocked, wanted};
use crate::event::{DeployWork, RenderOutcome, RunSpec, Work};
use crate::facts::{Deployed, TargetFact};
use crate::gate::Passed;
use crate::ids;
use crate::images::{self, Images};
use crate::index::TargetView;
use crate::policy::Urgency;
use crate::retry::{Again, again, next_try};
use crate::under_test;
use crate::verdict::{Action, Hold, State};
use crate::world::World;

/// What one side of a target's verdict says.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) wanted: Option<CommitId>,
    pub(crate) state: State,
    pub(crate) passed_over: Vec<(CommitId, Vec<Hold>)>,
}

impl Side {
    fn new(wanted: Option<CommitId>, state: State) -> Self {
        Self { wanted, state, passed_over: Vec::new() }
    }
}

/// What deploying says, as if no run were queued or under way.
pub(crate) fn plan(world: &World<'_>, view: &TargetView, fact: &TargetFact) -> Side {
    let Wanted { commit, holds, coming, passed_over } = match wanted(world, view, fact) {
        Ok(wanted) => wanted,
        Err(holds) => return Side::new(None, State::Held { holds }),
    };
    if commit.is_null() {
        let holds = vec![Hold::NothingYet { place: view.target.ref_place.clone() }];
        return Side::new(None, State::Held { holds });
    }
    let state = if holds.is_empty() { at(world, view, fact, commit) } else { State::Held { holds } };
    let (wanted, state) = match (state, coming) {
        (State::UpToDate, Some((coming, holds))) => (coming, told_or_up_to_date(holds)),
        (State::UpToDate, None) => (commit, unreachable(world, view).unwrap_or(State::UpToDate)),
        (state, _) => (commit, state),
    };
    Side { wanted: Some(if state == State::UpToDate { commit } else { wanted }), state, passed_over }
}

/// A newer commit whose image is coming, or failed, is worth a hold; one that nobody vouches for yet is not: it is
/// only passed over.
fn told_or_up_to_date(holds: Vec<Hold>) -> State {
    let told = holds.iter().any(|hold| {
        matches!(hold, Hold::Building { .. } | Hold::BuildFailed { .. } | Hold::Soaking { .. } | Hold::TagMoved { .. })
            || images::is_about_image(hold)
    });
    if told { State::Held { holds } } else { State::UpToDate }
}

/// A branch that is followed and cannot be looked at is visible, even if nothing else is to be done.
fn unreachable(world: &World<'_>, view: &TargetView) -> Option<State> {
    let branch = view.branch.as_ref().filter(|_| view.moving())?;
    world.facts.branches.get(branch)?.unreachable.as_ref()?;
    Some(State::Held { holds: vec![build::unseen(world, branch)] })
}

/// What follows when `commit` is wanted.
fn at(world: &World<'_>, view: &TargetView, fact: &TargetFact, commit: CommitId) -> State {
    let (fingerprint, only_jobs) = match rendered(world, view, fact, commit) {
        Ok(rendered) => rendered,
        Err(state) => return state,
    };
    let current = fact.current.as_ref().filter(|current| is_current(world, view, fact, current, commit, fingerprint));
    if current.is_some() && !minds_gate(view) {
        return settled(view, commit);
    }
    let gate = world.gate(view, commit);
    if current.is_some_and(|current| !revouched(view, current, gate.as_ref().ok())) {
        return settled(view, commit);
    }
    let passed = match gate {
        Ok(passed) => passed,
        Err(holds) => return State::Held { holds },
    };
    let tried = ids::tried(fingerprint, &passed.vouchers, only_jobs, view.target.saas_file.takeover);
    let failure = fact.failure.as_ref().filter(|failure| failure.commit == Some(commit) && failure.tried == tried);
    let attempt = match again(&world.clock, &view.retries, failure) {
        Again::Now { attempt } => attempt,
        Again::Later(hold) | Again::Never(hold) => return State::Held { holds: vec![hold] },
    };
    let mut holds = match images::of(world, view, commit, &passed.release) {
        Images::Ready => Vec::new(),
        Images::Held(holds) => holds,
        Images::Look(action) => return State::Act { action },
    };
    let urgency = world.urgency(view, commit);
    holds.extend(world.times(view, urgency));
    if only_jobs {
        holds.extend(under_test::not_running(world, view, commit));
    }
    if view.moving() && urgency == Urgency::Ordinary {
        holds.extend(under_test::under_test(world, view, fact, commit));
    }
    if !holds.is_empty() {
        return State::Held { holds };
    }
    let after = failure.filter(|failure| !failure.cancelled).map(|failure| failure.class);
    let why = why(view, fact, commit, attempt, after);
    let spec = run(world, view, fact, Decided { commit, fingerprint, only_jobs, passed, attempt, after, why });
    State::Act { action: Action::Run { spec: Box::new(spec) } }
}

/// Whether the gate has something to say of a target that is where it should be: who vouches, or when its soak ends.
fn minds_gate(view: &TargetView) -> bool {
    view.target.promotion.redeploy_on_publisher_config_change || view.rules.soak_days > 0
}

/// What follows when the target is at `commit` and healthy.
fn settled(view: &TargetView, commit: CommitId) -> State {
    match blocked(view, commit) {
        holds if holds.is_empty() => State::UpToDate,
        holds => State::Held { holds },
    }
}

/// The fingerprint at `commit`, and whether all that acts is jobs; else what follows instead.
fn rendered<'a>(world: &World<'a>, view: &TargetView, fact: &TargetFact, commit: CommitId) -> Result<(&'a str, bool), State> {
    let act = || State::Act { action: Action::Render { target: view.target.id.clone(), commit } };
    let render = world.render(view, commit).ok_or_else(act)?;
    match &render.outcome {
        RenderOutcome::Rendered { fingerprint, only_jobs, .. } => Ok((fingerprint, *only_jobs)),
        RenderOutcome::Failed { message, .. } => {
            let tries = fact.render_tries.as_ref();
            let tries = tries.filter(|tries| tries.commit == commit && *tries.input_hash == *view.target.input_hash);
            let due = tries.filter(|tries| tries.attempts < view.retries.attempts);
            if due.is_some_and(|tries| world.clock.reached(next_try(&view.retries, tries.attempts, tries.at))) {
                return Err(act());
            }
            Err(State::Held { holds: vec![Hold::RenderFailed { commit, message: message.clone() }] })
        }
    }
}

/// Whether `current` is `commit` with this fingerprint, healthy, and told to every channel.
fn is_current(world: &World<'_>, view: &TargetView, fact: &TargetFact, current: &Deployed, commit: CommitId, fingerprint: &str) -> bool {
    current.commit == commit
        && current.fingerprint == fingerprint
        && !fact.dirty
        && view.outputs.iter().all(|key| world.facts.evidence.get(key).is_some_and(|by_commit| by_commit.contains_key(&commit)))
}

/// Whether a publisher has another configuration than what `current` rests on, and that is to run the target again.
fn revouched(view: &TargetView, current: &Deployed, passed: Option<&Passed>) -> bool {
    let Some(passed) = passed.filter(|_| view.target.promotion.redeploy_on_publisher_config_change) else { return false };
    passed.vouchers.iter().any(|now| {
        let then = current.vouchers.iter().find(|then| then.channel == now.channel && then.target == now.target);
        then.is_none_or(|then| then.fingerprint != now.fingerprint)
    })
}

fn why(view: &TargetView, fact: &TargetFact, commit: CommitId, attempt: u32, after: Option<FailureClass>) -> String {
    let to = ids::short(commit);
    let title = view.target.title();
    match &fact.current {
        _ if attempt > 1 && after == Some(FailureClass::Flaky) => {
            format!("attempt {attempt} at {to} in {title}: in the last one, nothing failed but tests that are known to be flaky")
        }
        _ if attempt > 1 => format!("attempt {attempt} at {to} in {title}: the last one failed by the environment's fault"),
        None => format!("{title} has nothing deployed yet; {to} is wanted"),
        Some(current) if current.commit != commit => format!("{title} is to go from {} to {to}", ids::short(current.commit)),
        Some(_) if fact.dirty => format!("{title} is to be proven healthy at {to} after a deploy that did not end well"),
        Some(_) => format!("{title} stays at {to}, but what would be deployed, or what it rests on, has changed"),
    }
}

/// All that a deploy run takes.
struct Decided<'a> {
    commit: CommitId,
    fingerprint: &'a str,
    only_jobs: bool,
    passed: Passed,
    attempt: u32,
    after: Option<FailureClass>,
    why: String,
}

fn run(world: &World<'_>, view: &TargetView, fact: &TargetFact, decided: Decided<'_>) -> RunSpec {
    let target = &view.target;
    let Passed { mut release, vouchers, .. } = decided.passed;
    // The image of its own source is the one that the build pushed, and no other that came to bear the same tag.
    let builds = target.source.as_ref().and_then(|source| world.facts.builds.get(source));
    if let Some(built) = builds.and_then(|builds| builds.get(&decided.commit)).and_then(|fact| fact.built.as_ref()) {
        release.entry(built.image.clone()).or_insert(built.digest);
    }
    let work = Work::Deploy(DeployWork {
        target: target.id.clone(),
        commit: decided.commit,
        fingerprint: decided.fingerprint.to_owned(),
        input_hash: target.input_hash.to_string(),
        publish: target.promotion.publish.clone(),
        config_hash: target.target_config_hash.to_string(),
        release,
        vouchers,
        only_jobs: decided.only_jobs,
        takeover: target.saas_file.takeover,
    });
    let id = ids::run_id(&work, &readable(view), fact.runs);
    RunSpec { id, attempt: decided.attempt, work, why: decided.why, after: decided.after }
}

/// What a target is called in the names of its runs.
fn readable(view: &TargetView) -> String {
    format!("{}-{}", view.target.saas_file.name, view.target.environment)
}

/// What deleting says, as if no run were queued or under way.
pub(crate) fn plan_delete(world: &World<'_>, view: &TargetView, fact: &TargetFact) -> State {
    let anything = fact.current.is_some() || fact.runs > 0;
    if fact.deleted || !anything {
        return State::UpToDate;
    }
    let failure = fact.failure.as_ref().filter(|failure| failure.commit.is_none() && failure.tried == ids::DELETE_TRIED);
    let attempt = match again(&world.clock, &view.retries, failure) {
        Again::Now { attempt } => attempt,
        Again::Later(hold) | Again::Never(hold) => return State::Held { holds: vec![hold] },
    };
    let holds = world.times(view, Urgency::Ordinary);
    if !holds.is_empty() {
        return State::Held { holds };
    }
    let work = Work::Delete { target: view.target.id.clone() };
    let id = ids::run_id(&work, &readable(view), fact.runs);
    let why = format!("{} is marked `delete: true`", view.target.title());
    State::Act { action: Action::Run { spec: Box::new(RunSpec { id, attempt, work, why, after: failure.map(|failure| failure.class) }) } }
}
