//! What a run of ours came to.

use towpath_domain::{CommitId, RunId, Span, Timestamp};
use towpath_junit::Report;

/// A run whose tests are to be told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// Our run. Together with `source` it names the run in Ibutsu.
    pub run: RunId,
    /// What people call it.
    pub title: String,
    /// Where the results come from; two installations that feed one project have different ones.
    pub source: String,
    /// What was tested, where that is one thing.
    pub component: Option<String>,
    /// The environment that it was tested in.
    pub env: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub duration: Span,
    /// Its reports, each with its name. One that is there twice counts once.
    pub reports: Vec<(String, Report)>,
    /// Files of the run as a whole, each with its name, such as its log.
    pub artifacts: Vec<(String, Vec<u8>)>,
    /// What it belongs to.
    pub metadata: Metadata,
}

/// What a run belongs to, for people and for filters: in Ibutsu below `metadata.towpath`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The run's page here.
    pub page: Option<String>,
    /// The repository of the release.
    pub repository: Option<String>,
    /// The commit that was tested.
    pub commit: Option<CommitId>,
    /// The pull request that was checked.
    pub pull_request: Option<PullRequest>,
    /// What is not as it seems, such as tests of which only the number was kept.
    pub notes: Vec<String>,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number on the forge.
    pub number: u64,
    /// Its page there.
    pub url: String,
}
