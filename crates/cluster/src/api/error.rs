//! Refusals and failures. [`ClusterError`] is for requests, [`WaitFailure`] for what was deployed and did not become well.

use std::fmt;

use serde::{Deserialize, Serialize};
use towpath_domain::FailureClass;

use super::ObjectKey;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The objects cannot be applied; nothing was touched.
    #[error("{}", .refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused {
        /// Every reason, not only the first.
        refusals: Vec<Refusal>,
    },
    /// There is no such thing.
    #[error("namespace {namespace} has no {what}; `list` shows what is there")]
    NotFound {
        /// The namespace that was looked at.
        namespace: String,
        /// What was asked for.
        what: String,
    },
    /// Another Towpath works on the same directory.
    #[error("{dir} is in use by another Towpath; stop that one, or give this one a directory of its own")]
    InUse {
        /// The directory.
        dir: String,
    },
    /// The installation does not know the cluster.
    #[error(
        "cluster {cluster} is not named in towpath.toml, which names others; add [clusters.{cluster}], or correct the namespace's `cluster`"
    )]
    Unnamed {
        /// The cluster's name in the catalog.
        cluster: String,
    },
    /// The cluster does not answer. The environment's fault.
    #[error("cluster {cluster} does not answer: {why}; `towpath doctor` looks at it")]
    Unreachable {
        /// The cluster's name.
        cluster: String,
        /// What went wrong.
        why: String,
    },
    /// The cluster does not let Towpath do this. Somebody has to grant it.
    #[error("cluster {cluster} does not allow it: {why}; grant the permission (`towpath doctor` lists what is missing), then retry")]
    Forbidden {
        /// The cluster's name.
        cluster: String,
        /// What is not allowed, in the cluster's words.
        why: String,
    },
    /// The cluster refused or could not do what was asked.
    #[error("cluster {cluster}: {what}: {why}")]
    Api {
        /// The cluster's name.
        cluster: String,
        /// What was tried.
        what: String,
        /// What the cluster said.
        why: String,
        /// Whose fault it is.
        class: FailureClass,
    },
    /// The wanted state could not be read or written. The environment's fault.
    #[error("{what}: {source}; free or repair the disk, then try again")]
    Storage {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ClusterError {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Refused { .. } | Self::NotFound { .. } => FailureClass::Own,
            Self::InUse { .. } | Self::Storage { .. } | Self::Unreachable { .. } => FailureClass::Environment,
            Self::Forbidden { .. } | Self::Unnamed { .. } => FailureClass::Unknown,
            Self::Api { class, .. } => *class,
        }
    }
}

/// One reason why objects cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The object, as far as it has a kind and a name.
    pub object: String,
    /// The field, as a path within the object; empty when it is the object as a whole.
    pub field: String,
    /// Why, and how to mend it.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "{}: {}", self.object, self.why)
        } else {
            write!(f, "{}: {}: {}", self.object, self.field, self.why)
        }
    }
}

/// What kept an object from becoming well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A container ends again and again.
    CrashLoop,
    /// A probe does not succeed.
    ProbeFailing,
    /// An image is not there or cannot be unpacked.
    ImageMissing,
    /// An image could not be had now.
    ImageUnavailable,
    /// A container's command is neither in its image nor on the host.
    CommandMissing,
    /// A container needed more memory than its limit.
    OutOfMemory,
    /// A `ConfigMap`, `Secret` or key that a container needs is not there.
    ConfigMissing,
    /// A job's pod failed more often than its `backoffLimit` allows.
    JobFailed {
        /// The exit code of the last attempt; none when a signal ended it.
        exit: Option<i32>,
    },
    /// The time given has passed.
    DeadlineExceeded,
    /// The machine or somebody else ended it from outside.
    Interrupted,
    /// Another run has applied the object since, or it was deleted.
    Superseded,
    /// This machine could not start it: no disk, no port, no process.
    Host,
    /// No node takes the pod.
    Unschedulable,
    /// The namespace's quota has no room for it.
    QuotaExceeded,
    /// The cluster refuses to make the pod.
    PodRejected,
    /// The pod was evicted, or its node was lost.
    PodLost,
    /// The object's own conditions say that it failed.
    ConditionFailed,
    /// A test came to an end without having run what was asked.
    NothingRan,
    /// Other bits run than those that were deployed.
    DigestDiffers,
    /// The cluster does not answer.
    Unreachable,
}

impl Reason {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::CrashLoop
            | Self::ProbeFailing
            | Self::ImageMissing
            | Self::CommandMissing
            | Self::OutOfMemory
            | Self::ConfigMissing
            | Self::JobFailed { .. } => FailureClass::Own,
            Self::ImageUnavailable
            | Self::Interrupted
            | Self::Host
            | Self::Unschedulable
            | Self::QuotaExceeded
            | Self::PodLost
            | Self::Unreachable => FailureClass::Environment,
            Self::PodRejected | Self::ConditionFailed | Self::NothingRan | Self::DigestDiffers => FailureClass::Own,
            Self::DeadlineExceeded | Self::Superseded => FailureClass::Unknown,
        }
    }
}

/// An object did not become well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{object}: {message}")]
pub struct WaitFailure {
    /// Whose fault it is: decides whether it is tried again.
    pub class: FailureClass,
    /// What it was.
    pub reason: Reason,
    /// The object.
    pub object: ObjectKey,
    /// What happened, where, and what to do next.
    pub message: String,
    /// The last lines that the failing pod printed, at most 50.
    pub log_tail: Vec<String>,
    /// What the cluster tells of the object and its pods, newest last, at most 20.
    #[serde(default)]
    pub events: Vec<String>,
}
