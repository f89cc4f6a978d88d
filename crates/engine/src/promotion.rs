//! The promotion side of a target: which commit its ref should be moved to.

use towpath_catalog::QueuePolicy;
use towpath_domain::{ClusterName, CommitId, GitRef, NamespaceName, RepoUrl};

use crate::batch::Waiting;
use crate::build::{self, Image, image};
use crate::candidates::{PASSED_OVER_MAX, pass_over};
use crate::change::{Standing, standing};
use crate::event::{CommitInfo, RenderOutcome};
use crate::facts::{ChangeFact, TargetFact};
use crate::gate;
use crate::images::{self, Images};
use crate::index::TargetView;
use crate::moved::{COMMITS_TOLD_MAX, Vouched};
use crate::order::Order;
use crate::policy::Urgency;
use crate::retry::is_final;
use crate::split::{self, Company};
use crate::under_test;
use crate::verdict::{Action, Hold};
use crate::world::World;

/// What promoting says.
#[derive(Debug)]
pub(crate) enum Promotion {
    /// Nothing to say: no candidate, or none that anybody vouches for.
    Nothing,
    /// Move it.
    Go(Box<Going>),
    /// Something must be found out before.
    First {
        /// Of this commit.
        to: CommitId,
        /// What; it touches nothing outside.
        action: Action,
    },
    /// It would be moved, but for these.
    Wait {
        /// To there.
        to: CommitId,
        /// Never empty.
        holds: Vec<Hold>,
        /// How it would go along when the open change that it waits for is replaced by one with a newer version of another target.
        along: Option<Box<Going>>,
    },
    /// A setting keeps it from ever being promoted.
    Never(Hold),
}

/// A promotion that is to happen, with what people want to know of it.
#[derive(Debug)]
pub(crate) struct Going {
    pub(crate) action: Action,
    pub(crate) note: Note,
}

/// What the change's description tells of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) title: String,
    pub(crate) saas_file: String,
    pub(crate) environment: String,
    pub(crate) from: GitRef,
    pub(crate) cluster: ClusterName,
    pub(crate) namespace: NamespaceName,
    /// Without credentials.
    pub(crate) repository: RepoUrl,
    /// The commits it gets, newest first; the first of them.
    pub(crate) commits: Vec<CommitInfo>,
    /// How many more there are.
    pub(crate) more: usize,
    /// Who vouches, by which run, since when.
    pub(crate) vouchers: Vec<Vouched>,
    /// Where to.
    pub(crate) to: CommitId,
    /// What those share that must move together with it.
    pub(crate) together: String,
    /// With whom it goes.
    pub(crate) company: Company,
}

/// Decides on promoting `view`; candidates that were passed over go to `passed_over`.
pub(crate) fn plan(world: &World<'_>, view: &TargetView, fact: &TargetFact, passed_over: &mut Vec<(CommitId, Vec<Hold>)>) -> Promotion {
    let target = &view.target;
    let Some(pinned) = target.git_ref.commit().filter(|_| !target.promotion.subscribe.is_empty()) else { return Promotion::Nothing };
    if view.branch.is_none() && target.promotion.auto {
        return Promotion::Never(Hold::NoBranch { url: target.url.clone() });
    }
    let Some(order) = world.order(view) else { return Promotion::Nothing };
    if let Some(unseen) = unseen(world, view, order, pinned) {
        return Promotion::Wait { to: pinned, holds: vec![unseen], along: None };
    }
    let candidates = order.newer_than(pinned);
    if candidates.is_empty() {
        return Promotion::Nothing;
    }
    if !target.promotion.auto {
        if let Some(candidate) = candidates.iter().map(|info| info.id).find(|commit| passes(world, view, *commit)) {
            pass_over(passed_over, candidate, vec![Hold::NotAutomatic { candidate }]);
        }
        return Promotion::Nothing;
    }
    let times = Times { ordinary: world.times(view, Urgency::Ordinary), urgent: world.times(view, Urgency::Urgent) };
    let chosen = match view.queue {
        QueuePolicy::Latest => choose(world, view, fact, candidates.iter(), &times, passed_over),
        QueuePolicy::Every => match unfinished(view, fact, world, pinned) {
            false => choose(world, view, fact, candidates.iter().rev(), &times, passed_over),
            true => {
                let next = candidates.iter().rev().map(|info| info.id).find(|commit| passes(world, view, *commit));
                if let Some(next) = next {
                    pass_over(passed_over, next, vec![Hold::Queued { behind: pinned }]);
                }
                Chosen::default()
            }
        },
    };
    match chosen {
        Chosen { go: Some(to), .. } => match standing(world, view, to) {
            Standing::Free => Promotion::Go(Box::new(going(world, view, order, pinned, to))),
            Standing::Wait(hold) => {
                let along = along(world, view, &hold).then(|| Box::new(going(world, view, order, pinned, to)));
                Promotion::Wait { to, holds: vec![hold], along }
            }
            Standing::Failed(hold) => Promotion::Wait { to, holds: vec![hold], along: None },
        },
        Chosen { first: Some((to, action)), .. } => Promotion::First { to, action },
        Chosen { vouched: Some((to, holds)), .. } => Promotion::Wait { to, holds, along: None },
        Chosen { .. } => under_way(world, view, pinned),
    }
}

/// Where the ref is at a commit that is not known, and the branch cannot be looked at: the commit may well be newer than all that are known,
/// and nothing is promoted backwards.
fn unseen(world: &World<'_>, view: &TargetView, order: Order<'_>, pinned: CommitId) -> Option<Hold> {
    let branch = view.branch.as_ref().filter(|_| !pinned.is_null() && order.position(pinned).is_none())?;
    world.facts.branches.get(branch)?.unreachable.as_ref()?;
    Some(build::unseen(world, branch))
}

/// With no candidate any more, a change may still be under way that was begun when there was one.
fn under_way(world: &World<'_>, view: &TargetView, pinned: CommitId) -> Promotion {
    match standing(world, view, pinned) {
        Standing::Wait(hold) => Promotion::Wait { to: pinned, holds: vec![hold], along: None },
        Standing::Free | Standing::Failed(_) => Promotion::Nothing,
    }
}

struct Times {
    ordinary: Vec<Hold>,
    urgent: Vec<Hold>,
}

#[derive(Default)]
struct Chosen {
    go: Option<CommitId>,
    /// What must be found out of a commit that nothing else holds.
    first: Option<(CommitId, Action)>,
    /// The first that all vouch for, and that something else holds.
    vouched: Option<(CommitId, Vec<Hold>)>,
}

fn passes(world: &World<'_>, view: &TargetView, commit: CommitId) -> bool {
    gate::may_pass(&view.rules, world.facts, commit) && world.gate(view, commit).is_ok()
}

/// The first of `candidates` that nothing holds.
fn choose<'a>(
    world: &World<'_>,
    view: &TargetView,
    fact: &TargetFact,
    candidates: impl Iterator<Item = &'a CommitInfo>,
    times: &Times,
    passed_over: &mut Vec<(CommitId, Vec<Hold>)>,
) -> Chosen {
    let mut vouched = None;
    let mut unsigned = 0;
    for info in candidates {
        // Once enough is told of, those that surely do not pass cost next to nothing.
        if passed_over.len() >= PASSED_OVER_MAX && !gate::may_pass(&view.rules, world.facts, info.id) {
            continue;
        }
        let (mut holds, is_vouched) = holds(world, view, fact, info.id, times);
        if holds.is_empty() {
            match signed(world, view, info.id) {
                Signed::Yes => return Chosen { go: Some(info.id), ..Chosen::default() },
                Signed::First(action) => return Chosen { first: Some((info.id, action)), vouched, ..Chosen::default() },
                Signed::No(missing) => (holds, unsigned) = (missing, unsigned + 1),
            }
        }
        if is_vouched && vouched.is_none() {
            vouched = Some((info.id, holds.clone()));
        }
        pass_over(passed_over, info.id, holds);
        if unsigned == UNSIGNED_MAX {
            break;
        }
    }
    Chosen { vouched, ..Chosen::default() }
}

/// Unsigned candidates that are passed over for one before them. Telling takes a rendering of each, of which a few are kept.
const UNSIGNED_MAX: u32 = 2;

/// Whether the images of a candidate are signed.
enum Signed {
    /// They are, or need not be.
    Yes,
    /// That must be found out first.
    First(Action),
    /// Never empty.
    No(Vec<Hold>),
}

/// Whether the images that `view` would deploy at `commit` are signed as its policies require: a version that could only
/// be held where it arrives is not promoted in the first place.
fn signed(world: &World<'_>, view: &TargetView, commit: CommitId) -> Signed {
    if view.signatures.is_empty() {
        return Signed::Yes;
    }
    if world.render(view, commit).is_none() {
        return Signed::First(Action::Render { target: view.target.id.clone(), commit });
    }
    let release = world.gate(view, commit).map(|passed| passed.release).unwrap_or_default();
    match images::of(world, view, commit, &release) {
        Images::Ready => Signed::Yes,
        Images::Look(action) => Signed::First(action),
        Images::Held(holds) => Signed::No(holds),
    }
}

/// What holds a candidate, and whether it is vouched for all the same: then the target waits for it visibly.
fn holds(world: &World<'_>, view: &TargetView, fact: &TargetFact, commit: CommitId, times: &Times) -> (Vec<Hold>, bool) {
    let passed = match world.gate(view, commit) {
        Ok(passed) => passed,
        Err(holds) => {
            let vouched = holds.iter().all(|hold| matches!(hold, Hold::Soaking { .. } | Hold::TagMoved { .. }));
            return (holds, vouched);
        }
    };
    let mut holds = match image(world, view, commit) {
        Image::Ready => Vec::new(),
        Image::Coming(hold) | Image::Missing(hold) => vec![hold],
    };
    let mut vouched = true;
    if world.only_jobs(view) == Some(true) {
        holds.extend(under_test::not_running(world, view, commit));
        // A test of what does not run (any more) is nothing to wait for.
        vouched = holds.is_empty();
    }
    if passed.hotfix {
        holds.extend(times.urgent.iter().cloned());
    } else {
        holds.extend(if world.urgency(view, commit) == Urgency::Urgent { &times.urgent } else { &times.ordinary }.iter().cloned());
        holds.extend(under_test::under_test(world, view, fact, commit));
    }
    (holds, vouched)
}

/// Whether the version at `pinned` is still to have its turn (queue policy `every`).
fn unfinished(view: &TargetView, fact: &TargetFact, world: &World<'_>, pinned: CommitId) -> bool {
    let deployed = fact.current.as_ref().is_some_and(|current| current.commit == pinned) && !fact.dirty;
    let given_up = fact.failure.as_ref().is_some_and(|failure| failure.commit == Some(pinned) && is_final(&view.retries, failure));
    let test = world.only_jobs(view) == Some(true);
    // A version that may not go, or a test of what does not run any more, would hold all that come after it for ever.
    let broken = world.render(view, pinned).is_some_and(|render| matches!(render.outcome, RenderOutcome::Failed { .. }))
        || matches!(image(world, view, pinned), Image::Missing(_));
    let moved_on = test && !under_test::not_running(world, view, pinned).is_empty();
    let may_come = || world.gate(view, pinned).is_ok_and(|passed| !images::given_up(world, view, pinned, &passed.release));
    let lost = broken || moved_on || !may_come();
    !deployed && !given_up && !lost
}

fn going(world: &World<'_>, view: &TargetView, order: Order<'_>, pinned: CommitId, to: CommitId) -> Going {
    let target = &view.target;
    let channels: Vec<&str> = target.promotion.subscribe.iter().map(|channel| channel.as_str()).collect();
    let together = format!("{} {} {to}", target.url, channels.join(" "));
    let newer = order.newer_than(pinned);
    let gained = newer.iter().skip_while(|info| info.id != to);
    let more = gained.clone().count().saturating_sub(COMMITS_TOLD_MAX);
    let commits = gained.take(COMMITS_TOLD_MAX).cloned().collect();
    let vouchers = view.rules.publishers().filter_map(|publisher| {
        let evidence = world.facts.evidence.get(&publisher.key)?.get(&to).filter(|evidence| evidence.success)?;
        let (channel, target) = publisher.key.clone();
        Some(Vouched { title: publisher.target.title(), target, channel, run: evidence.run.clone(), since: evidence.since })
    });
    let note = Note {
        title: target.title(),
        saas_file: target.saas_file.name.to_string(),
        environment: target.environment.to_string(),
        from: target.git_ref.clone(),
        cluster: target.cluster.clone(),
        namespace: target.namespace.clone(),
        repository: target.url.without_credentials(),
        commits,
        more,
        vouchers: vouchers.collect(),
        to,
        together: together.clone(),
        company: split::company(world, view, to, || batch(world, view, newer, to, &together)),
    };
    Going { action: Action::Promote { target: target.id.clone(), to, together }, note }
}

/// How `view` waits for others; `None` when it does not. Its time runs from the first of its candidates that became eligible, so that newer
/// ones, which go in its place, do not begin it anew for ever.
fn batch(world: &World<'_>, view: &TargetView, newer: &[CommitInfo], to: CommitId, together: &str) -> Option<Company> {
    let rule = view.batching.clone()?;
    if world.urgency(view, to) == Urgency::Urgent {
        return None;
    }
    let eligible = newer.iter().filter(|info| passes(world, view, info.id));
    let since = eligible.filter_map(|info| gate::eligible_since(&view.rules, world.facts, info.id)).min()?;
    let (target, environment) = (view.target.id.clone(), view.target.environment.to_string());
    Some(Company::Batch { rule, waiting: Waiting { target, together: together.to_owned(), environment, since } })
}

/// Whether what holds `view` is a batch that is open and may be replaced.
fn along(world: &World<'_>, view: &TargetView, hold: &Hold) -> bool {
    let Hold::ChangeOpen { change, .. } = hold else { return false };
    let open = |fact: &ChangeFact| fact.open.is_some() && fact.active.is_none() && fact.spec.parts.len() > 1 && !fact.is_split();
    view.batching.is_some() && world.facts.changes.get(change).is_some_and(open)
}
