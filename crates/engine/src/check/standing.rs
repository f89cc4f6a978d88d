//! How a pull request stands with its checks, in one value for pages, statuses and commands.

use serde::Serialize;
use towpath_domain::{CheckId, CommitId, FailureClass, RunId, Timestamp};

use super::work::Blame;

/// How a pull request stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum CheckStanding {
    /// It cannot be checked as things are.
    Held {
        /// Why, and what would lift it.
        why: String,
    },
    /// It comes from a fork, and nobody who may has said yet that this commit may be checked.
    NeedsOk {
        /// The commit.
        head: CommitId,
    },
    /// Somebody does not want its newest commit to be checked.
    Cancelled {
        /// Who.
        by: String,
    },
    /// It waits for its turn.
    Waiting {
        /// Its place among those of its source, from 1.
        position: usize,
        /// How many wait.
        of: usize,
        /// Those that go on now: what it waits for.
        behind: Vec<(CheckId, RunId)>,
        /// How many are checked at a time.
        limit: u32,
        /// It goes before those that are not urgent.
        urgent: bool,
    },
    /// A run of it is queued or under way.
    Running {
        /// The run.
        run: RunId,
        /// A worker has taken it up.
        started: bool,
    },
    /// It failed by the environment's fault or by flaky tests, and is tried again.
    Backoff {
        /// The run.
        run: RunId,
        /// When.
        until: Timestamp,
        /// Attempts so far.
        attempts: u32,
        /// What went wrong.
        message: String,
    },
    /// It passed.
    Passed {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
        /// The run whose result it is, where the same tree was tested before.
        reused: Option<RunId>,
    },
    /// It failed.
    Failed {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
        /// Whose fault.
        class: FailureClass,
        /// What in particular.
        blame: Option<Blame>,
        /// The step.
        step: String,
        /// What went wrong.
        message: String,
        /// Attempts so far.
        attempts: u32,
    },
}

impl CheckStanding {
    /// As one word, for people and filters.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::NeedsOk { .. } => "needs-ok",
            Self::Cancelled { .. } => "cancelled",
            Self::Waiting { .. } => "waiting",
            Self::Running { started: false, .. } => "queued",
            Self::Running { .. } => "running",
            Self::Backoff { .. } => "backoff",
            Self::Passed { .. } => "passed",
            Self::Failed { .. } => "failed",
        }
    }

    /// In a sentence for people, without its full stop.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Held { why } => why.clone(),
            Self::NeedsOk { head } => format!(
                "{} comes from a fork: it is checked once somebody who may has looked at it and written /ok-to-test {}",
                crate::ids::short(*head),
                crate::ids::short(*head)
            ),
            Self::Cancelled { by } => format!("cancelled by {by}; /retest checks it after all"),
            Self::Waiting { position, of, behind, limit, urgent } => {
                let lane = if *urgent { ", urgent" } else { "" };
                let named: Vec<&str> = behind.iter().map(|(check, _)| check.as_str()).take(5).collect();
                let behind = if named.is_empty() { String::new() } else { format!("; under way: {}", named.join(", ")) };
                format!("{position} of {of} in the queue{lane}, {limit} at a time{behind}")
            }
            Self::Running { run, started: true } => format!("{run} is under way"),
            Self::Running { run, started: false } => format!("{run} is queued"),
            Self::Backoff { until, attempts, message, .. } => {
                format!("failed by no fault of its own (attempt {attempts}), next attempt at {until}: {message}")
            }
            Self::Passed { reused: Some(of), .. } => format!("passed: the same tree passed in {of} by the same instructions"),
            Self::Passed { .. } => "passed".to_owned(),
            Self::Failed { blame, step, message, .. } => {
                let blame = blame.as_ref().map(|blame| format!(", by the fault of {}", blame.text())).unwrap_or_default();
                format!("failed at {step}{blame}: {message}")
            }
        }
    }
}
