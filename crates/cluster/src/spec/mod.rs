//! What the local runtime reads of Kubernetes objects. Fields it does not know are kept with the object and passed over.

mod check;
mod data;
mod pod;
mod quantity;
mod workload;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use data::{ConfigData, DataError};
pub use pod::{
    Claim, Container, ContainerPort, EnvFrom, EnvSource, EnvVar, ExecAction, HttpGet, HttpHeader, IntOrName, KeyRef, KeyToPath,
    ObjectFieldRef, PodSpec, PodTemplate, Probe, Projected, ProjectedSource, Projection, RefSource, ResourceFieldRef, Resources,
    RestartPolicy, TcpSocket, Volume, VolumeMount,
};
pub use quantity::{cpu_millis, memory_bytes};
pub use workload::{Deployment, Job, Selector, Service, ServicePort, Strategy};

use crate::api::{ObjectKey, Refusal, is_dns_name};

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// An object as far as this runtime understands it.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// Keeps pods running.
    Deployment(Box<Deployment>),
    /// Runs pods to their end.
    Job(Box<Job>),
    /// Gives pods one address.
    Service(Service),
    /// Configuration.
    ConfigMap(ConfigData),
    /// Configuration that is never shown.
    Secret(ConfigData),
    /// Kept; nothing needs to act on it here.
    Passive,
    /// Kept; something ought to act on it, but nothing here can.
    Unsupported,
}

/// Kinds that need nobody to act for a deployment to work on one machine.
/// `PersistentVolumeClaim` belongs here: a claim becomes a folder when a pod mounts it.
const PASSIVE: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "Endpoints",
    "HorizontalPodAutoscaler.autoscaling",
    "Ingress.networking.k8s.io",
    "LimitRange",
    "Namespace",
    "NetworkPolicy.networking.k8s.io",
    "PersistentVolumeClaim",
    "PodDisruptionBudget.policy",
    "PodMonitor.monitoring.coreos.com",
    "PriorityClass.scheduling.k8s.io",
    "PrometheusRule.monitoring.coreos.com",
    "ResourceQuota",
    "Role.rbac.authorization.k8s.io",
    "RoleBinding.rbac.authorization.k8s.io",
    "ClusterRole.rbac.authorization.k8s.io",
    "ClusterRoleBinding.rbac.authorization.k8s.io",
    "Route.route.openshift.io",
    "ServiceAccount",
    "ServiceMonitor.monitoring.coreos.com",
];

/// The key of `object`, and its labels, if it is an object at all.
///
/// # Errors
/// [`Refusal`] when `apiVersion`, `kind` or `metadata.name` is absent or is not what Kubernetes allows.
pub fn key_of(object: &Value) -> Result<ObjectKey, Refusal> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name");
    let title = format!("{}/{}", text("/kind").unwrap_or("(no kind)"), name.unwrap_or("(no name)"));
    let refuse = |field: &str, why: &str| Refusal { object: title.clone(), field: field.to_owned(), why: why.to_owned() };
    let version = text("/apiVersion").ok_or_else(|| refuse("apiVersion", "is absent; add it, such as apps/v1"))?;
    let kind = text("/kind").ok_or_else(|| refuse("kind", "is absent; add it, such as Deployment"))?;
    let name = name.ok_or_else(|| refuse("metadata.name", "is absent; every object needs a name"))?;
    if !is_dns_name(name) {
        return Err(refuse("metadata.name", "is not a DNS name (lower-case letters, digits, dashes and dots)"));
    }
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let key = ObjectKey { kind: kind.to_owned(), group: group.to_owned(), name: name.to_owned() };
    if key.is_plain() { Ok(key) } else { Err(refuse("apiVersion", "or kind holds what Kubernetes does not allow")) }
}

impl Spec {
    /// Reads `object`, whose key is `key`.
    ///
    /// # Errors
    /// Every [`Refusal`] found, each with the path of its field.
    pub fn read(key: &ObjectKey, object: &Value) -> Result<Self, Vec<Refusal>> {
        let spec = match key.kind_and_group().as_str() {
            "Deployment.apps" => Self::Deployment(Box::new(section(key, object, "spec")?)),
            "Job.batch" => Self::Job(Box::new(section(key, object, "spec")?)),
            "Service" => Self::Service(section(key, object, "spec")?),
            "ConfigMap" => Self::ConfigMap(ConfigData::of_config_map(object).map_err(|e| vec![refusal(key, &e.field, e.why)])?),
            "Secret" => Self::Secret(ConfigData::of_secret(object).map_err(|e| vec![refusal(key, &e.field, e.why)])?),
            kind if PASSIVE.contains(&kind) => Self::Passive,
            _ => Self::Unsupported,
        };
        let refusals = check::check(key, &spec);
        if refusals.is_empty() { Ok(spec) } else { Err(refusals) }
    }

    /// Whether the object makes something run or reachable here.
    #[must_use]
    pub fn acts(&self) -> bool {
        matches!(self, Self::Deployment(_) | Self::Job(_) | Self::Service(_))
    }

    /// The template of its pods, if it has any.
    #[must_use]
    pub fn template(&self) -> Option<&PodTemplate> {
        match self {
            Self::Deployment(deployment) => Some(&deployment.template),
            Self::Job(job) => Some(&job.template),
            _ => None,
        }
    }
}

fn refusal(key: &ObjectKey, field: &str, why: impl Into<String>) -> Refusal {
    Refusal { object: key.title(), field: field.to_owned(), why: why.into() }
}

/// The part `name` of the object as a `T`.
fn section<T: DeserializeOwned>(key: &ObjectKey, object: &Value, name: &str) -> Result<T, Vec<Refusal>> {
    let Some(value) = object.get(name) else {
        return Err(vec![refusal(key, name, "is absent")]);
    };
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        let field = if path == "." { name.to_owned() } else { format!("{name}.{path}") };
        vec![refusal(key, &field, e.inner().to_string())]
    })
}

/// `metadata` of an object or a pod template.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Labels, by which services find pods.
    #[serde(deserialize_with = "null_as_default")]
    pub labels: Labels,
    /// Annotations.
    #[serde(deserialize_with = "null_as_default")]
    pub annotations: Labels,
}

/// Templates often render an empty list or map as `null`.
pub(crate) fn null_as_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
