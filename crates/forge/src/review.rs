//! What people see of changes on a hosted forge, and what they say there.

use towpath_domain::{ChangeId, CommitId, Timestamp};

use crate::ForgeError;

/// The number by which people know a change: `#17`, `!17`, the branch `pull/17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

impl Number {
    /// The name of a person's change where Towpath's own have an id.
    pub(crate) fn change_id(self) -> Result<ChangeId, ForgeError> {
        let id = format!("pull-{}", self.0);
        ChangeId::new(&id).map_err(|error| ForgeError::BadId { id, why: error.to_string() })
    }
}

/// What a forge can do beside proposing, merging and closing. What it cannot is answered with [`ForgeError::Unable`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an ability of its own, and they combine freely")]
pub struct Abilities {
    /// Changes that people open can be listed.
    pub pulls: bool,
    /// Changes have numbers, pages and comments.
    pub comments: bool,
    /// Changes have labels.
    pub labels: bool,
    /// People approve changes by reviews.
    pub reviews: bool,
    /// Commits have statuses.
    pub statuses: bool,
    /// It says what its branches demand.
    pub protection: bool,
    /// It has a queue or train of its own, or merges by itself once all is there.
    pub queue: bool,
    /// It sends webhooks.
    pub webhooks: bool,
    /// It lets checks of others that failed be run again.
    pub reruns: bool,
}

/// A change as people see it: theirs, or Towpath's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: Number,
    /// Its page.
    pub url: String,
    /// The branch that it is on, without the owner of a fork.
    pub branch: String,
    /// Whether that branch is in another repository than the one it is to be merged into.
    pub from_fork: bool,
    /// Its newest commit.
    pub head: CommitId,
    /// The branch that it is to be merged into.
    pub into: String,
    /// The account that opened it.
    pub author: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// Its labels, sorted.
    pub labels: Vec<String>,
    /// Its author does not want it merged yet.
    pub draft: bool,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether it is open, merged or closed.
    pub state: PullState,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// It is open.
    Open,
    /// It is merged.
    Merged {
        /// The commit that it came into its branch by, where the forge knows it.
        commit: Option<CommitId>,
    },
    /// It was closed unmerged.
    Closed,
}

/// What somebody wrote on a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its id on the forge.
    pub id: u64,
    /// The account that wrote it.
    pub author: String,
    /// What it says, as Markdown.
    pub body: String,
    /// When it was written.
    pub at: Timestamp,
    /// When it was last changed; the same when it never was.
    pub changed_at: Timestamp,
}

/// What somebody thinks of a change. Of several by one person, the newest that says something counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The account.
    pub author: String,
    /// What it says.
    pub opinion: Opinion,
    /// The commit that was looked at, where the forge says so.
    pub commit: Option<CommitId>,
    /// When.
    pub at: Option<Timestamp>,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    /// It is to be merged.
    Approves,
    /// It is not to be merged as it is.
    Refuses,
    /// Neither.
    Comments,
}

/// What Towpath says of a commit: one line with a mark, on the commit and on the changes whose head it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name, such as `towpath/plan`. One of the same name takes the place of the one before.
    pub context: String,
    /// How it stands.
    pub state: StatusState,
    /// One line.
    pub summary: String,
    /// More, as Markdown, where the forge has a place for it. May be empty.
    pub details: String,
    /// Where there is more to see.
    pub url: Option<String>,
}

/// How a status stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusState {
    /// It is not known yet.
    Pending,
    /// All is well.
    Success,
    /// Something speaks against it.
    Failure,
    /// It could not be found out.
    Error,
}

/// A status or check of anybody's on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundStatus {
    /// Its name.
    pub context: String,
    /// How it stands.
    pub state: StatusState,
    /// One line.
    pub summary: String,
    /// Where there is more to see.
    pub url: Option<String>,
}

/// What the config branch demands of changes, as the forge has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protection {
    /// Names of statuses and checks that must be well, sorted.
    pub required_statuses: Vec<String>,
    /// How many people must approve.
    pub required_approvals: u32,
    /// A change must hold all that its branch holds.
    pub up_to_date: bool,
    /// Everything goes through the forge's own queue or train.
    pub queue: bool,
    /// Nobody pushes to it directly, Towpath's account included.
    pub no_direct_push: bool,
}

/// Where a change stands with the forge's own queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queued {
    /// It is not there, or never was with this commit.
    Outside,
    /// It is there.
    Waits {
        /// For what, for people.
        why: String,
    },
    /// It was thrown out, with this very commit.
    ThrownOut {
        /// Why, in the forge's words.
        why: String,
    },
}

/// What came of running checks of others again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reruns {
    /// What runs again, by name.
    pub begun: Vec<String>,
    /// What failed and does not run again: its name, and why, in the forge's words.
    pub not: Vec<(String, String)>,
}

/// How many requests the forge allows, as it last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many in a period.
    pub limit: u64,
    /// How many are left.
    pub left: u64,
    /// When the next period begins.
    pub resets_at: Timestamp,
}
