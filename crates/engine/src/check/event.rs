//! What happens to pull requests of sources, as the ledger keeps it.

use serde::{Deserialize, Serialize};
use towpath_domain::{CheckId, CommitId, SourceName, Timestamp};

/// A pull request of a source, as it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// The source.
    pub source: SourceName,
    /// Its number on the forge.
    pub number: u64,
    /// Its page; empty on plain Git.
    #[serde(default)]
    pub url: String,
    /// Its title.
    pub title: String,
    /// The account that opened it; on plain Git, the author of its newest commit.
    pub author: String,
    /// Its branch, without the owner of a fork.
    pub branch: String,
    /// That branch is in another repository than the source's.
    pub from_fork: bool,
    /// Its newest commit.
    pub head: CommitId,
    /// It carries a label of urgency.
    #[serde(default)]
    pub urgent: bool,
    /// When it was opened.
    pub opened_at: Timestamp,
}

impl PullRequest {
    /// `web#17`.
    #[must_use]
    pub fn id(&self) -> CheckId {
        super::plan::check_of(&self.source, self.number)
    }
}

/// Something that somebody asked for on a pull request, or of Towpath itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// What.
    pub what: Asked,
    /// Who.
    pub by: String,
    /// Why, where they were asked to say so; may be empty.
    #[serde(default)]
    pub why: String,
    /// The comment that it stands in: each is heard once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<u64>,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "asked", rename_all = "kebab-case")]
pub enum Asked {
    /// Another check, whatever became of the last one.
    Retest {
        /// The tests that are to run; none: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tests: Vec<String>,
    },
    /// No check of the newest commit.
    Cancel,
    /// Nothing that is done: the comment was heard, and answered where there was something to say.
    Nothing,
    /// This commit of a fork may be checked.
    OkToTest {
        /// The commit that they looked at.
        head: CommitId,
    },
}

/// One thing that happened to a pull request. One that does not fit what is known changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "check_event", rename_all = "kebab-case")]
pub enum CheckEvent {
    /// It was looked at, and is otherwise than before.
    Seen {
        /// The pull request.
        pull: PullRequest,
    },
    /// It is no longer open.
    Ended {
        /// Which.
        check: CheckId,
        /// It was merged, and not closed.
        merged: bool,
    },
    /// Somebody asked for something.
    Asked {
        /// Of which.
        check: CheckId,
        /// What.
        ask: Ask,
    },
}

impl CheckEvent {
    /// What happened, as one word: `pull-seen`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Seen { .. } => "pull-seen",
            Self::Ended { .. } => "pull-ended",
            Self::Asked { .. } => "check-asked",
        }
    }

    /// What it happened to.
    #[must_use]
    pub fn check(&self) -> CheckId {
        match self {
            Self::Seen { pull } => pull.id(),
            Self::Ended { check, .. } | Self::Asked { check, .. } => check.clone(),
        }
    }
}
