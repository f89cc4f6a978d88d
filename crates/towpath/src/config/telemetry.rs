//! `[telemetry]`: where traces are sent.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::keys::{SECRET, Shape};
use super::outside::{Credential, Outside, SecretRef};

/// What may stand at `[telemetry]`.
pub const SHAPE: Shape = Shape::Table(&[(
    "otlp",
    Shape::Table(&[
        ("endpoint", Shape::Value),
        ("ca", Shape::Value),
        ("header", Shape::Value),
        ("value_file", Shape::Value),
        ("value", SECRET),
    ]),
)]);

/// The table.
#[derive(Deserialize, Default)]
pub struct Telemetry {
    /// The collector.
    pub otlp: Option<Otlp>,
}

/// A collector that takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Otlp {
    /// Its address, to which `/v1/traces` is added.
    pub endpoint: String,
    /// The authorities that are trusted in place of the system's.
    pub ca: Option<PathBuf>,
    /// A header that it knows us by, and where its value is.
    pub header: Option<(String, Credential)>,
}

#[derive(Deserialize)]
struct Raw {
    endpoint: String,
    ca: Option<PathBuf>,
    header: Option<String>,
    value_file: Option<PathBuf>,
    value: Option<SecretRef>,
}

impl TryFrom<Raw> for Otlp {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Self, String> {
        let endpoint = raw.endpoint;
        let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#', '@', ' '])) {
            return Err("`endpoint` is no address of a collector, such as http://127.0.0.1:4318; no credential stands in it".to_owned());
        }
        if endpoint.trim_end_matches('/').ends_with("/v1/traces") {
            return Err(format!("`endpoint` is the collector's address, and /v1/traces is added to it: {endpoint:?} has it already"));
        }
        // What HTTP takes for a header's name (RFC 9110, 5.6.2).
        let token = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
        let value = Credential::of(raw.value_file, raw.value, ("value_file", "value"))?;
        let header = match (raw.header, value) {
            (Some(name), Some(_)) if !token(&name) => return Err(format!("`header`: {name:?} is no name of a header")),
            (Some(name), Some(value)) => Some((name, value)),
            (None, None) => None,
            (Some(_), None) => return Err("`header` has no value: add `value_file`, or `value`, its place in the secret store".to_owned()),
            (None, Some(_)) => return Err("there is a value, but no `header`, such as \"authorization\", that it is sent in".to_owned()),
        };
        Ok(Self { endpoint, ca: raw.ca, header })
    }
}

impl Otlp {
    /// The same with paths meant from `folder`.
    pub fn from(self, folder: &Path) -> Self {
        let header = self.header.map(|(name, value)| (name, value.from(folder)));
        Self { ca: self.ca.map(|ca| folder.join(ca)), header, ..self }
    }

    /// Whether what stands in the secret store can be read from there.
    ///
    /// # Errors
    /// When there is no store.
    pub fn consistent(&self, outside: &Outside) -> Result<(), String> {
        match &self.header {
            Some((_, Credential::Secret(_))) if outside.secrets.is_none() => {
                Err("[telemetry.otlp] value stands in a secret store, but there is no [secrets]; add it, or name a file".to_owned())
            }
            _ => Ok(()),
        }
    }
}
