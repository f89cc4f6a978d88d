//! Secrets in files below one folder.
//!
//! The secret `app/db` is one of: a folder `app/db` with one file per field (as Kubernetes mounts Secrets), or a file `app/db`,
//! `app/db.yaml`, `app/db.yml` or `app/db.json` with a mapping of field to text. More than one of them is refused. Nothing outside
//! the folder is read, whatever links say; links that stay inside are followed.

mod read;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::cache::{Backend, Cached};
use crate::contents::Contents;
use crate::error::{SecretError, SecretErrorKind};
use crate::given::refuse_pin;
use crate::health::Health;
use crate::request::{Pins, Request};
use crate::store::{Fetched, SecretStore};
use crate::version_key::VersionKey;

/// Where the files are, and how they are read.
#[derive(Debug, Clone)]
pub struct FilesConfig {
    /// The folder.
    pub folder: PathBuf,
    /// What a request with a pinned version comes to: files have none.
    pub pins: Pins,
    /// How long values are kept in memory: at most [`LONGEST_KEPT`](crate::LONGEST_KEPT); zero reads the file each time.
    pub kept_for: Duration,
    /// Names versions.
    pub version_key: VersionKey,
}

/// The store.
pub struct Files(Cached<Folder>);

struct Folder(FilesConfig);

impl Files {
    /// A store of the files below a folder. The folder is first looked at when a secret is read.
    #[must_use]
    pub fn new(config: FilesConfig) -> Self {
        let kept_for = config.kept_for;
        Self(Cached::new(Folder(config), kept_for))
    }
}

impl SecretStore for Files {
    fn read<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Fetched, SecretError>> {
        self.0.read(request)
    }

    fn version<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<String, SecretError>> {
        self.0.version(path, pinned)
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        self.0.examine()
    }
}

impl Backend for Folder {
    fn load<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<Contents, SecretError>> {
        Box::pin(async move {
            refuse_pin(self.0.pins, pinned, "files have no versions")?;
            let (folder, wanted) = (self.0.folder.clone(), path.to_owned());
            let found = off_the_loop(move || read::secret(&folder, &wanted)).await?;
            for file in &found.readable_by_others {
                tracing::warn!(file = %file.display(), "a secret's file can be read by other users; `chmod 600` it");
            }
            let version = self.0.version_key.version_of(path, &found.fields);
            Ok(Contents { fields: found.fields, version, lease: None })
        })
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        Box::pin(async {
            let folder = self.0.folder.clone();
            let warnings = off_the_loop(move || read::look_around(&folder)).await?;
            Ok(Health { summary: format!("files below {}", self.0.folder.display()), warnings })
        })
    }
}

/// Disks can be slow: the loop does not wait for them.
async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> Result<T, SecretError> + Send + 'static) -> Result<T, SecretError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(SecretError::new(SecretErrorKind::Unreachable, "reading was cut short", "try again")))
}

#[cfg(test)]
mod tests;
