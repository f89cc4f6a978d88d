//! A run with all that is known of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{CommitId, Timestamp};

use super::{ActionView, ReportView, RunView};

/// A run with its steps, and what was found in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    /// The run with its steps.
    pub run: RunView,
    /// What its subject is: `target`, `source` or `change`, and its id.
    pub subject: (String, String),
    /// Its app, where it has one.
    pub app: Option<String>,
    /// Its environment, where it has one.
    pub environment: Option<String>,
    /// The likely cause, when it failed: out of memory, image missing, probe failing and so on, with the last lines behind it.
    pub cause: Option<CauseView>,
    /// Objects that it deployed, and pods where it knows them.
    pub objects: Vec<ObjectView>,
    /// Reports of its tests, those with failures first.
    pub reports: Vec<ReportView>,
    /// Files that it left.
    pub artifacts: Vec<String>,
    /// Other attempts at the same, oldest first.
    pub attempts: Vec<RunView>,
    /// What can be done now.
    pub actions: Vec<ActionView>,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CauseView {
    /// What went wrong.
    pub text: String,
    /// The last lines that were written before; secrets masked.
    pub last_lines: Vec<String>,
}

/// An object of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// `Kind/name`.
    pub object: String,
    /// How it is.
    pub state: String,
    /// More on that, events among them.
    pub text: String,
}

/// What the loop is like, for gauges and counters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PulseView {
    /// When this was so.
    pub now: Timestamp,
    /// The commit of the config repository that counts; none before one was read.
    pub config_commit: Option<CommitId>,
    /// The newest event.
    pub event: i64,
    /// Runs that are queued, by kind.
    pub queued: Vec<(String, u64)>,
    /// Runs under way, by kind.
    pub running: Vec<(String, u64)>,
    /// When the oldest queued run was queued.
    pub oldest_queued_at: Option<Timestamp>,
    /// Targets by state, as on the board.
    pub targets: Vec<(String, u64)>,
    /// Holds over all targets, by reason.
    pub holds: Vec<(String, u64)>,
    /// Failures that nobody sees to, and those that somebody sees to.
    pub incidents: (u64, u64),
    /// Messages that are not told yet, by way of telling, and the age of the oldest in milliseconds.
    pub outbox: Vec<(String, u64, u64)>,
    /// Messages that were given up, by way of telling.
    pub dead_letters: Vec<(String, u64)>,
    /// Runs that ended, by kind and outcome, since the ledger began.
    pub finished: Vec<(String, String, u64)>,
    /// Since when the config repository cannot be read.
    pub config_unreachable_since: Option<Timestamp>,
    /// Files of the config repository with errors.
    pub config_errors: u64,
}
