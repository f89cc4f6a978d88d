//! What the runtime knows: objects, pods and services, in memory and on disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_domain::{Digest, NamespaceName, RunId, Timestamp};

use super::namespaces::Space;
use crate::api::{Event, ObjectKey, Owner, Reason};
use crate::clock::now;
use crate::files::FileIdentity;
use crate::pod::{PodDir, Problem, Status};
use crate::shim::{ProxyDir, ProxyStatus};
use crate::spec::{Labels, Spec};

/// How many events are remembered; older ones are in the ledger, as far as runs waited for them.
const EVENTS_MAX: usize = 2000;

/// Where an object is.
pub(super) type Place = (NamespaceName, ObjectKey);
/// Where a pod or service is.
pub(super) type Named = (NamespaceName, String);

/// An object as it is kept on disk.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) owner: Owner,
    /// Grows with each change of the object.
    pub(super) generation: u64,
    /// Of the object's content.
    pub(super) hash: String,
    pub(super) applied: Timestamp,
    pub(super) object: Value,
    #[serde(default)]
    pub(super) state: State,
}

/// How far an object has come. Whatever must not be forgotten is here; the rest is seen anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// The images as they were when the run applied the object.
    pub(super) images: Option<Images>,
    /// Deployments: the revision that serves.
    pub(super) active: Option<String>,
    /// Jobs: how the job ended.
    pub(super) job_end: Option<JobEnd>,
    /// Services: by port, the port of this machine.
    pub(super) ports: BTreeMap<u16, u16>,
}

/// The digests of an object's images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Images {
    pub(super) generation: u64,
    pub(super) run: RunId,
    pub(super) digests: BTreeMap<String, Digest>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobEnd {
    /// Which incarnation of the job: its pods' revision.
    pub(super) revision: String,
    /// What failed; none when it succeeded.
    pub(super) failure: Option<Failure>,
}

/// What failed, and where the log that tells more is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) pod: Option<String>,
    pub(super) container: Option<String>,
}

/// An object in memory.
pub(super) struct Object {
    pub(super) record: Record,
    pub(super) spec: Spec,
    /// Whether its images are being looked up now.
    pub(super) resolving: bool,
    pub(super) trouble: Option<Trouble>,
    /// What was last told of its health, to tell only changes.
    pub(super) told: String,
}

/// Something that failed and is tried again.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) problem: Problem,
    /// For which run it failed: another one begins anew.
    pub(super) run: RunId,
    pub(super) tries: u32,
    pub(super) again: Instant,
}

impl Object {
    pub(super) fn new(record: Record, spec: Spec) -> Self {
        Self { record, spec, resolving: false, trouble: None, told: String::new() }
    }

    /// The digests, if they were looked up for what was applied last.
    pub(super) fn images(&self) -> Option<&BTreeMap<String, Digest>> {
        let images = self.record.state.images.as_ref()?;
        (images.generation == self.record.generation && images.run == self.record.owner.run).then_some(&images.digests)
    }
}

/// How far the making of a pod has come.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Its images are being unpacked.
    Preparing,
    /// That failed.
    Failed(Trouble),
    /// Its folder is complete; a shim looks after it, or is about to.
    Made,
}

/// A pod in memory.
pub(super) struct PodEntry {
    pub(super) dir: PodDir,
    pub(super) info: PodInfo,
    pub(super) stage: Stage,
    pub(super) status: Option<Status>,
    /// Of `status.json`, to read it only when it is another one.
    pub(super) seen: Option<FileIdentity>,
    pub(super) stopping: bool,
    pub(super) shim: Shim,
}

/// What a pod was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodInfo {
    pub(super) uid: String,
    pub(super) object: ObjectKey,
    pub(super) revision: String,
    pub(super) run: RunId,
    pub(super) ordinal: u32,
    pub(super) labels: Labels,
    pub(super) images: BTreeMap<String, Digest>,
    /// Init containers first.
    pub(super) containers: Vec<String>,
}

/// A process that looks after something.
#[derive(Default)]
pub(super) struct Shim {
    /// Set while a shim that this Towpath started is alive.
    pub(super) child: Arc<AtomicBool>,
    /// How often it was started, and when last: one that cannot start must not spin.
    pub(super) starts: u32,
    pub(super) last_start: Option<Instant>,
    pub(super) alive: bool,
}

impl Shim {
    pub(super) fn has_child(&self) -> bool {
        self.child.load(Ordering::Acquire)
    }
}

/// A service's proxy in memory.
pub(super) struct ServiceEntry {
    pub(super) dir: ProxyDir,
    pub(super) status: ProxyStatus,
    pub(super) seen: Option<FileIdentity>,
    pub(super) stopping: bool,
    pub(super) shim: Shim,
}

/// Everything.
pub(super) struct World {
    pub(super) dir: PathBuf,
    pub(super) objects: BTreeMap<Place, Object>,
    pub(super) pods: BTreeMap<Named, PodEntry>,
    pub(super) services: BTreeMap<Named, ServiceEntry>,
    /// Ephemeral namespaces; others are nothing but what is in them.
    pub(super) spaces: BTreeMap<NamespaceName, Space>,
    events: VecDeque<(NamespaceName, Event)>,
    last_event: u64,
}

impl World {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            objects: BTreeMap::new(),
            pods: BTreeMap::new(),
            services: BTreeMap::new(),
            spaces: BTreeMap::new(),
            events: VecDeque::new(),
            last_event: 0,
        }
    }

    pub(super) fn pods_of<'a>(&'a self, namespace: &'a NamespaceName, key: &'a ObjectKey) -> impl Iterator<Item = (&'a str, &'a PodEntry)> {
        let first = (namespace.clone(), String::new());
        let within = self.pods.range(first..).take_while(move |((of, _), _)| of == namespace);
        within.filter(move |(_, pod)| pod.info.object == *key).map(|((_, name), pod)| (name.as_str(), pod))
    }

    pub(super) fn tell(&mut self, namespace: &NamespaceName, object: &ObjectKey, warning: bool, message: impl Into<String>) {
        self.last_event += 1;
        let event = Event { number: self.last_event, at: now(), object: object.clone(), warning, message: message.into() };
        tracing::debug!(namespace = %namespace, object = %event.object, message = %event.message, "event");
        self.events.push_back((namespace.clone(), event));
        if self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    pub(super) fn events_after(&self, namespace: &NamespaceName, after: u64) -> Vec<Event> {
        self.events.iter().filter(|(of, event)| of == namespace && event.number > after).map(|(_, event)| event.clone()).collect()
    }
}
