//! Labels in app-interface's sense: which hold a change, which say how urgent it is, and which Towpath keeps true.
//!
//! A label tells nobody's approval and no commit: none approves.

use std::collections::BTreeSet;

use super::bench::Bench;
use super::input::{Label, UnderReview};
use super::verdict::{MergeOrder, ReviewHold};

/// Somebody approved the newest commit.
const LGTM: &str = "lgtm";
/// All approvals are there.
const APPROVED: &str = "bot/approved";
/// It merges by itself.
const AUTOMERGE: &str = "bot/automerge";
/// Somebody holds it.
const HOLD: &str = "bot/hold";

/// Labels that hold, whoever put them there.
const HOLDING: [&str; 7] = [
    "awaiting-approval",
    "blocked/bot-access",
    "changes-requested",
    HOLD,
    "do-not-merge/hold",
    "do-not-merge/pending-review",
    "needs-rebase",
];

/// What the labels should tell.
pub(super) struct Truth {
    pub(super) lgtm: bool,
    pub(super) approved: bool,
    pub(super) automerge: bool,
    pub(super) held: bool,
}

/// Forges tell labels apart without regard to case, or do not have two that differ in it.
fn is(label: &Label, name: &str) -> bool {
    label.name.eq_ignore_ascii_case(name)
}

/// Towpath's own `bot/hold` follows from the holds, and is none by itself.
fn is_ours(label: &Label, change: &UnderReview) -> bool {
    label.by.as_ref() == Some(&change.own)
}

/// The holds by labels.
pub(super) fn holds(change: &UnderReview) -> Vec<ReviewHold> {
    let labels = change.labels.iter().filter(|label| HOLDING.iter().any(|name| is(label, name)));
    let held: BTreeSet<_> = labels
        .filter(|label| !(is(label, HOLD) && is_ours(label, change)))
        .map(|label| (label.name.clone(), label.by.as_ref().map(ToString::to_string)))
        .collect();
    held.into_iter().map(|(label, by)| ReviewHold::Labelled { label, by }).collect()
}

/// The priority that a label gives.
fn priority(label: &Label) -> Option<usize> {
    let name = label.name.to_ascii_lowercase();
    let word = name.strip_prefix(APPROVED)?.strip_prefix(':')?.trim();
    MergeOrder::PRIORITIES.iter().position(|known| *known == word)
}

/// Whether a priority label counts: one that somebody put there who has no say does not. Where the forge does not tell who it was, it was
/// somebody who may label.
fn counts(label: &Label, bench: &Bench<'_>, change: &UnderReview) -> bool {
    is_ours(label, change) || label.by.as_ref().is_none_or(|by| !bench.roles_of(by).is_empty())
}

/// Where the change stands among those that may be merged.
pub(super) fn order(bench: &Bench<'_>, change: &UnderReview) -> MergeOrder {
    let priorities = change.labels.iter().filter(|label| counts(label, bench, change)).filter_map(priority);
    let priority = priorities.min().and_then(|place| u8::try_from(place).ok()).unwrap_or(MergeOrder::NO_PRIORITY);
    MergeOrder { ordinary: !change.hotfix, priority, opened: change.opened, number: change.number }
}

/// What is to be added and removed.
pub(super) fn changes(truth: &Truth, bench: &Bench<'_>, change: &UnderReview) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut add, mut remove) = (BTreeSet::new(), BTreeSet::new());
    for (name, wanted) in [(LGTM, truth.lgtm), (APPROVED, truth.approved), (AUTOMERGE, truth.automerge), (HOLD, truth.held)] {
        let mut there = change.labels.iter().filter(|label| is(label, name)).peekable();
        if wanted && there.peek().is_none() {
            add.insert(name.to_owned());
        }
        // What somebody else's `bot/hold` says is theirs to take back.
        let lies = there.filter(|label| !wanted && (name != HOLD || is_ours(label, change)));
        remove.extend(lies.map(|label| label.name.clone()));
    }
    let idle = change.labels.iter().filter(|label| priority(label).is_some() && !counts(label, bench, change));
    remove.extend(idle.map(|label| label.name.clone()));
    (add, remove)
}
