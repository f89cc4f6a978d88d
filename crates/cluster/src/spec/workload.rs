//! What makes pods run, and what leads to them.

use serde::Deserialize;

use super::pod::{IntOrName, PodTemplate};
use super::{Labels, null_as_default};

/// `spec` of a Deployment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Deployment {
    /// How many pods.
    pub replicas: u32,
    /// Which pods are its own. Here pods know their owner; this is only checked against the template.
    pub selector: Selector,
    /// What the pods are made from.
    pub template: PodTemplate,
    /// How an old revision gives way to a new one.
    pub strategy: Strategy,
    /// Seconds that a pod must have been ready before it counts.
    pub min_ready_seconds: u64,
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            replicas: 1,
            selector: Selector::default(),
            template: PodTemplate::default(),
            strategy: Strategy::default(),
            min_ready_seconds: 0,
        }
    }
}

/// How an old revision gives way.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Strategy {
    /// `Recreate` stops the old pods first; everything else keeps them until the new ones are ready.
    pub r#type: String,
}

/// Which pods belong to an object.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Selector {
    /// All of these labels.
    #[serde(deserialize_with = "null_as_default")]
    pub match_labels: Labels,
}

/// `spec` of a Job.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Job {
    /// How many pods must succeed.
    pub completions: Option<u32>,
    /// How many may run at once.
    pub parallelism: Option<u32>,
    /// How many failures are forgiven.
    pub backoff_limit: u32,
    /// Seconds after which the job has failed, whatever it does.
    pub active_deadline_seconds: Option<u64>,
    /// What the pods are made from.
    pub template: PodTemplate,
}

impl Default for Job {
    fn default() -> Self {
        Self { completions: None, parallelism: None, backoff_limit: 6, active_deadline_seconds: None, template: PodTemplate::default() }
    }
}

impl Job {
    /// How many pods must succeed. Without `completions`, one.
    #[must_use]
    pub fn completions(&self) -> u32 {
        self.completions.unwrap_or(1)
    }

    /// How many pods may run at once.
    #[must_use]
    pub fn parallelism(&self) -> u32 {
        self.parallelism.unwrap_or(1).max(1)
    }
}

/// `spec` of a Service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// Labels of the pods it leads to.
    #[serde(deserialize_with = "null_as_default")]
    pub selector: Labels,
    /// Its ports.
    #[serde(deserialize_with = "null_as_default")]
    pub ports: Vec<ServicePort>,
    /// `ClusterIP`, `NodePort`, …; `ExternalName` is refused.
    pub r#type: String,
}

/// One port of a service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name.
    pub name: Option<String>,
    /// Its number within the cluster.
    pub port: u16,
    /// The port of the pods; `port` if absent.
    pub target_port: Option<IntOrName>,
    /// The port of this machine to listen on; one is chosen if absent.
    pub node_port: Option<u16>,
    /// `TCP` or absent.
    pub protocol: Option<String>,
}

impl ServicePort {
    /// The port of the pods.
    #[must_use]
    pub fn target(&self) -> IntOrName {
        self.target_port.clone().unwrap_or(IntOrName::Number(self.port))
    }
}
