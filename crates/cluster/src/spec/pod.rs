//! Pod templates.

use serde::{Deserialize, Serialize};

use super::{Labels, Metadata, null_as_default};

/// What pods are made from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Labels and annotations of the pods.
    pub metadata: Metadata,
    /// What runs in them.
    pub spec: PodSpec,
}

/// When a container that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// Always.
    #[default]
    Always,
    /// When it failed.
    OnFailure,
    /// Never: the pod ends with it.
    Never,
}

/// What runs in a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    /// Run one after the other, each to its end, before the others start.
    #[serde(deserialize_with = "null_as_default")]
    pub init_containers: Vec<Container>,
    /// Run side by side.
    #[serde(deserialize_with = "null_as_default")]
    pub containers: Vec<Container>,
    /// What can be mounted.
    #[serde(deserialize_with = "null_as_default")]
    pub volumes: Vec<Volume>,
    /// When a container that ended is started again; the default depends on the object, and is set where it is read.
    pub restart_policy: Option<RestartPolicy>,
    /// Seconds between the polite request to stop and the end. Kubernetes' default: 30.
    pub termination_grace_period_seconds: Option<u64>,
    /// The service account, told to the container if it asks.
    pub service_account_name: Option<String>,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    /// Its name within the pod.
    pub name: String,
    /// Its image, as the template names it.
    pub image: String,
    /// Replaces the image's entrypoint.
    #[serde(deserialize_with = "null_as_default")]
    pub command: Vec<String>,
    /// Replaces the image's arguments.
    #[serde(deserialize_with = "null_as_default")]
    pub args: Vec<String>,
    /// The working directory; the image's if absent.
    pub working_dir: Option<String>,
    /// Environment variables, in order.
    #[serde(deserialize_with = "null_as_default")]
    pub env: Vec<EnvVar>,
    /// Whole config maps and secrets as environment variables.
    #[serde(deserialize_with = "null_as_default")]
    pub env_from: Vec<EnvFrom>,
    /// Ports it listens on.
    #[serde(deserialize_with = "null_as_default")]
    pub ports: Vec<ContainerPort>,
    /// Volumes it sees.
    #[serde(deserialize_with = "null_as_default")]
    pub volume_mounts: Vec<VolumeMount>,
    /// What it may use.
    #[serde(deserialize_with = "null_as_default")]
    pub resources: Resources,
    /// Whether it can serve.
    pub readiness_probe: Option<Probe>,
    /// Whether it still works.
    pub liveness_probe: Option<Probe>,
    /// Whether it has started: until then the other probes wait.
    pub startup_probe: Option<Probe>,
}

/// One environment variable.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value; `$(OTHER)` stands for a variable defined before.
    pub value: Option<String>,
    /// Where else its value is.
    pub value_from: Option<EnvSource>,
}

/// Where the value of a variable is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvSource {
    /// A key of a config map.
    pub config_map_key_ref: Option<KeyRef>,
    /// A key of a secret.
    pub secret_key_ref: Option<KeyRef>,
    /// A field of the pod.
    pub field_ref: Option<ObjectFieldRef>,
    /// A limit or request of a container.
    pub resource_field_ref: Option<ResourceFieldRef>,
}

/// A key of a config map or secret.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct KeyRef {
    /// The config map's or secret's name.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// Whether the variable is just left out when it is not there.
    pub optional: bool,
}

/// A field of the pod, such as `metadata.name`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectFieldRef {
    /// The field's path.
    pub field_path: String,
}

/// A limit or request, such as `limits.memory`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResourceFieldRef {
    /// The resource's path.
    pub resource: String,
}

/// A whole config map or secret as variables.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvFrom {
    /// Set before each name.
    pub prefix: String,
    /// The config map.
    pub config_map_ref: Option<RefSource>,
    /// The secret.
    pub secret_ref: Option<RefSource>,
}

/// A config map or secret by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RefSource {
    /// Its name.
    pub name: String,
    /// Whether it may be absent.
    pub optional: bool,
}

/// A port a container listens on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerPort {
    /// Its name, for services and probes.
    pub name: Option<String>,
    /// Its number, as the image's author chose it.
    pub container_port: u16,
}

/// A volume mounted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeMount {
    /// The volume's name.
    pub name: String,
    /// Where it is mounted.
    pub mount_path: String,
    /// Only this part of the volume.
    pub sub_path: Option<String>,
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Volume {
    /// Its name within the pod.
    pub name: String,
    /// A config map's keys as files.
    pub config_map: Option<Projection>,
    /// A secret's keys as files.
    pub secret: Option<Projection>,
    /// Several of them in one folder.
    pub projected: Option<Projected>,
    /// A claim: a folder that outlives the pod.
    pub persistent_volume_claim: Option<Claim>,
    /// An empty folder that lives as long as the pod.
    pub empty_dir: Option<serde_json::Value>,
}

/// A claim mounted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Claim {
    /// The claim's name.
    pub claim_name: String,
}

/// Several sources in one folder.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Projected {
    /// The sources, in order.
    pub sources: Vec<ProjectedSource>,
}

/// One source of a projected volume.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProjectedSource {
    /// A config map.
    pub config_map: Option<Projection>,
    /// A secret.
    pub secret: Option<Projection>,
}

/// A config map or secret as files.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Projection {
    /// The name, as config maps and projected sources write it.
    pub name: String,
    /// The name, as secret volumes write it.
    pub secret_name: String,
    /// Which keys, and under which names; all if absent.
    pub items: Option<Vec<KeyToPath>>,
    /// Permissions of the files, as a number. Here: whether they can be started.
    pub default_mode: Option<u32>,
    /// Whether it may be absent.
    pub optional: bool,
}

/// One key as a file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct KeyToPath {
    /// The key.
    pub key: String,
    /// The file's path within the volume.
    pub path: String,
}

/// What a container may use.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// At most this.
    #[serde(deserialize_with = "quantities")]
    pub limits: Labels,
    /// At least this. Told to the container if it asks; nothing is set aside on this machine.
    #[serde(deserialize_with = "quantities")]
    pub requests: Labels,
}

/// Quantities are strings or plain numbers.
fn quantities<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    let map = Option::<std::collections::BTreeMap<String, serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect())
}

/// A port by number or name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrName {
    /// By number.
    Number(u16),
    /// By name; a number in quotes counts as that number.
    Name(String),
}

impl Default for IntOrName {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl IntOrName {
    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<u16> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(name) => name.parse().ok(),
        }
    }
}

impl std::fmt::Display for IntOrName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// A probe. The defaults are Kubernetes' own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Probe {
    /// Asks by HTTP: 200 to 399 is good.
    pub http_get: Option<HttpGet>,
    /// Opens a connection.
    pub tcp_socket: Option<TcpSocket>,
    /// Runs a command: exit code 0 is good.
    pub exec: Option<ExecAction>,
    /// Asks a gRPC health service. Here: opens a connection.
    pub grpc: Option<TcpSocket>,
    /// Seconds before the first try.
    pub initial_delay_seconds: u64,
    /// Seconds between tries.
    pub period_seconds: u64,
    /// Seconds one try may take.
    pub timeout_seconds: u64,
    /// Successes in a row that it takes.
    pub success_threshold: u32,
    /// Failures in a row that it takes.
    pub failure_threshold: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            http_get: None,
            tcp_socket: None,
            exec: None,
            grpc: None,
            initial_delay_seconds: 0,
            period_seconds: 10,
            timeout_seconds: 1,
            success_threshold: 1,
            failure_threshold: 3,
        }
    }
}

/// A question by HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpGet {
    /// The path; `/` if empty.
    pub path: String,
    /// The container's port.
    pub port: IntOrName,
    /// `HTTP` or `HTTPS`. With `HTTPS` the connection is opened and no more.
    pub scheme: String,
    /// Headers to send.
    #[serde(deserialize_with = "null_as_default")]
    pub http_headers: Vec<HttpHeader>,
}

/// A header of a probe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A connection to be opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpSocket {
    /// The container's port.
    pub port: IntOrName,
}

/// A command to be run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecAction {
    /// The command and its arguments; no shell reads it.
    pub command: Vec<String>,
}
