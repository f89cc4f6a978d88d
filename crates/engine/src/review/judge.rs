//! The judgement.

use towpath_catalog::Catalog;
use towpath_domain::Timestamp;

use super::bench::Bench;
use super::input::{CheckState, UnderReview};
use super::labels::{self, Truth};
use super::needs;
use super::standing::Standing;
use super::verdict::{ReviewHold, ReviewVerdict};

/// Whether `change` may be merged now, what keeps it, and what is to be told.
///
/// `catalog` is that of the branch the change is to be merged into. Who may approve is asked anew each time: somebody who lost a role
/// approves nothing any more, whenever they said it.
pub fn judge(catalog: &Catalog, now: Timestamp, change: &UnderReview) -> ReviewVerdict {
    let bench = Bench::new(catalog, now, change);
    let standing = Standing::new(&bench, change);
    let asks = needs::asks(catalog, change);
    let (missing, asked) = needs::missing(asks, &bench, change, &standing);
    let fresh = standing.approvals.iter().filter(|(_, approval)| approval.fresh);
    let approved_by: Vec<String> = fresh.map(|(account, _)| account.to_string()).collect();
    let truth = Truth {
        lgtm: !approved_by.is_empty(),
        approved: asked && missing.is_empty() && standing.refusals.is_empty(),
        automerge: !asked && missing.is_empty(),
        held: !standing.holds.is_empty(),
    };
    let (add, remove) = labels::changes(&truth, &bench, change);
    let mut holds = missing;
    holds.extend(standing.refusals.iter().map(|(by, at)| ReviewHold::Refused { by: by.to_string(), at: *at }));
    holds.extend(standing.holds.iter().map(|(by, held)| ReviewHold::Held {
        by: by.to_string(),
        reason: held.reason.clone(),
        since: held.since,
        author: held.author,
        roles: bench.names(&held.roles),
    }));
    holds.extend(labels::holds(change));
    holds.extend(change.draft.then_some(ReviewHold::Draft));
    holds.extend(change.conflict.then_some(ReviewHold::Conflict));
    holds.extend(checks(change));
    let order = labels::order(&bench, change);
    ReviewVerdict { head: change.head, holds, approved_by, add, remove, answers: standing.answers, order, valid_until: bench.valid_until }
}

fn checks(change: &UnderReview) -> Vec<ReviewHold> {
    if change.required.is_empty() {
        return vec![ReviewHold::NothingRequired];
    }
    let state = |name: &String| {
        let check = change.checks.get(name).filter(|check| check.commit == change.head);
        check.map_or(CheckState::Missing, |check| check.state)
    };
    let states = change.required.iter().map(|name| (name, state(name)));
    let open = states.filter(|(_, state)| *state != CheckState::Passed);
    open.map(|(name, state)| ReviewHold::Check { name: name.clone(), state }).collect()
}
