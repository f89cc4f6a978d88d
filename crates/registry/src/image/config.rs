//! An image's configuration: what to run, and what the layers unpack to.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use towpath_domain::{Digest, Timestamp};

use super::Platform;

/// Docker writes `null` for what is empty.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The configuration document. Fields of others' making are kept only where an image inherits them (see [`Process::other`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConfigFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(flatten)]
    pub(crate) platform: Platform,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) config: Process,
    pub(crate) rootfs: RootFs,
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<History>,
}

/// What to run. Field order is Docker's, so that the files look familiar.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Process {
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) entrypoint: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) cmd: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "String::is_empty")]
    pub(crate) working_dir: String,
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Exposed ports, volumes, stop signal, health check: inherited from a base image as they are.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

/// The layers by the digests of their uncompressed tars, the lowest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) diff_ids: Vec<Digest>,
}

/// How one layer came to be, for people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) empty_layer: bool,
}

/// What a runtime needs to know to start an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// Program and first arguments. Empty when the image leaves it to `cmd`.
    pub entrypoint: Vec<String>,
    /// Default arguments after the entry point; the whole command when that is empty.
    pub cmd: Vec<String>,
    /// Environment. Of a name given twice the later value holds.
    pub env: BTreeMap<String, String>,
    /// Working directory, an absolute path in the image. `/` when the image names none.
    pub workdir: String,
    /// User, as the image writes it (`1000`, `1000:1000`, `app`). Empty when it names none.
    pub user: String,
    /// Labels, such as `org.opencontainers.image.revision`.
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the process to end, such as `SIGTERM`, where the image names one.
    pub stop_signal: Option<String>,
    /// Ports that the image says it listens on, such as `8080/tcp`.
    pub exposed_ports: Vec<String>,
    /// What the image runs on.
    pub platform: Platform,
    /// When the image was made, where it says so in a way that can be read.
    pub created: Option<Timestamp>,
}

impl From<ConfigFile> for ImageConfig {
    fn from(file: ConfigFile) -> Self {
        let process = file.config;
        let variable = |text: String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text, String::new()),
        };
        let exposed_ports = match process.other.get("ExposedPorts") {
            Some(Value::Object(ports)) => ports.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let created = file.created.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        Self {
            entrypoint: process.entrypoint,
            cmd: process.cmd,
            env: process.env.into_iter().map(variable).collect(),
            workdir: if process.working_dir.is_empty() { "/".to_owned() } else { process.working_dir },
            user: process.user,
            labels: process.labels,
            stop_signal: process.other.get("StopSignal").and_then(Value::as_str).map(str::to_owned),
            exposed_ports,
            platform: file.platform,
            created: created.map(|moment| Timestamp::from_millis(moment.as_millisecond())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_writes_is_read_nulls_and_all() {
        let file: ConfigFile = serde_json::from_str(
            r#"{"architecture":"amd64","os":"linux","created":"2023-11-14T22:14:50.5Z","variant":"v3",
                "config":{"Env":["PATH=/bin","A=1","A=2","EMPTY"],"Cmd":null,"Entrypoint":["/app"],"Labels":null,"OnBuild":null,
                          "ExposedPorts":{"80/tcp":{},"443/tcp":{}},"StopSignal":"SIGQUIT","User":"7"},
                "rootfs":{"type":"layers","diff_ids":[]},"history":null}"#,
        )
        .unwrap();
        let config = ImageConfig::from(file);
        assert_eq!(config.entrypoint, ["/app"]);
        assert!(config.cmd.is_empty() && config.labels.is_empty());
        assert_eq!((config.env["A"].as_str(), config.env["EMPTY"].as_str()), ("2", ""));
        assert_eq!((config.workdir.as_str(), config.user.as_str()), ("/", "7"));
        assert_eq!(config.exposed_ports, ["443/tcp", "80/tcp"]);
        assert_eq!(config.stop_signal.as_deref(), Some("SIGQUIT"));
        assert_eq!(config.created, Some(Timestamp::from_millis(1_700_000_090_500)));
    }
}
