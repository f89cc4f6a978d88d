//! What a shim is to do. Deliberately without `Debug`: plans hold the values of secrets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use towpath_domain::{Digest, RunId, Timestamp};

use crate::api::ObjectKey;
use crate::spec::{Probe, RestartPolicy};

/// One pod.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PodPlan {
    /// Marks every process of the pod, in its environment.
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The object that wants the pod.
    pub(crate) object: ObjectKey,
    pub(crate) revision: String,
    /// The run on whose behalf the pod was made.
    pub(crate) run: RunId,
    pub(crate) ordinal: u32,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) restart: RestartPolicy,
    pub(crate) grace_ms: u64,
    pub(crate) init: Vec<ContainerPlan>,
    pub(crate) containers: Vec<ContainerPlan>,
    /// What was really unpacked, by how the template names it.
    pub(crate) images: BTreeMap<String, Digest>,
    pub(crate) host: HostPlan,
    pub(crate) created: Timestamp,
}

/// What all pods of this machine share.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct HostPlan {
    /// How a shim is started.
    pub(crate) shim_command: Vec<String>,
    /// The host's `PATH`, searched after the image's.
    pub(crate) path: String,
    /// The socket that wakes the controllers.
    pub(crate) wake: PathBuf,
    /// How many bytes a piece of a log has at most; two pieces are kept.
    pub(crate) log_segment_bytes: u64,
}

/// One container.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ContainerPlan {
    pub(crate) name: String,
    /// Where its image is unpacked.
    pub(crate) root: PathBuf,
    /// Program and arguments, before `$(VAR)` is replaced.
    pub(crate) argv: Vec<String>,
    /// The image's variables.
    pub(crate) image_env: Vec<(String, String)>,
    /// The services' and the template's variables, in order; later ones win.
    pub(crate) env: Vec<EnvItem>,
    /// Within the root.
    pub(crate) workdir: String,
    /// Volumes: the path within the root, and the folder that is there.
    pub(crate) mounts: Vec<(String, PathBuf)>,
    pub(crate) ports: Vec<PortPlan>,
    pub(crate) readiness: Option<Probe>,
    pub(crate) liveness: Option<Probe>,
    pub(crate) startup: Option<Probe>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) cpu_millis: Option<u64>,
}

/// One variable.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct EnvItem {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Whether `$(VAR)` in it is replaced: only where people wrote it, never in the content of a secret.
    pub(crate) expand: bool,
}

/// One port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PortPlan {
    pub(crate) name: Option<String>,
    pub(crate) container_port: u16,
}
