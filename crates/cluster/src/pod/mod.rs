//! The files by which the controllers and a pod's shim speak to each other.
//!
//! The controllers write `plan.json` (last: a folder without it is not a pod yet) and `stop`; the shim writes `status.json` and the logs,
//! and holds `lock` as long as it lives.

pub(crate) mod logs;
mod plan;
mod process;
mod status;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use plan::{ContainerPlan, EnvItem, HostPlan, PodPlan, PortPlan};
pub(crate) use process::{MARKER, Process, kill_leftovers};
pub(crate) use status::{ContainerStatus, Exit, Phase, PortStatus, Problem, Status};

/// How many quick ends in a row make a crash loop.
/// Three tell a mistake from a mishap, and with the shim's first pauses they take well under a second.
pub(crate) const CRASH_LOOP_ENDS: u32 = 3;

/// The folder of one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodDir(PathBuf);

impl PodDir {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What the shim is to do. Holds secrets.
    pub(crate) fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// What the shim tells.
    pub(crate) fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    /// Held by the shim for as long as it lives.
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// There when the pod is to end; holds a [`StopOrder`].
    pub(crate) fn stop(&self) -> PathBuf {
        self.0.join("stop")
    }

    /// Why the shim could not do its work at all.
    pub(crate) fn error(&self) -> PathBuf {
        self.0.join("shim-error")
    }

    /// Where a container's image is unpacked.
    pub(crate) fn root(&self, container: &str) -> PathBuf {
        self.0.join("root").join(container)
    }

    /// Where volumes are laid out.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.0.join("volumes")
    }

    /// Where a container's log is.
    pub(crate) fn logs(&self, container: &str) -> PathBuf {
        self.0.join("logs").join(container)
    }

    /// Where a container keeps what belongs to nobody else: `HOME` and `TMPDIR`.
    pub(crate) fn scratch(&self, container: &str) -> PathBuf {
        self.0.join("scratch").join(container)
    }
}

/// How a pod is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StopOrder {
    /// Milliseconds to go on serving, while connections that were already on their way arrive.
    pub(crate) drain_ms: u64,
}
