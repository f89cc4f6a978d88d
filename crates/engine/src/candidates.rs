//! Which commit a target that follows a branch should be at.

use std::collections::BTreeMap;

use towpath_catalog::QueuePolicy;
use towpath_domain::CommitId;

use crate::build::{Image, image, unseen};
use crate::event::CommitInfo;
use crate::facts::TargetFact;
use crate::gate;
use crate::images::{self, Images};
use crate::index::TargetView;
use crate::order::Order;
use crate::retry::is_final;
use crate::verdict::Hold;
use crate::world::World;

/// Candidates whose holds a verdict tells, at most.
pub(crate) const PASSED_OVER_MAX: usize = 5;

/// What a target should be at.
pub(crate) struct Wanted {
    /// The commit.
    pub(crate) commit: CommitId,
    /// What keeps it from being deployed as far as its image and its gate go.
    pub(crate) holds: Vec<Hold>,
    /// A newer commit that cannot go yet, and why: told when there is nothing else to do.
    pub(crate) coming: Option<(CommitId, Vec<Hold>)>,
    /// Candidates that were passed over, newest first.
    pub(crate) passed_over: Vec<(CommitId, Vec<Hold>)>,
}

impl Wanted {
    fn only(commit: CommitId) -> Self {
        Self { commit, holds: Vec::new(), coming: None, passed_over: Vec::new() }
    }
}

/// The wanted commit, or why none is known.
pub(crate) fn wanted(world: &World<'_>, view: &TargetView, fact: &TargetFact) -> Result<Wanted, Vec<Hold>> {
    let target = &view.target;
    let order = world.order(view);
    if let Some(branch) = view.branch.as_ref().filter(|_| order.is_none()) {
        return Err(vec![unseen(world, branch)]);
    }
    match (target.git_ref.commit(), order) {
        (Some(pinned), _) => {
            let mut wanted = Wanted::only(pinned);
            match image(world, view, pinned) {
                Image::Ready => {}
                Image::Coming(hold) | Image::Missing(hold) => wanted.holds.push(hold),
            }
            Ok(wanted)
        }
        (None, Some(order)) => {
            following(world, view, fact, order).ok_or_else(|| vec![Hold::NotSeen { url: target.url.clone(), branch: None }])
        }
        // A branch that is followed is the view's branch, so it was looked up above.
        (None, None) => Err(vec![Hold::NotSeen { url: target.url.clone(), branch: target.git_ref.branch().cloned() }]),
    }
}

/// How one candidate of a followed branch stands.
enum Candidate {
    Ready,
    /// Not now, but without anybody doing anything.
    Coming(Vec<Hold>),
    /// Not at all.
    Out(Vec<Hold>),
}

fn candidate(world: &World<'_>, view: &TargetView, commit: CommitId) -> Candidate {
    if let Some(blocked) = view.rules.blocked(commit) {
        return Candidate::Out(vec![Hold::Blocked { commit, reason: blocked.reason, place: blocked.place }]);
    }
    match image(world, view, commit) {
        Image::Missing(hold) => return Candidate::Out(vec![hold]),
        Image::Coming(hold) => return Candidate::Coming(vec![hold]),
        Image::Ready => {}
    }
    let release = match view.rules.inputs.is_empty() {
        true => BTreeMap::new(),
        false => match world.gate(view, commit) {
            Ok(passed) => passed.release,
            Err(holds) => return Candidate::Coming(holds),
        },
    };
    match images::of(world, view, commit, &release) {
        // It is looked at once it is wanted.
        Images::Ready | Images::Look(_) => Candidate::Ready,
        Images::Held(holds) if images::too_long(&world.clock, &holds) => Candidate::Out(holds),
        Images::Held(holds) => Candidate::Coming(holds),
    }
}

fn following(world: &World<'_>, view: &TargetView, fact: &TargetFact, order: Order<'_>) -> Option<Wanted> {
    let current = fact.current.as_ref().map(|current| current.commit);
    let usable = current.filter(|current| !view.rules.is_blocked(*current));
    if view.queue == QueuePolicy::Every
        && let Some(current) = current
        && let Some(wanted) = each(world, view, fact, order, current, usable.is_some())
    {
        return Some(wanted);
    }
    latest(world, view, order, current, usable)
}

/// The newest that can go and is not older than what is there, unless what is there is blocked.
fn latest(world: &World<'_>, view: &TargetView, order: Order<'_>, current: Option<CommitId>, usable: Option<CommitId>) -> Option<Wanted> {
    let head = order.head()?;
    let candidates = usable.map_or(order.all(), |current| order.newer_than(current));
    let mut coming = None;
    let mut passed_over = Vec::new();
    let mut image_held = false;
    for info in candidates {
        // While the image of a newer one is awaited, those go that were the head before and were looked at then; of others nobody
        // knows whether there ever was an image.
        let skipped = image_held && world.render(view, info.id).is_none();
        if skipped || !worth_asking(world, view, info, head) {
            continue;
        }
        match candidate(world, view, info.id) {
            Candidate::Ready => return Some(Wanted { commit: info.id, holds: Vec::new(), coming, passed_over }),
            Candidate::Coming(holds) => {
                image_held |= holds.iter().any(images::is_about_image);
                coming.get_or_insert_with(|| (info.id, holds.clone()));
                pass_over(&mut passed_over, info.id, holds);
            }
            Candidate::Out(holds) => {
                let about_image = holds.iter().any(images::is_about_image);
                image_held |= about_image;
                if info.id == head && (about_image || holds.iter().any(|hold| matches!(hold, Hold::BuildFailed { .. }))) {
                    coming.get_or_insert_with(|| (info.id, holds.clone()));
                }
                pass_over(&mut passed_over, info.id, holds);
            }
        }
    }
    if let Some(commit) = usable {
        return Some(Wanted { commit, holds: Vec::new(), coming, passed_over });
    }
    // Nothing can go, and what is there (if anything) is blocked.
    let (commit, holds) = match (coming, current) {
        (Some(coming), _) => coming,
        (None, Some(current)) => (current, blocked(view, current)),
        (None, None) => passed_over.first().cloned()?,
    };
    Some(Wanted { commit, holds, coming: None, passed_over })
}

/// The next after the newest that was tried, oldest first; `None` when the newest rule is to decide.
fn each(world: &World<'_>, view: &TargetView, fact: &TargetFact, order: Order<'_>, current: CommitId, usable: bool) -> Option<Wanted> {
    let given_up = fact.failure.as_ref().filter(|failure| is_final(&view.retries, failure)).and_then(|failure| failure.commit);
    let tried = [Some(current), given_up].into_iter().flatten().filter_map(|commit| Some((order.position(commit)?, commit))).min();
    let (position, newest_tried) = tried?;
    let mut passed_over = Vec::new();
    for info in order.newest(Some(position)).iter().rev() {
        match candidate(world, view, info.id) {
            Candidate::Ready => return Some(Wanted { commit: info.id, holds: Vec::new(), coming: None, passed_over }),
            Candidate::Coming(holds) if usable => {
                let coming = Some((info.id, holds));
                return Some(Wanted { commit: newest_tried, holds: Vec::new(), coming, passed_over });
            }
            Candidate::Coming(holds) | Candidate::Out(holds) => pass_over(&mut passed_over, info.id, holds),
        }
    }
    usable.then_some(Wanted { commit: newest_tried, holds: Vec::new(), coming: None, passed_over })
}

/// Commits that nobody ever built, and such that surely are not vouched for, are not worth a word (the head always is).
fn worth_asking(world: &World<'_>, view: &TargetView, info: &CommitInfo, head: CommitId) -> bool {
    if info.id == head {
        return true;
    }
    let begun = |source| world.facts.builds.get(source).is_some_and(|builds| builds.contains_key(&info.id));
    let has_image = !view.needs_build || view.target.source.as_ref().is_none_or(begun);
    has_image && gate::may_pass(&view.rules, world.facts, info.id)
}

/// The holds of a commit that is blocked.
pub(crate) fn blocked(view: &TargetView, commit: CommitId) -> Vec<Hold> {
    let hold = |blocked: crate::rules::Blocked| Hold::Blocked { commit, reason: blocked.reason, place: blocked.place };
    view.rules.blocked(commit).map(hold).into_iter().collect()
}

/// Notes a candidate that was passed over, as long as there is room.
pub(crate) fn pass_over(list: &mut Vec<(CommitId, Vec<Hold>)>, commit: CommitId, holds: Vec<Hold>) {
    if list.len() < PASSED_OVER_MAX {
        list.push((commit, holds));
    }
}
