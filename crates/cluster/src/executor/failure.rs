//! Why a task did not come to a good end.

use serde::{Deserialize, Serialize};
use towpath_domain::FailureClass;

use super::listening::Listening;
use crate::api::{ClusterError, Reason, WaitFailure};

/// A task did not come to a good end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct TaskFailure {
    /// Whose fault it is: decides whether it is tried again.
    pub class: FailureClass,
    /// What it was.
    pub reason: TaskReason,
    /// What happened, where, and what to do next.
    pub message: String,
    /// The last lines that the container at fault printed, at most 50.
    pub log_tail: Vec<String>,
    /// What the cluster tells of the task and its pods, newest last, at most 20.
    pub events: Vec<String>,
}

/// What kept a task from a good end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskReason {
    /// It needed more memory than its limit.
    OutOfMemory {
        /// The limit that was, in bytes; none when it is not the executor's to say.
        limit: Option<u64>,
    },
    /// It was not done in time.
    TimedOut,
    /// It came to a bad end.
    Failed {
        /// Its exit code; none when nobody knows.
        exit: Option<i32>,
    },
    /// It was refused before anything was made.
    Refused,
    /// It could not begin: its image, its place on a node, its checkout was missing.
    NeverStarted,
    /// What ran it went away: its node, its pod, or the task itself.
    Lost,
    /// Somebody stopped it.
    Cancelled,
    /// The cluster did not answer.
    Unreachable,
}

impl TaskFailure {
    /// A refusal, before anything was made.
    pub(super) fn refused(message: impl Into<String>) -> Box<Self> {
        Self::plain(FailureClass::Own, TaskReason::Refused, message)
    }

    pub(super) fn plain(class: FailureClass, reason: TaskReason, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { class, reason, message: message.into(), log_tail: Vec::new(), events: Vec::new() })
    }

    /// A request that was not answered as hoped.
    pub(super) fn of_request(error: &ClusterError) -> Box<Self> {
        let reason = match error {
            ClusterError::Unreachable { .. } => TaskReason::Unreachable,
            _ => TaskReason::Refused,
        };
        Self::plain(error.class(), reason, error.to_string())
    }

    /// What waiting found, in the words of tasks.
    pub(super) fn of_wait(failure: WaitFailure, heard: &Listening<'_>) -> Box<Self> {
        let reason = match failure.reason {
            Reason::OutOfMemory => TaskReason::OutOfMemory { limit: None },
            Reason::DeadlineExceeded => TaskReason::TimedOut,
            Reason::JobFailed { exit } => TaskReason::Failed { exit },
            Reason::CrashLoop | Reason::ProbeFailing | Reason::NothingRan | Reason::ConditionFailed => TaskReason::Failed { exit: None },
            Reason::ImageMissing
            | Reason::ImageUnavailable
            | Reason::CommandMissing
            | Reason::ConfigMissing
            | Reason::Unschedulable
            | Reason::QuotaExceeded
            | Reason::PodRejected
            | Reason::Host => TaskReason::NeverStarted,
            Reason::PodLost | Reason::Interrupted | Reason::Superseded | Reason::DigestDiffers => TaskReason::Lost,
            Reason::Unreachable => TaskReason::Unreachable,
        };
        // Whoever deleted it wanted another one, or made a mistake: the same is tried again, within bounds.
        let class = if reason == TaskReason::Lost { FailureClass::Environment } else { failure.class };
        let message = format!("{}: {}", failure.object.title(), plain(&failure.message));
        let log_tail = if failure.log_tail.is_empty() { heard.tail() } else { failure.log_tail };
        Box::new(Self { class, reason, message, log_tail, events: failure.events })
    }
}

/// A message of waiting without what is said of tests only.
pub(super) fn plain(message: &str) -> &str {
    message.strip_prefix("inconclusive: ").unwrap_or(message)
}
