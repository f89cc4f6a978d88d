//! Pull requests of sources, and how their checks stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{CheckId, CommitId, RunId, Timestamp};

use super::{RunView, StepView};

/// Which pull requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullFilter {
    /// Of this source.
    pub source: Option<String>,
    /// That stand so: `held`, `needs-ok`, `cancelled`, `waiting`, `queued`, `running`, `backoff`, `passed` or `failed`.
    pub standing: Option<String>,
}

/// A pull request, and how its check stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullView {
    /// `web#17`.
    pub id: CheckId,
    /// The source.
    pub source: String,
    /// The source's app.
    pub app: Option<String>,
    /// Its number on the forge.
    pub number: u64,
    /// Its page on the forge; empty on plain Git.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: String,
    /// Its branch.
    pub branch: String,
    /// It comes from a fork.
    pub from_fork: bool,
    /// It goes before those that are not urgent.
    pub urgent: bool,
    /// Its newest commit.
    pub head: CommitId,
    /// Since when that is its newest commit, as far as Towpath saw.
    pub head_since: Timestamp,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// `held`, `needs-ok`, `cancelled`, `waiting`, `queued`, `running`, `backoff`, `passed` or `failed`.
    pub standing: String,
    /// The same in a sentence.
    pub text: String,
    /// Its place among those of its source that wait, from 1; 0 when it does not wait.
    pub position: usize,
    /// How many wait.
    pub of: usize,
    /// The run that goes on, or that its standing is by.
    pub run: Option<RunId>,
    /// Since when it waits, or has stood so.
    pub since: Option<Timestamp>,
    /// What is at fault that it failed, in words.
    pub blame: Option<String>,
    /// Where the results of its tests are shown, where they are uploaded; none in lists.
    pub results: Option<String>,
    /// Since when its forge cannot be asked, and why: there may be newer things of it than are told here.
    pub unreachable: Option<String>,
}

/// A pull request with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullDetail {
    /// The pull request.
    #[serde(flatten)]
    pub check: PullView,
    /// The steps of the run that goes on, or of the last one.
    pub steps: Vec<StepView>,
    /// The names of its tests: what `/test` takes.
    pub tests: Vec<String>,
    /// The namespace that its run works in.
    pub namespace: Option<String>,
    /// What its run waits for, where that is a namespace.
    pub waits: String,
    /// Its runs, newest first; bounded.
    pub runs: Vec<RunView>,
}
