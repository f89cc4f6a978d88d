//! Ephemeral namespaces: made ahead, proven clean, handed to one, and ended with all that is in them.

use std::fmt;

use serde_json::Value;
use towpath_domain::{NamespaceName, Timestamp};

use super::{BoxFuture, ClusterError, Examination, ObjectKey};

/// The role that a requester is given where nothing else is said: Kubernetes' own, which changes no permissions.
pub const DEFAULT_ROLE: &str = "edit";

/// An ephemeral namespace, as a pool wants it.
#[derive(Clone, PartialEq)]
pub struct NamespaceWanted {
    /// Its name: a DNS label, for Kubernetes takes nothing else.
    pub name: NamespaceName,
    /// The pool.
    pub pool: String,
    /// The Towpath that makes it: another one's namespaces are never touched.
    pub installation: String,
    /// `spec` of each `ResourceQuota`. They are there before anything else is.
    pub quotas: Vec<Value>,
    /// `spec` of each `LimitRange`.
    pub limit_ranges: Vec<Value>,
    /// Secrets to copy into it.
    pub secrets: Option<SecretsFrom>,
    /// More objects, with their parameters filled in. They may be of kinds that are in no namespace, such as a `ClowdEnvironment`; those go with it.
    pub manifests: Vec<Value>,
    /// What add-ons of the cluster and operators put into it without saying for whom, so that it is no leftover of anybody.
    pub expected: Vec<ExpectedObject>,
}

/// Which secrets are copied, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsFrom {
    /// The namespace they are in.
    pub namespace: NamespaceName,
    /// Their names. No other secret of that namespace is read.
    pub names: Vec<String>,
}

/// Objects that are expected beside those that were wanted, such as `ConfigMap/istio-ca-root-cert` or `Secret/strimzi-*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedObject {
    /// Kind and group, as in `Deployment.apps`; the core group needs no name.
    kind: String,
    /// The name, or how it begins.
    name: String,
    is_prefix: bool,
}

/// Why a text names no expected object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no objects (Kind/name, Kind.group/name or Kind/begin-*, such as ConfigMap/istio-ca-root-cert or Secret/strimzi-*)")]
pub struct ExpectedObjectError(String);

impl std::str::FromStr for ExpectedObject {
    type Err = ExpectedObjectError;
    fn from_str(text: &str) -> Result<Self, ExpectedObjectError> {
        let bad = || ExpectedObjectError(text.chars().take(200).collect());
        let (kind, name) = text.split_once('/').ok_or_else(bad)?;
        let (name, is_prefix) = name.strip_suffix('*').map_or((name, false), |begin| (begin, true));
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c));
        let good = !kind.is_empty() && plain(kind) && plain(name) && (is_prefix || !name.is_empty());
        if good { Ok(Self { kind: kind.to_owned(), name: name.to_owned(), is_prefix }) } else { Err(bad()) }
    }
}

impl ExpectedObject {
    /// Whether it names this object.
    #[must_use]
    pub fn names(&self, key: &ObjectKey) -> bool {
        let name = if self.is_prefix { key.name.starts_with(&self.name) } else { key.name == self.name };
        name && key.kind_and_group() == self.kind
    }
}

/// How a namespace stands. Of what is wrong with it, what people can mend least is told first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceStanding {
    /// There is none of that name.
    Absent,
    /// What was wanted is not all there yet, or not well.
    Making {
        /// What is waited for, in a sentence.
        waits: String,
    },
    /// All that was wanted is there and well, nothing else is, and nobody was given it.
    Ready,
    /// It holds what was not wanted, or was handed out: then that is all that is told of it.
    Dirty {
        /// What was found, such as `ConfigMap/left`; at most 20.
        found: Vec<String>,
    },
    /// It cannot become ready as it is: a secret that was to be copied is missing, an object says that it failed, or the namespace is somebody else's.
    Broken {
        /// Why, and how to mend it.
        why: String,
    },
    /// It is being deleted.
    Ending {
        /// What holds it, such as `ConfigMap/a has the finalizer example.com/keep`; nothing as long as it only takes its time.
        held_by: Vec<String>,
    },
}

/// How far the end of a namespace has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceEnd {
    /// Nothing is left of it.
    Gone,
    /// It is on its way out.
    Ending {
        /// As in [`NamespaceStanding::Ending`].
        held_by: Vec<String>,
    },
}

impl NamespaceEnd {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        *self == Self::Gone
    }
}

/// An ephemeral namespace that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundNamespace {
    /// Its name.
    pub name: NamespaceName,
    /// The pool it was made for.
    pub pool: String,
    /// When it was made; none for one that is gone itself and left something outside of it.
    pub made_at: Option<Timestamp>,
    /// Who was given it last.
    pub requester: Option<String>,
    /// Whether it is on its way out, or gone but for what it left.
    pub ending: bool,
}

/// Who a namespace is given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// What people call them.
    pub name: String,
    /// As the cluster knows them; none: nobody is granted anything.
    pub subject: Option<Subject>,
    /// The `ClusterRole` that they get within the namespace, such as [`DEFAULT_ROLE`].
    pub role: String,
}

/// Somebody, as Kubernetes knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A user.
    User(String),
    /// A group, such as a team's. Those that everybody is in (`system:…`) are refused.
    Group(String),
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: NamespaceName,
        /// Its name.
        name: String,
    },
}

/// Who makes ephemeral namespaces, and ends them.
///
/// Every operation may be repeated, and by several at once: one that was cut short is done again and finds done what was done.
pub trait EphemeralNamespaces: Send + Sync {
    /// Makes the namespace: quotas and limits first, then secrets, then the rest. What it brings about follows by itself; see [`EphemeralNamespaces::standing`].
    ///
    /// # Errors
    /// [`ClusterError::Refused`] when there is a namespace or an object of that name that is not this installation's (it is left as it is), when the
    /// cluster does not take or cannot keep what is wanted, and when a secret to be copied is missing; [`ClusterError::Forbidden`] with the permission
    /// that is missing.
    fn make<'a>(&'a self, wanted: &'a NamespaceWanted) -> BoxFuture<'a, Result<(), ClusterError>>;

    /// How the namespace stands. Ready is the proof that it is clean; it is asked for right before it is handed out.
    ///
    /// # Errors
    /// [`ClusterError`] when the cluster cannot tell, or does not let Towpath look at what decides it.
    fn standing<'a>(&'a self, wanted: &'a NamespaceWanted) -> BoxFuture<'a, Result<NamespaceStanding, ClusterError>>;

    /// Gives the namespace to the requester, who alone may use it from now on: whoever was granted it before no longer is. From then on it is no longer
    /// [`NamespaceStanding::Ready`].
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when there is no such namespace of this installation; [`ClusterError::Refused`] for a subject that is everybody.
    fn grant<'a>(&'a self, name: &'a NamespaceName, installation: &'a str, to: &'a Requester) -> BoxFuture<'a, Result<(), ClusterError>>;

    /// Ends the namespace, with all that is in it and all that was made for it outside of it. Does not wait: asked again, it tells how far that has come.
    /// What is not this installation's is never touched; a namespace of that name that is somebody else's counts as gone.
    ///
    /// # Errors
    /// [`ClusterError`] when something could not be deleted.
    fn end<'a>(&'a self, name: &'a NamespaceName, installation: &'a str) -> BoxFuture<'a, Result<NamespaceEnd, ClusterError>>;

    /// All namespaces of this installation, and those that are gone and left something outside of them: for whoever looks for strays.
    ///
    /// # Errors
    /// [`ClusterError`] when the cluster cannot tell.
    fn found<'a>(&'a self, installation: &'a str) -> BoxFuture<'a, Result<Vec<FoundNamespace>, ClusterError>>;

    /// Which permissions are missing to make such a namespace, grant `role` in it, prove that it is clean, and end it. Makes nothing.
    ///
    /// # Errors
    /// [`ClusterError`] when the cluster is not reached, or the namespace is refused as it is.
    fn examine_pool<'a>(&'a self, wanted: &'a NamespaceWanted, role: &'a str) -> BoxFuture<'a, Result<Examination, ClusterError>> {
        let _ = (wanted, role);
        Box::pin(async { Ok(Examination::default()) })
    }
}

impl fmt::Debug for NamespaceWanted {
    /// Without the manifests, whose parameters may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceWanted")
            .field("name", &self.name)
            .field("pool", &self.pool)
            .field("installation", &self.installation)
            .field("secrets", &self.secrets)
            .field("manifests", &self.manifests.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_object_is_named_exactly_or_by_how_its_name_begins() {
        let names = |expected: &str, key: &str| expected.parse::<ExpectedObject>().unwrap().names(&key.parse().unwrap());
        assert!(names("ConfigMap/istio-ca-root-cert", "ConfigMap/istio-ca-root-cert"));
        assert!(!names("ConfigMap/istio-ca-root-cert", "ConfigMap/istio-ca-root-cert-2"));
        assert!(!names("ConfigMap/istio-ca-root-cert", "Secret/istio-ca-root-cert"));
        assert!(names("Secret/strimzi-*", "Secret/strimzi-a"));
        assert!(names("ClusterServiceVersion.operators.coreos.com/*", "ClusterServiceVersion.operators.coreos.com/any"));
        assert!(!names("Deployment/web", "Deployment.apps/web"), "the group is part of the kind");
        for bad in ["", "Secret", "Secret/", "/name", "Sec ret/a", "Secret/a*b", "*/*/*"] {
            assert!(bad.parse::<ExpectedObject>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_wanted_is_shown_without_its_manifests() {
        let wanted = NamespaceWanted {
            name: NamespaceName::new("eph-1").unwrap(),
            pool: "default".into(),
            installation: "test".into(),
            quotas: Vec::new(),
            limit_ranges: Vec::new(),
            secrets: None,
            manifests: vec![serde_json::json!({"kind": "Secret", "stringData": {"a": "hunter2"}})],
            expected: Vec::new(),
        };
        assert!(!format!("{wanted:?}").contains("hunter2"));
    }
}
