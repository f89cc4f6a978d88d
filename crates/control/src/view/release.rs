//! One commit's way to production, and why something is as it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{ChangeId, RunId, SourceName, TargetId, Timestamp};

use super::{CommitView, HoldView, StoryLine, VerdictView};

/// One commit's way: merge, build, each deploy, test and change, to production.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseView {
    /// The commit.
    pub commit: CommitView,
    /// The sources that have it.
    pub sources: Vec<SourceName>,
    /// One paragraph that answers "where is it, and why?".
    pub answer: String,
    /// `live` (wherever it should be), `moving`, `waiting`, `stuck` or `superseded` (a newer one went in its place).
    pub state: String,
    /// When it was first seen on its branch.
    pub merged_at: Option<Timestamp>,
    /// When it is expected in the last station, from past durations; none when it is there, stuck, or without a past.
    pub expected_at: Option<Timestamp>,
    /// Its stations in the order in which it reaches them.
    pub stations: Vec<StationView>,
    /// All that happened, oldest first.
    pub story: Vec<StoryLine>,
}

/// A station on a commit's way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StationView {
    /// `merge`, `build`, `deploy`, `test` or `change`.
    pub kind: String,
    /// As people call it.
    pub title: String,
    /// The target, where it is one.
    pub target: Option<TargetId>,
    /// The target's app.
    pub app: Option<String>,
    /// The target's environment.
    pub environment: Option<String>,
    /// `done`, `running`, `waiting`, `failed`, `skipped` (a newer commit went in its place) or `ahead` (its turn has not come).
    pub state: String,
    /// The plain reason for where it stands.
    pub text: String,
    /// What holds it.
    pub holds: Vec<HoldView>,
    /// Its newest run for this commit.
    pub run: Option<RunId>,
    /// Its change for this commit.
    pub change: Option<ChangeId>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
    /// How long it usually takes, in milliseconds; none without a past.
    pub usually_ms: Option<u64>,
}

/// The engine's verdict for a target, source or change, hold by hold, with what to do about each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhyView {
    /// `target`, `source` or `change`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// As people call it.
    pub title: String,
    /// Its app, where it has one.
    pub app: Option<String>,
    /// Its environment, where it has one.
    pub environment: Option<String>,
    /// Where it is written in the config repository: `file:line:column`.
    pub place: Option<String>,
    /// What runs there now.
    pub current: Option<CommitView>,
    /// What the engine says.
    pub verdict: VerdictView,
    /// What can be done now, the most helpful first.
    pub actions: Vec<ActionView>,
    /// How long it usually takes, in milliseconds.
    pub usually_ms: Option<u64>,
    /// Its newest runs, newest first.
    pub runs: Vec<super::RunView>,
    /// What happened of late, newest first.
    pub story: Vec<StoryLine>,
}

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionView {
    /// The write of the API: `retry`, `cancel`, `promote`, `rollback`, `hold`, `release` or `ack`.
    pub verb: String,
    /// What it is about: the write's `what` or `target`.
    pub what: String,
    /// For `promote`: the commit to move to; the newest that is vouched for when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A button's text.
    pub label: String,
    /// What will happen.
    pub text: String,
    /// The command that does the same.
    pub command: String,
}
