//! What a Vault store is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::cache::LONGEST_KEPT;
use crate::request::Pins;
use crate::value::SecretValue;
use crate::version_key::VersionKey;

/// Where Vault is, how to sign in, and how its secrets are read.
#[derive(Debug, Clone)]
pub struct VaultConfig {
    /// The address, such as `https://vault.example.com:8200`; a path before `/v1` is kept.
    pub address: String,
    /// Plain `http` to another machine is allowed. Tokens and secrets then cross the network for everybody to read.
    pub allow_plain_http: bool,
    /// The namespace (Vault Enterprise), sent with every request.
    pub namespace: Option<String>,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How to sign in.
    pub sign_in: SignIn,
    /// Versions of KV engines by mount. A path below none of them is looked up in `sys/internal/ui/mounts`.
    pub mounts: BTreeMap<String, KvVersion>,
    /// What a request with a pinned version comes to where the engine is of version 1.
    pub pins: Pins,
    /// How long values are kept in memory: at most [`LONGEST_KEPT`], and never beyond their lease.
    pub kept_for: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// Names versions of secrets in engines of version 1.
    pub version_key: VersionKey,
}

impl VaultConfig {
    /// The usual settings for the Vault at `address`.
    #[must_use]
    pub fn new(address: impl Into<String>, sign_in: SignIn, version_key: VersionKey) -> Self {
        Self {
            address: address.into(),
            allow_plain_http: false,
            namespace: None,
            ca_file: None,
            sign_in,
            mounts: BTreeMap::new(),
            pins: Pins::Refuse,
            kept_for: LONGEST_KEPT,
            timeout: Duration::from_secs(10),
            version_key,
        }
    }
}

/// The version of a KV engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvVersion {
    /// Keeps the last value only.
    V1,
    /// Keeps versions.
    V2,
}

/// How to sign in to Vault.
#[derive(Debug, Clone)]
pub enum SignIn {
    /// With this token, renewed as long as Vault allows it. From a file it is read again when Vault no longer takes it.
    Token(SecretSource),
    /// With AppRole.
    AppRole {
        /// Where the method is mounted; by default `approle`.
        mount: String,
        /// The role's id.
        role_id: String,
        /// The secret that belongs to it.
        secret_id: SecretSource,
    },
    /// With the token of a Kubernetes service account.
    Kubernetes {
        /// Where the method is mounted; by default `kubernetes`.
        mount: String,
        /// The role's name in Vault.
        role: String,
        /// The service account's token; a file is read again at each sign-in, because the token in it changes.
        service_account_token: SecretSource,
    },
}

/// Where a credential of our own comes from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// This value.
    Value(SecretValue),
    /// This file, read when needed; white space around the value is left out.
    File(PathBuf),
}
