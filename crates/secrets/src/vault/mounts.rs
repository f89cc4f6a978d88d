//! Which engine a path belongs to.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use super::answers::MountAnswer;
use super::config::KvVersion;
use super::{Engine, refusal};
use crate::error::{SecretError, SecretErrorKind, clean};

/// How long what was looked up is believed: an engine can be upgraded.
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// A KV engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is mounted, without slashes around it.
    pub path: String,
    pub version: KvVersion,
}

impl Mount {
    /// The path in the engine.
    pub fn inner<'a>(&self, path: &'a str) -> Result<&'a str, SecretError> {
        path.strip_prefix(self.path.as_str()).and_then(|rest| rest.strip_prefix('/')).filter(|rest| !rest.is_empty()).ok_or_else(|| {
            let why = format!("`{}` is a KV engine, and the path names nothing in it", clean(&self.path));
            SecretError::new(SecretErrorKind::Refused, why, "add the secret's path in the engine")
        })
    }
}

/// The engines that are known, by mount.
pub(super) struct Mounts {
    configured: BTreeMap<String, KvVersion>,
    looked_up: Mutex<BTreeMap<String, (KvVersion, Instant)>>,
}

impl Mounts {
    pub fn new(configured: &BTreeMap<String, KvVersion>) -> Self {
        let configured = configured.iter().map(|(path, version)| (path.trim_matches('/').to_owned(), *version)).collect();
        Self { configured, looked_up: Mutex::default() }
    }

    /// The engine that `path` belongs to: as configured, else as Vault says.
    pub async fn of(&self, path: &str, engine: &Engine) -> Result<Mount, SecretError> {
        if let Some(known) = self.known(path) {
            return Ok(known);
        }
        let answer = engine.get(&["sys", "internal", "ui", "mounts", path], &[]).await?;
        match answer.status {
            StatusCode::OK => {}
            // For this question Vault answers 403 also where nothing is mounted.
            StatusCode::FORBIDDEN => {
                let why = format!("Vault at {} does not tell which engine this path belongs to", engine.wire.address());
                let first = clean(path.split('/').next().unwrap_or_default());
                let mend = format!(
                    "the token's policies must allow `read` below the path (for KV v2 `{first}/data/…`); if nothing is mounted there, correct the path; \
                     or set the mount's version in towpath.toml"
                );
                return Err(SecretError::new(SecretErrorKind::Denied, why, mend));
            }
            _ => return Err(refusal::of_server(&engine.wire, &answer)),
        }
        let MountAnswer { data } = answer.parse().ok_or_else(|| refusal::strange(&engine.wire))?;
        let mount_path = data.path.trim_matches('/').to_owned();
        if !contains(&mount_path, path) {
            return Err(refusal::strange(&engine.wire));
        }
        // `generic` is what the engine was called before Vault 0.8.
        let version = match (data.kind.as_str(), data.options.and_then(|options| options.version).as_deref()) {
            ("kv", Some("2")) => KvVersion::V2,
            ("kv", None | Some("" | "1")) | ("generic", _) => KvVersion::V1,
            (kind, _) => {
                let why = format!("`{}` is an engine of type `{}`, not KV of version 1 or 2", clean(&mount_path), clean(kind));
                return Err(SecretError::new(SecretErrorKind::Refused, why, "name a secret in a KV engine"));
            }
        };
        let mut looked_up = self.looked_up.lock().unwrap_or_else(PoisonError::into_inner);
        looked_up.insert(mount_path.clone(), (version, Instant::now() + BELIEVED_FOR));
        Ok(Mount { path: mount_path, version })
    }

    fn known(&self, path: &str) -> Option<Mount> {
        let longest = |found: Option<(&String, KvVersion)>| found.map(|(path, version)| Mount { path: path.clone(), version });
        let configured = self.configured.iter().map(|(mount, version)| (mount, *version)).filter(|(mount, _)| contains(mount, path));
        if let Some(mount) = longest(configured.max_by_key(|(mount, _)| mount.len())) {
            return Some(mount);
        }
        let mut looked_up = self.looked_up.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        looked_up.retain(|_, (_, until)| *until > now);
        let looked_up = looked_up.iter().map(|(mount, (version, _))| (mount, *version)).filter(|(mount, _)| contains(mount, path));
        longest(looked_up.max_by_key(|(mount, _)| mount.len()))
    }
}

fn contains(mount: &str, path: &str) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
