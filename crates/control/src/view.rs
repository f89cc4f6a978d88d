//! What people and programs are shown: plain data, made from verdicts, facts and the ledger, and nothing else.
//!
//! The HTTP API answers with these as JSON, and the command line prints them.

mod board;
mod change;
mod graph;
mod insight;
mod page;
mod pool;
mod pull;
mod release;
mod run;
mod tested;
mod trouble;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{ChangeId, CommitId, FailureClass, ReservationId, RunId, TargetId, Timestamp};

use crate::sight::Scope;

pub use board::{BoardFilter, BoardRow, BoardView, CellView, Totals, WaitingCommit};
pub use change::{ChangeDetail, ChangeFilter, CheckView, MoveView};
pub use graph::{GraphFilter, GraphView, NodeView};
pub use insight::{DayView, InsightFilter, InsightView, Ratio, Spread, StationTime, TestView};
pub use page::PageView;
pub use pool::{AppsView, NamespaceFilter, NamespaceView, PoolView, ReservationView};
pub use pull::{PullDetail, PullFilter, PullView};
pub use release::{ActionView, ReleaseView, StationView, WhyView};
pub use run::{CauseView, ObjectView, PulseView, RunDetail};
pub use tested::{
    CaseView, QuarantineView, ReportFile, ReportView, RunReportsFilter, RunReportsView, TestDetail, TestFilter, TestLine, TestTimeView,
};
pub use trouble::{CompareRequest, CompareView, ImageFilter, ImageMove, ImageView, IncidentView};

/// What is where, what is moving, what is stuck and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    /// The config repository.
    pub config: ConfigView,
    /// Every source, by name.
    pub sources: Vec<SourceView>,
    /// Every target: by app, and within an app in the order in which a commit reaches them.
    pub targets: Vec<TargetView>,
    /// Changes under way or failed, newest first.
    pub changes: Vec<ChangeView>,
    /// Runs queued or under way, oldest first.
    pub runs: Vec<RunView>,
}

/// The config repository as last read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigView {
    /// Its URL, without credentials.
    pub url: String,
    /// The branch that is read.
    pub branch: String,
    /// Its head, once read.
    pub commit: Option<CommitId>,
    /// Since when it cannot be read, and why.
    pub unreachable: Option<String>,
    /// Diagnostics as plain lines, errors first.
    pub diagnostics: Vec<String>,
}

/// A commit as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitView {
    /// Its id.
    pub id: CommitId,
    /// First line of its message, where known.
    pub subject: Option<String>,
    /// Its author, where known.
    pub author: Option<String>,
    /// When it was committed, where known.
    pub at: Option<Timestamp>,
}

/// A verdict in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictView {
    /// `up-to-date`, `act` or `held`.
    pub state: String,
    /// One line for people.
    pub summary: String,
    /// The commit it should be at, as far as known.
    pub wanted: Option<CommitView>,
    /// Each hold with what would lift it; the weightiest first.
    pub holds: Vec<HoldView>,
    /// Candidates that were passed over, newest first, with what held each.
    pub passed_over: Vec<PassedOverView>,
}

/// A candidate that was passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassedOverView {
    /// The candidate.
    pub commit: CommitView,
    /// What held it.
    pub holds: Vec<HoldView>,
}

/// A hold in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldView {
    /// The reason's stable name, such as `unvouched`.
    pub reason: String,
    /// What holds.
    pub text: String,
    /// What would lift it.
    pub lift: String,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// Its repository, without credentials.
    pub url: String,
    /// Its branch.
    pub branch: String,
    /// Its head, once seen.
    pub head: Option<CommitView>,
    /// The newest image.
    pub built: Option<BuiltView>,
    /// What the engine says.
    pub verdict: VerdictView,
}

/// An image that a build made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuiltView {
    /// The commit.
    pub commit: CommitView,
    /// The image with its tag.
    pub image: String,
    /// Its digest.
    pub digest: String,
    /// When.
    pub at: Timestamp,
    /// The run that made it.
    pub run: RunId,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetView {
    /// Its stable id.
    pub id: TargetId,
    /// `{saas file}/{resource template}/{environment}/{namespace}[/{name}]`.
    pub title: String,
    /// The shortest name that means only this target, for people to type.
    pub name: String,
    /// Its app.
    pub app: String,
    /// Its environment.
    pub environment: String,
    /// Its cluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// Its `ref` in the config repository.
    pub git_ref: String,
    /// It is a post-deploy test: all that acts among its objects is jobs.
    pub is_test: bool,
    /// What was last deployed with success.
    pub current: Option<DeployedView>,
    /// What the engine says.
    pub verdict: VerdictView,
    /// Where its services are reached, by service name, on runtimes that know.
    pub endpoints: BTreeMap<String, String>,
}

/// A successful deploy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployedView {
    /// The commit.
    pub commit: CommitView,
    /// When it was found healthy.
    pub at: Timestamp,
    /// The run.
    pub run: RunId,
    /// The digests that ran, by image.
    pub digests: BTreeMap<String, String>,
}

/// A change on the config repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    /// Its id; its branch is `towpath/{id}`.
    pub id: ChangeId,
    /// `promotion`, `rollback`, `hold` or `release`.
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// Who wants it.
    pub by: String,
    /// `open`, `merged`, `failed` or `closed`.
    pub state: String,
    /// When it was first queued.
    pub opened_at: Timestamp,
    /// When it was merged, and the new head.
    pub merged: Option<(CommitId, Timestamp)>,
    /// What the engine says.
    pub verdict: Option<VerdictView>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// `build`, `deploy`, `delete` or `change`.
    pub kind: String,
    /// What it is about, as people call it.
    pub subject: String,
    /// Its commit, where it has one.
    pub commit: Option<CommitView>,
    /// Which attempt at the same, from 1.
    pub attempt: u32,
    /// `queued`, `running`, `succeeded`, `failed`, `superseded` or `cancelled`.
    pub state: String,
    /// Why it was queued.
    pub why: String,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When a worker first took it up.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Whose fault, when it failed.
    pub class: Option<FailureClass>,
    /// It is a retried pass: in the attempt before, nothing failed but tests known to be flaky.
    pub retried: bool,
    /// What came of it, for people.
    pub message: Option<String>,
    /// Its steps in order; empty in listings.
    pub steps: Vec<StepView>,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
}

/// The answer to `explain`: the story so far, and what is being waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainView {
    /// What was asked about: `commit`, `target`, `channel`, `run` or `change`.
    pub kind: String,
    /// As people call it.
    pub title: String,
    /// One paragraph that answers "where is it, and why?".
    pub answer: String,
    /// What happened, oldest first.
    pub story: Vec<StoryLine>,
    /// Where it stands now, one entry per target, source or change that matters.
    pub now: Vec<StandView>,
}

/// One line of a story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoryLine {
    /// The ledger's event.
    pub event: i64,
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub text: String,
    /// The run it belongs to.
    pub run: Option<RunId>,
}

/// Where something stands now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StandView {
    /// As people call it.
    pub title: String,
    /// What the engine says.
    pub verdict: VerdictView,
    /// How long this station usually takes, in milliseconds, from past runs; none without a past.
    pub usually_ms: Option<u64>,
}

/// What would happen: now, or if a branch were merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// What was planned: a folder, a commit or a branch.
    pub of: String,
    /// Diagnostics as plain lines, errors first.
    pub diagnostics: Vec<String>,
    /// One line per source, target and open change.
    pub lines: Vec<PlanLine>,
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanLine {
    /// As people call it.
    pub title: String,
    /// `source`, `target` or `change`.
    pub kind: String,
    /// The target's id, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetId>,
    /// What the engine says.
    pub verdict: VerdictView,
    /// What runs there now.
    pub current: Option<CommitView>,
    /// Objects that would be deleted, where a deletion is planned.
    pub deletes: Vec<String>,
    /// What a deploy would change in the cluster, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<DiffView>,
}

/// What a deploy of one target would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffView {
    /// The commit that would be deployed; none when no commit is known.
    pub commit: Option<CommitView>,
    /// The objects that would be created, changed or deleted; what stays as it is is left out.
    pub objects: Vec<ObjectDiffView>,
    /// Why nobody can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What would become of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDiffView {
    /// The object, as `Kind.group/name`.
    pub object: String,
    /// `created`, `changed` or `deleted`.
    pub change: String,
    /// A unified diff of its YAML; values of secrets are hidden.
    pub lines: Vec<String>,
}

/// One event of the ledger, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryLine {
    /// Its id.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The event that caused it.
    pub cause: Option<i64>,
    /// Who: `towpath` or a person.
    pub actor: String,
    /// What, in words.
    pub text: String,
    /// The apps and environments that it is about. Whoever may see one of them sees it; where there is none, those who may see everything.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// The event itself.
    pub event: serde_json::Value,
}

/// One finding of `doctor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// `ok`, `warning` or `error`.
    pub level: String,
    /// What was found.
    pub text: String,
    /// How to mend it; empty when ok.
    pub mend: String,
}

/// What a write answers: the change or run that will carry it out, and how to follow it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// What will happen, in words.
    pub text: String,
    /// The change, for what goes by a commit.
    pub change: Option<ChangeId>,
    /// The run, once queued.
    pub run: Option<RunId>,
    /// The reservation, where it is about one.
    #[serde(default)]
    pub reservation: Option<ReservationId>,
}

/// A refusal, after RFC 9457's problem details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{title}: {detail}")]
pub struct Problem {
    /// The rule's stable name, such as `unknown-target`. The API sends it as `rule`, and as `type` where the rule is explained.
    #[serde(rename = "rule")]
    pub r#type: String,
    /// A short summary.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What, where and why.
    pub detail: String,
    /// How to mend it.
    pub mend: String,
}
