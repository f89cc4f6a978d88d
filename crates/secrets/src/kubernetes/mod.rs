//! Kubernetes Secrets as secrets: the path is `NAMESPACE/NAME`, the field is a key of `data`.
//!
//! How the API is spoken to is the business of whoever implements [`KubernetesSecrets`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::cache::{Backend, Cached};
use crate::contents::{Contents, Field};
use crate::error::{SecretError, SecretErrorKind, clean};
use crate::given::refuse_pin;
use crate::health::Health;
use crate::request::{Pins, Request};
use crate::store::{Fetched, SecretStore};
use crate::version_key::VersionKey;

/// What a Secret holds: decoded bytes by key.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// Reads Secrets of one cluster.
pub trait KubernetesSecrets: Send + Sync + 'static {
    /// The decoded `data` of the Secret `name` in `namespace`; `None` if there is no such Secret.
    ///
    /// # Errors
    ///
    /// What the API said or why it was not reached, in words and without any of the Secret's data. If it contains `forbidden`, as
    /// the API's own refusals do, it counts as a missing permission; everything else counts as the environment's fault.
    fn get<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<SecretData>, String>>;
}

/// How Secrets are read.
#[derive(Debug, Clone)]
pub struct KubernetesConfig {
    /// The cluster's name, for people.
    pub cluster: String,
    /// What a request with a pinned version comes to: Secrets keep none.
    pub pins: Pins,
    /// How long values are kept in memory: at most [`LONGEST_KEPT`](crate::LONGEST_KEPT).
    pub kept_for: Duration,
    /// Names versions.
    pub version_key: VersionKey,
}

/// The store.
pub struct Kubernetes(Cached<Cluster>);

struct Cluster {
    config: KubernetesConfig,
    secrets: Arc<dyn KubernetesSecrets>,
}

impl Kubernetes {
    /// A store of one cluster's Secrets.
    #[must_use]
    pub fn new(config: KubernetesConfig, secrets: Arc<dyn KubernetesSecrets>) -> Self {
        let kept_for = config.kept_for;
        Self(Cached::new(Cluster { config, secrets }, kept_for))
    }
}

impl SecretStore for Kubernetes {
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

impl Backend for Cluster {
    fn load<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<Contents, SecretError>> {
        Box::pin(async move {
            refuse_pin(self.config.pins, pinned, "a Kubernetes Secret keeps no versions")?;
            let Some((namespace, name)) = path.split_once('/').filter(|(_, name)| !name.contains('/')) else {
                let why = format!("the path of a Secret of cluster {} has two components", self.config.cluster);
                return Err(SecretError::new(SecretErrorKind::Refused, why, "write it as NAMESPACE/NAME"));
            };
            if ![namespace, name].into_iter().all(is_name) {
                let why = "a part of the path is no name that Kubernetes knows";
                return Err(SecretError::new(
                    SecretErrorKind::Refused,
                    why,
                    "write lower-case letters, digits, `-` and `.`, as NAMESPACE/NAME",
                ));
            }
            let data = self.secrets.get(namespace, name).await.map_err(|why| self.failed(namespace, &why))?;
            let Some(data) = data else {
                let why = format!("cluster {} has no such Secret", self.config.cluster);
                return Err(SecretError::new(SecretErrorKind::Missing, why, "create it, or correct the path NAMESPACE/NAME"));
            };
            let fields: BTreeMap<_, _> = data.into_iter().map(|(key, bytes)| (key, Field::new(bytes))).collect();
            let version = self.config.version_key.version_of(path, &fields);
            Ok(Contents { fields, version, lease: None })
        })
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        let summary = format!("Secrets of cluster {}", self.config.cluster);
        Box::pin(async { Ok(Health { summary, warnings: Vec::new() }) })
    }
}

/// Whether it can be a name: what is none, such as `%2e%2e`, might mean another place in an address.
fn is_name(text: &str) -> bool {
    text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        && text.split('.').all(|part| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-'))
}

impl Cluster {
    fn failed(&self, namespace: &str, why: &str) -> SecretError {
        let cluster = &self.config.cluster;
        if why.to_ascii_lowercase().contains("forbidden") {
            return SecretError::new(
                SecretErrorKind::Denied,
                format!("cluster {cluster} does not allow it: {}", clean(why)),
                format!("grant `get` on `secrets` in namespace {} to Towpath's account", clean(namespace)),
            );
        }
        let why = format!("cluster {cluster} does not answer: {}", clean(why));
        SecretError::new(SecretErrorKind::Unreachable, why, "`towpath doctor` looks at it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(Result<Option<SecretData>, String>);

    impl KubernetesSecrets for Fake {
        fn get<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<SecretData>, String>> {
            assert_eq!((namespace, name), ("stage", "db"));
            Box::pin(async { self.0.clone() })
        }
    }

    fn store(answer: Result<Option<SecretData>, String>) -> Kubernetes {
        let config = KubernetesConfig {
            cluster: "blue".into(),
            pins: Pins::Refuse,
            kept_for: Duration::ZERO,
            version_key: VersionKey::new([5; 32]),
        };
        Kubernetes::new(config, Arc::new(Fake(answer)))
    }

    #[tokio::test]
    async fn a_key_is_read_and_bytes_that_are_no_text_are_refused() {
        let data = BTreeMap::from([("password".to_owned(), b"hunter2".to_vec()), ("blob".to_owned(), vec![0xff, 0])]);
        let store = store(Ok(Some(data)));
        let fetched = store.read(&Request::new("stage/db", "password")).await.expect("read");
        assert_eq!(fetched.value.expose(), "hunter2");
        assert_eq!(store.version("stage/db", None).await, Ok(fetched.version));
        let error = store.read(&Request::new("stage/db", "blob")).await.expect_err("no text");
        assert_eq!(error.kind(), SecretErrorKind::Unusable);
    }

    #[tokio::test]
    async fn each_way_to_fail_is_told_apart() {
        let kind = async |answer, path: &str| {
            let error = store(answer).read(&Request::new(path, "password")).await.expect_err("failed");
            (error.kind(), error.to_string())
        };
        assert_eq!(kind(Ok(None), "stage/db").await.0, SecretErrorKind::Missing);
        assert_eq!(kind(Ok(None), "db").await.0, SecretErrorKind::Refused);
        assert_eq!(kind(Ok(None), "a/b/c").await.0, SecretErrorKind::Refused);
        for climbing in
            ["stage/%2e%2e%2fprod%2fdb", "stage/db?watch=1", "stage/db#x", "stage%2fprod/db", "stage/..db", "stage/DB", "stage/d b"]
        {
            assert_eq!(kind(Ok(None), climbing).await.0, SecretErrorKind::Refused, "{climbing}");
        }
        let (denied, text) = kind(Err("secrets \"db\" is forbidden: User \"x\" cannot get".into()), "stage/db").await;
        assert_eq!(denied, SecretErrorKind::Denied);
        assert!(text.ends_with("grant `get` on `secrets` in namespace stage to Towpath's account"), "{text}");
        assert_eq!(kind(Err("connection refused".into()), "stage/db").await.0, SecretErrorKind::Unreachable);
    }
}
