//! What can be asked, and pages of logs.

use serde::{Deserialize, Serialize};
use towpath_domain::Timestamp;

/// How many runs or events are shown when nobody says.
pub const DEFAULT_LIMIT: u32 = 50;

/// How many runs or events are shown at most.
pub const MAX_LIMIT: u32 = 1000;

fn default_limit() -> u32 {
    DEFAULT_LIMIT
}

/// Which runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunFilter {
    /// About this: a source, target or change; id, title or part of a title.
    #[serde(default)]
    pub subject: Option<String>,
    /// In this state, as in [`RunView::state`](towpath_control::view::RunView::state).
    #[serde(default)]
    pub state: Option<String>,
    /// Where to go on: the [`PageView::next`](towpath_control::view::PageView::next) of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// At most so many, the newest. From 1 to [`MAX_LIMIT`].
    #[serde(default = "default_limit")]
    pub limit: u32,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self { subject: None, state: None, cursor: None, limit: DEFAULT_LIMIT }
    }
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryFilter {
    /// About this: a commit, source, target, channel, run or change; id, title or part of a title.
    #[serde(default)]
    pub about: Option<String>,
    /// Not before.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Not after.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Single steps of runs, too.
    #[serde(default)]
    pub steps: bool,
    /// Of this kind, as in the event's `event`, such as `run-finished`.
    #[serde(default)]
    pub kind: Option<String>,
    /// Where to go on: the [`PageView::next`](towpath_control::view::PageView::next) of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// At most so many, the newest. From 1 to [`MAX_LIMIT`].
    #[serde(default = "default_limit")]
    pub limit: u32,
}

impl Default for HistoryFilter {
    fn default() -> Self {
        Self { about: None, since: None, until: None, steps: false, kind: None, cursor: None, limit: DEFAULT_LIMIT }
    }
}

/// Which lines of a run's logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// The run: its id or an unambiguous beginning of it.
    pub run: String,
    /// Where to begin: 0, or the [`LogPage::next`] of the page before.
    pub from: u64,
    /// Only lines that hold this text; case counts.
    pub search: Option<String>,
}

/// A page of a run's logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPage {
    /// Lines in the order they were written.
    pub lines: Vec<LogLine>,
    /// Where the next page begins. Its meaning is the brain's own; it never goes back.
    pub next: u64,
    /// The run has ended and this page holds its last line.
    pub done: bool,
}

/// A line of a run's logs, secrets masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The step that wrote it.
    pub step: String,
    /// `stdout`, `stderr`, or the name of the container it came from.
    pub stream: String,
    /// The text without its line end.
    pub text: String,
}

/// `ledger backup`: a copy of the ledger while it is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupRequest {
    /// An absolute path on the server's machine where nothing is yet.
    pub dest: String,
}
