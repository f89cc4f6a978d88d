//! What is known of pull requests of sources.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use towpath_domain::{CommitId, FailureClass, RunId, Timestamp};

use super::event::PullRequest;
use super::work::Blame;

/// An open pull request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckFact {
    /// As it was last seen.
    pub pull: PullRequest,
    /// When its newest commit was first seen.
    pub head_since: Timestamp,
    /// A check is wanted that has not been queued yet.
    #[serde(default)]
    pub wanted: Option<Wanted>,
    /// Runs so far.
    #[serde(default)]
    pub runs: u64,
    /// The run that is queued or under way.
    #[serde(default)]
    pub active: Option<RunId>,
    /// How the last check of its newest commit ended.
    #[serde(default)]
    pub last: Option<LastCheck>,
    /// The commit of a fork that may be checked, and who said so.
    #[serde(default)]
    pub ok: Option<(CommitId, String)>,
    /// Who wants its newest commit not to be checked.
    #[serde(default)]
    pub cancelled: Option<String>,
    /// Comments that were heard; bounded.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub heard: BTreeSet<u64>,
}

/// A check that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Since when: those that wait longest go first. A newer push to one that waits already keeps its place.
    pub since: Timestamp,
    /// The tests that are to run; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// Who asked for it; none for a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastCheck {
    /// The run.
    pub run: RunId,
    /// The commit.
    pub head: CommitId,
    /// The tests that ran; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// When it ended.
    pub at: Timestamp,
    /// Its failure; none for a success.
    #[serde(default)]
    pub failure: Option<CheckFailure>,
    /// A success that is another run's, of the same tree by the same instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<RunId>,
    /// Attempts at this so far.
    #[serde(default)]
    pub attempts: u32,
    /// How many of them failed of nothing but tests known to be flaky.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flaky: u32,
}

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckFailure {
    /// Whose fault.
    pub class: FailureClass,
    /// What in particular.
    #[serde(default)]
    pub blame: Option<Blame>,
    /// The step.
    pub step: String,
    /// What went wrong, for people.
    pub message: String,
}

/// A tree that passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedTree {
    /// Tree and inputs: the same for the same.
    pub key: String,
    /// The run that found it well.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
