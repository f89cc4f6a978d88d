//! The credentials that a bucket is read with.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use towpath_secrets::{Request, SecretStore, SecretValue};

use crate::error::{BucketError, BucketErrorKind};

/// The largest file of a credential, in bytes.
const LARGEST: u64 = 64 << 10;

/// Where an access key and its secret are. Read anew for each run, so that they may be changed at any time.
#[derive(Clone)]
pub enum Keys {
    /// Each in a file.
    Files {
        /// The access key.
        access: PathBuf,
        /// Its secret.
        secret: PathBuf,
    },
    /// Two fields of a secret.
    Stored {
        /// The store.
        store: Arc<dyn SecretStore>,
        /// The secret's path.
        path: String,
        /// The field of the access key.
        access: String,
        /// The field of its secret.
        secret: String,
    },
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { access, secret } => f.debug_struct("Files").field("access", access).field("secret", secret).finish(),
            Self::Stored { path, access, secret, .. } => {
                f.debug_struct("Stored").field("path", path).field("access", access).field("secret", secret).finish_non_exhaustive()
            }
        }
    }
}

/// An access key and its secret.
pub(crate) struct Pair {
    pub(crate) access: SecretValue,
    pub(crate) secret: SecretValue,
}

impl Keys {
    /// The values now.
    pub(crate) async fn read(&self) -> Result<Pair, BucketError> {
        let pair = match self {
            Self::Files { access, secret } => Pair { access: file(access)?, secret: file(secret)? },
            Self::Stored { store, path, access, secret } => {
                let field = async |field: &str| {
                    let fetched = store.read(&Request::new(path, field)).await;
                    fetched.map(|fetched| SecretValue::new(fetched.value.expose().trim())).map_err(|error| {
                        let mend = "correct `secret` of the cluster's [artifacts.s3] in towpath.toml, or make the secret";
                        BucketError::new(BucketErrorKind::Keys, error.to_string(), mend)
                    })
                };
                Pair { access: field(access).await?, secret: field(secret).await? }
            }
        };
        let is_bad = |value: &SecretValue| value.expose().is_empty() || value.expose().chars().any(char::is_control);
        if is_bad(&pair.access) || is_bad(&pair.secret) {
            let why = "the access key or its secret is empty, or no plain text";
            return Err(BucketError::new(BucketErrorKind::Keys, why, "correct what the files or fields hold"));
        }
        Ok(pair)
    }
}

fn file(path: &Path) -> Result<SecretValue, BucketError> {
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error: std::io::Error| {
        let why = format!("cannot read {}: {error}", path.display());
        BucketError::new(BucketErrorKind::Keys, why, "make the file readable, or correct its name in towpath.toml")
    })?;
    Ok(SecretValue::new(text.trim()))
}
