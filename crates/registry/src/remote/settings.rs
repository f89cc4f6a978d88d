//! How a registry over the network is reached.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// One registry over the network, as `towpath.toml` names it under `[registries."HOST"]`.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// The first part of its images' names: a host, with a port where it is not 443, such as `quay.io` or `localhost:5000`.
    pub host: String,
    /// Whether it is spoken to without TLS. Credentials then cross the network readable by anyone on it.
    pub plain_http: bool,
    /// A file of certificates (PEM) that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// What is shown when the registry asks who is there.
    pub credentials: Credentials,
    /// How long to wait for it.
    pub timeouts: Timeouts,
}

impl RemoteSettings {
    /// The registry at `host` over TLS, without credentials.
    #[must_use]
    pub fn anonymous(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            plain_http: false,
            ca_file: None,
            credentials: Credentials::Anonymous,
            timeouts: Timeouts::default(),
        }
    }
}

/// Who Towpath is to a registry. Nothing of it is in any message: its `Debug` hides what is secret.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// Nobody: what everybody may do. A registry that hands out tokens to anybody is asked for one.
    #[default]
    Anonymous,
    /// A user, or a robot account. Sent to the registry itself, or to the token service that it names.
    User {
        /// The user's name.
        username: String,
        /// The password, or a token that stands for one.
        password: SecretString,
    },
    /// A bearer token that the registry takes as it is, such as a service account's.
    Token(SecretString),
}

/// How long a registry may keep Towpath waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection. Default 10 seconds.
    pub connect: Duration,
    /// For a whole answer to a small question. Default 60 seconds.
    pub answer: Duration,
    /// Without any progress while a layer is sent or fetched. Default 2 minutes.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(60), stall: Duration::from_secs(120) }
    }
}
