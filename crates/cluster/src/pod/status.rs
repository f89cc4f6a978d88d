//! What a shim tells of its pod. Holds nothing secret.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use towpath_domain::Timestamp;

use super::Process;
use crate::api::Reason;

/// How far a pod has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Its init containers run.
    #[default]
    Starting,
    /// Its containers run, or are about to run again.
    Running,
    /// All its containers ended well.
    Succeeded,
    /// One of its containers failed and is not started again.
    Failed,
    /// It was stopped.
    Stopped,
}

impl Phase {
    /// Whether nothing follows.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// A pod, as its shim sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The shim itself.
    pub(crate) shim: Option<Process>,
    pub(crate) phase: Phase,
    pub(crate) ready: bool,
    /// Since when it is ready without a break.
    pub(crate) ready_since: Option<Timestamp>,
    pub(crate) started: Timestamp,
    /// When its last phase began.
    pub(crate) ended: Option<Timestamp>,
    /// Whether it failed only because its shim was killed.
    pub(crate) interrupted: bool,
    pub(crate) containers: Vec<ContainerStatus>,
    /// For the run's record.
    pub(crate) notes: BTreeSet<String>,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerStatus {
    pub(crate) name: String,
    pub(crate) init: bool,
    /// Whether it was ever about to be started: written down before the process is made.
    pub(crate) begun: bool,
    /// Its process, while it runs.
    pub(crate) process: Option<Process>,
    pub(crate) ready: bool,
    pub(crate) restarts: u32,
    /// Quick ends in a row.
    pub(crate) crashes: u32,
    pub(crate) ports: Vec<PortStatus>,
    pub(crate) last_exit: Option<Exit>,
    /// Why it cannot be started.
    pub(crate) problem: Option<Problem>,
    /// Which probe fails, and how.
    pub(crate) probe: Option<String>,
}

/// One port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PortStatus {
    pub(crate) name: Option<String>,
    pub(crate) container_port: u16,
    /// The port of this machine.
    pub(crate) host_port: u16,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out_of_memory: bool,
    /// The probe that ended it.
    pub(crate) probe: Option<String>,
    pub(crate) ran_ms: u64,
}

impl Exit {
    pub(crate) fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// In words: `exit code 1`.
    pub(crate) fn describe(&self) -> String {
        if self.out_of_memory {
            return "out of memory".to_owned();
        }
        if let Some(probe) = &self.probe {
            return format!("stopped because its {probe}");
        }
        match (self.code, self.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "an unknown end".to_owned(),
        }
    }
}

/// Why a container cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}
