//! What a cluster shows of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use towpath_domain::{NamespaceName, Timestamp};

use super::{ObjectKey, Owner};

/// One object and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectStatus {
    /// Where it is.
    pub namespace: NamespaceName,
    /// The object.
    pub key: ObjectKey,
    /// Who applied it last.
    pub owner: Owner,
    /// Whether it is as wanted.
    pub ready: bool,
    /// The revision of its pod template; for objects without pods none.
    pub revision: Option<String>,
    /// What is going on with it, in a sentence.
    pub message: String,
    /// Its pods.
    pub pods: Vec<PodStatus>,
    /// Where it can be reached, by the service's port name or number; a route or ingress by what it leads to. On the embedded runtime, those are ports
    /// of this machine; on a cluster, a service without an address outside of it has its name there.
    pub addresses: BTreeMap<String, String>,
}

/// How many apps are in a namespace, and how many of them are ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppCount {
    /// Those that are as wanted.
    pub ready: usize,
    /// All of them.
    pub total: usize,
}

/// What counts as an app, where there is any: what people who use Clowder call one, or else what is to stay up.
const APPS: [&[&str]; 2] = [&["ClowdApp.cloud.redhat.com"], &["Deployment.apps", "StatefulSet.apps"]];

impl AppCount {
    /// Counts these, each by its [`ObjectKey::kind_and_group`] and whether it is ready; others than apps may be among them.
    pub fn of<'a>(objects: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let mut counts = APPS.map(|_| Self::default());
        for (kind, ready) in objects {
            for (count, _) in counts.iter_mut().zip(APPS).filter(|(_, kinds)| kinds.contains(&kind)) {
                count.total += 1;
                count.ready += usize::from(ready);
            }
        }
        counts.into_iter().find(|count| count.total > 0).unwrap_or_default()
    }
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodStatus {
    /// Its name.
    pub name: String,
    /// The revision of the template it was made from.
    pub revision: String,
    /// Whether it is ready to serve.
    pub ready: bool,
    /// The phase as a word: `preparing`, `starting`, `running`, `succeeded`, `failed`, `stopping`.
    pub phase: String,
    /// Process ids of its running containers.
    pub pids: Vec<u32>,
    /// How often its containers were started again.
    pub restarts: u32,
    /// Ports of this machine by container port.
    pub ports: BTreeMap<String, u16>,
    /// When it was started.
    pub since: Option<Timestamp>,
    /// What is wrong with it; empty when nothing is.
    pub message: String,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Grows by one with each event of the cluster since it was opened.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// To what.
    pub object: ObjectKey,
    /// Whether it is something to worry about.
    pub warning: bool,
    /// What happened, in a sentence.
    pub message: String,
}

/// Whose logs to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// All pods of an object that are there now.
    Object(ObjectKey),
    /// One pod.
    Pod(String),
}

/// Which logs to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// The namespace.
    pub namespace: NamespaceName,
    /// Object or pod.
    pub source: LogSource,
    /// One container; none: all of them.
    pub container: Option<String>,
    /// The byte of each container's log to begin at; earlier ones that are no longer kept are passed over.
    pub from: u64,
    /// Whether to go on as long as the pods live.
    pub follow: bool,
}

/// A piece of one container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// The pod that printed it.
    pub pod: String,
    /// The container that printed it.
    pub container: String,
    /// The offset of its first byte in the container's log.
    pub offset: u64,
    /// The bytes as printed.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clowdapps_are_the_apps_where_there_are_any_and_else_what_stays_up() {
        let (app, deployment, set, job) = ("ClowdApp.cloud.redhat.com", "Deployment.apps", "StatefulSet.apps", "Job.batch");
        for (objects, ready, total) in [
            (&[][..], 0, 0),
            (&[(job, true), ("Service", true)], 0, 0),
            (&[(deployment, true), (set, false), (job, false)], 1, 2),
            // Clowder makes its apps' deployments itself.
            (&[(deployment, true), (app, false), (deployment, true), (app, true)], 1, 2),
        ] {
            assert_eq!(AppCount::of(objects.iter().copied()), AppCount { ready, total }, "{objects:?}");
        }
    }
}
