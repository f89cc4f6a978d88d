//! Sources: which commit is to be built.

use towpath_domain::CommitId;

use crate::event::{RunSpec, Work};
use crate::facts::BuildFact;
use crate::ids;
use crate::index::{SourceView, TargetView};
use crate::order::Order;
use crate::retry::{Again, again, is_final};
use crate::verdict::{Action, Hold, State, Verdict};
use crate::world::World;

/// The verdict on a source.
pub(crate) fn plan(world: &World<'_>, view: &SourceView) -> Verdict {
    let branch = world.facts.branches.get(&view.branch);
    let held = |wanted, holds| Verdict { wanted, state: State::Held { holds }, passed_over: Vec::new(), valid_until: None };
    let Some(order) = Order::of(branch) else { return held(None, vec![unseen(world, &view.branch)]) };
    let wanted = if view.every { next(world, view, order) } else { order.head() };
    let Some(wanted) = wanted else { return held(None, vec![unseen(world, &view.branch)]) };

    if let Some((commit, hold)) = active(world, view) {
        let taken_up = matches!(hold, Hold::InProgress { started: true, .. });
        if let Hold::InProgress { run, .. } = hold.clone()
            && commit != wanted
            && !taken_up
        {
            let state = State::Act { action: Action::Supersede { run, by: format!("the build of {}", ids::short(wanted)) } };
            return Verdict { wanted: Some(wanted), state, passed_over: Vec::new(), valid_until: None };
        }
        return held(Some(wanted), vec![hold]);
    }
    let fact = world.facts.builds.get(&view.source.name).and_then(|builds| builds.get(&wanted));
    if fact.is_some_and(|fact| fact.built.is_some()) {
        let state = match branch.and_then(|fact| fact.unreachable.clone()) {
            Some(_) => State::Held { holds: vec![unseen(world, &view.branch)] },
            None => State::UpToDate,
        };
        return Verdict { wanted: Some(wanted), state, passed_over: Vec::new(), valid_until: None };
    }
    let failure = fact.and_then(|fact| fact.failure.as_ref()).filter(|failure| failure.tried == view.build_hash());
    match again(&world.clock, &view.retries, failure) {
        Again::Later(hold) | Again::Never(hold) => held(Some(wanted), vec![hold]),
        Again::Now { attempt } => {
            let work = Work::Build { source: view.source.name.clone(), commit: wanted, build_hash: view.build_hash() };
            let id = ids::run_id(&work, view.source.name.as_str(), fact.map_or(0, |fact| fact.runs));
            let why = format!("{} has no image of {} yet", view.source.name, ids::short(wanted));
            let action = Action::Run { spec: Box::new(RunSpec { id, attempt, work, why, after: failure.map(|failure| failure.class) }) };
            Verdict { wanted: Some(wanted), state: State::Act { action }, passed_over: Vec::new(), valid_until: None }
        }
    }
}

/// Why nothing is known of a branch, or nothing new.
pub(crate) fn unseen(world: &World<'_>, branch: &(towpath_domain::RepoUrl, towpath_domain::BranchName)) -> Hold {
    let (url, name) = branch.clone();
    match world.facts.branches.get(branch).and_then(|fact| fact.unreachable.clone()) {
        Some((since, error)) => Hold::Unreachable { url, branch: name, since, error },
        None => Hold::NotSeen { url, branch: Some(name) },
    }
}

/// The next commit when each is to be built: the one after the newest that came to an end, or the head at first sight.
fn next(world: &World<'_>, view: &SourceView, order: Order<'_>) -> Option<CommitId> {
    let builds = world.facts.builds.get(&view.source.name);
    let settled = |fact: &BuildFact| {
        let failed = fact.failure.as_ref().is_some_and(|failure| is_final(&view.retries, failure) && failure.tried == view.build_hash());
        fact.built.is_some() || failed
    };
    let begun = |commit: CommitId| builds.and_then(|builds| builds.get(&commit));
    let newest_settled = order.all().iter().position(|info| begun(info.id).is_some_and(settled));
    let Some(newest_settled) = newest_settled else {
        // None is settled: go on with the oldest one that was begun, if any.
        return order.all().iter().rev().find(|info| begun(info.id).is_some()).map(|info| info.id).or(order.head());
    };
    order.all().get(newest_settled.saturating_sub(1)).map(|info| info.id)
}

/// The build of this source that is queued or under way.
fn active(world: &World<'_>, view: &SourceView) -> Option<(CommitId, Hold)> {
    let builds = world.facts.builds.get(&view.source.name)?;
    builds.iter().find_map(|(commit, fact)| {
        let run = fact.active.clone()?;
        let started = world.facts.open_runs.get(&run).is_some_and(|open| open.started);
        Some((*commit, Hold::InProgress { run, commit: Some(*commit), started }))
    })
}

/// Whether the image of `commit` keeps `view` from deploying it.
pub(crate) enum Image {
    /// It is there, or nobody knows of a build: it may come from elsewhere.
    Ready,
    /// It is not there yet.
    Coming(Hold),
    /// It was not made, and will not be by itself.
    Missing(Hold),
}

/// How the image of `commit` stands for `view`.
pub(crate) fn image(world: &World<'_>, view: &TargetView, commit: CommitId) -> Image {
    let Some(source) = &view.target.source else { return Image::Ready };
    let fact = world.facts.builds.get(source).and_then(|builds| builds.get(&commit));
    let Some(fact) = fact else {
        return if view.needs_build { Image::Coming(Hold::Building { commit, run: None }) } else { Image::Ready };
    };
    if fact.built.is_some() {
        return Image::Ready;
    }
    match &fact.failure {
        Some(failure) if fact.active.is_none() => {
            let (run, class, message) = (failure.run.clone(), failure.class, failure.message.clone());
            let hold = Hold::BuildFailed { commit, run, class, message };
            let lost = world
                .index
                .source_ids
                .get(source)
                .map(|at| world.index.source(*at))
                .is_none_or(|source| is_final(&source.retries, failure) && failure.tried == source.build_hash());
            if lost { Image::Missing(hold) } else { Image::Coming(hold) }
        }
        _ => Image::Coming(Hold::Building { commit, run: fact.active.clone() }),
    }
}
