//! What follows for a change under review.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use towpath_catalog::Place;
use towpath_domain::{CommitId, Timestamp};

use super::input::CheckState;

/// Whether a change may be merged now, and what is to be told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use = "a verdict that nobody reads holds nothing"]
pub struct ReviewVerdict {
    /// The commit that this was found for. Only this one may be merged.
    pub head: CommitId,
    /// What keeps it from being merged; it may be merged when there is nothing.
    pub holds: Vec<ReviewHold>,
    /// Whose approvals count now, by login. Sorted.
    pub approved_by: Vec<String>,
    /// Labels that it should get.
    pub add: BTreeSet<String>,
    /// Labels that it should lose.
    pub remove: BTreeSet<String>,
    /// Comments to answer, in the order in which they were written.
    pub answers: Vec<Answer>,
    /// Where it stands among changes that may be merged.
    pub order: MergeOrder,
    /// When a role ends that matters here, so that this must be looked at anew.
    pub valid_until: Option<Timestamp>,
}

impl ReviewVerdict {
    /// Whether the change may be merged at [`Self::head`].
    #[must_use]
    pub fn may_merge(&self) -> bool {
        self.holds.is_empty()
    }
}

/// One reason why a change is not merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "hold", rename_all = "kebab-case")]
pub enum ReviewHold {
    /// Approvals are missing.
    Missing {
        /// What needs them.
        need: Need,
        /// How many there are.
        have: u32,
        /// How many there must be.
        count: u32,
        /// Names of the roles that may give them. Sorted.
        roles: Vec<String>,
        /// Logins of those who could give one and have not. Sorted.
        could: Vec<String>,
    },
    /// Nobody may approve these files.
    NoApprover {
        /// The files. Sorted.
        files: Vec<String>,
        /// Some of them decide who may approve what, so that only a catch-all role covers them.
        decides: bool,
    },
    /// It is not known to touch anything, so that nobody could say who is to approve it.
    TouchesNothing,
    /// A policy for what it touches cannot be read.
    PolicyBroken {
        /// The policy.
        policy: String,
        /// What is wrong with it.
        error: String,
        /// Where it is written.
        place: Place,
    },
    /// Approvals were given before the newest commit.
    Stale {
        /// By whom, by login. Sorted.
        by: Vec<String>,
    },
    /// A review asks for changes.
    Refused {
        /// Whose, by login.
        by: String,
        /// When it was given.
        at: Timestamp,
    },
    /// Somebody holds it.
    Held {
        /// Who, by login.
        by: String,
        /// Why, in their words.
        reason: Option<String>,
        /// Since when.
        since: Timestamp,
        /// It is the author's hold, which any approver may lift.
        author: bool,
        /// Names of the roles whose members may lift it. Sorted.
        roles: Vec<String>,
    },
    /// A label holds it.
    Labelled {
        /// The label.
        label: String,
        /// Who put it there, where that is known.
        by: Option<String>,
    },
    /// It is a draft.
    Draft,
    /// It conflicts with its branch.
    Conflict,
    /// No check is required, and a change that nothing checked is not merged.
    NothingRequired,
    /// A required check did not pass.
    Check {
        /// The check.
        name: String,
        /// How it stands.
        state: CheckState,
    },
}

/// What needs approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "need", rename_all = "kebab-case")]
pub enum Need {
    /// Files that the same roles cover.
    Files {
        /// The files. Sorted.
        files: Vec<String>,
    },
    /// A policy asks for them.
    Policy {
        /// The policy.
        policy: String,
        /// Titles of the targets that it is about. Sorted.
        targets: Vec<String>,
        /// Where it asks.
        place: Place,
    },
}

/// The answer to one comment. To be given once: then the comment's id belongs to [`super::UnderReview::answered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The comment.
    pub comment: String,
    /// Whose it is, by login.
    pub to: String,
    /// Run the checks again.
    pub retest: bool,
    /// Bring the branch up to date.
    pub rebase: bool,
    /// Tell what it waits for: [`super::text::why`].
    pub why: bool,
    /// What else is to be said.
    pub told: Vec<Told>,
}

/// Why a command had no effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "told", rename_all = "kebab-case")]
pub enum Told {
    /// There is no such command.
    Unknown {
        /// What was written.
        command: String,
    },
    /// The account has no role that matters here.
    NotAllowed {
        /// The command.
        command: String,
    },
    /// Who wrote a change does not approve it.
    OwnChange,
    /// The comment was edited, and forges let others do that: it neither approves nor lifts anything.
    Edited {
        /// The command.
        command: String,
    },
    /// The hold is one that the account may not lift.
    NotYours {
        /// Who holds, by login. Sorted.
        by: Vec<String>,
    },
}

/// The order in which changes are merged: the least goes first. Hotfixes, then by priority, then by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MergeOrder {
    /// It is no hotfix.
    pub ordinary: bool,
    /// The place of its priority label; see [`MergeOrder::PRIORITIES`].
    pub priority: u8,
    /// When it was opened.
    pub opened: Timestamp,
    /// Its number, between those opened at one time.
    pub number: u64,
}

impl MergeOrder {
    /// What stands behind `bot/approved: ` in app-interface's priority labels, most urgent first. Without one, a change goes after all these.
    pub const PRIORITIES: [&str; 6] = ["critical", "urgent", "high", "progressive-delivery", "medium", "low"];

    /// The place of a change without a priority label.
    pub const NO_PRIORITY: u8 = Self::PRIORITIES.len() as u8;
}
