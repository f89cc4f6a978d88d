//! What every cluster offers, whatever it is underneath.

mod error;
mod examination;
mod namespaces;
mod observer;
mod reservations;
mod running;
mod scope;
mod status;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use towpath_domain::{CommitId, Digest, NamespaceName, RunId, TargetId};

pub use error::{ClusterError, Reason, Refusal, WaitFailure};
pub use examination::{Examination, MissingPermission};
pub use namespaces::{
    DEFAULT_ROLE, EphemeralNamespaces, ExpectedObject, ExpectedObjectError, FoundNamespace, NamespaceEnd, NamespaceStanding,
    NamespaceWanted, Requester, SecretsFrom, Subject,
};
pub use observer::{LogLine, Observer};
pub use reservations::{ReservationStanding, ReservationWanted, Reservations};
pub use running::RunningContainer;
pub use scope::Scope;
pub use status::{AppCount, Event, LogChunk, LogRequest, LogSource, ObjectStatus, PodStatus};

/// A future in a box: keeps [`Cluster`] usable as `dyn Cluster`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where objects run.
///
/// Every operation may be repeated: one that was cut short is done again and finds done what was done.
pub trait Cluster: Send + Sync {
    /// Whether `apply` would take these objects. Touches nothing.
    ///
    /// Answers with notes for the run's record, such as objects that are kept but that nothing here acts on.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] with every refusal, each naming its object and field.
    fn check<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<String>, ClusterError>>;

    /// Makes these objects the wanted state, owned by `owner`. What they bring about follows by itself; see [`Cluster::wait`].
    ///
    /// # Errors
    /// [`ClusterError::Refused`] before anything is touched; [`ClusterError::Storage`] when the wanted state could not be written.
    fn apply<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Applied, ClusterError>>;

    /// What [`Cluster::apply`] and the pruning after it would change. Touches nothing; values of secrets are hidden.
    ///
    /// Answers with the objects that would be created, changed or deleted; what stays as it is is left out.
    ///
    /// # Errors
    /// As [`Cluster::check`], and when the cluster cannot tell.
    fn diff<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<ObjectDiff>, ClusterError>>;

    /// Waits until all of `keys`, as `run` applied them, are well, and tells how it goes.
    ///
    /// Jobs are followed to their end, and every line that their containers print is told to `observer`, also after a worker
    /// that died took the wait over: [`Observer::told`] says what was told before.
    ///
    /// # Errors
    /// [`WaitFailure`] as soon as one of them cannot become well, or when `within` has passed: a timeout is a failure.
    fn wait<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        keys: &'a [ObjectKey],
        run: &'a RunId,
        within: Duration,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<Ready, Box<WaitFailure>>>;

    /// Deletes what `owner.target` owns in the namespace, of the kinds that `owner.scope` allows, except `keep`. Answers with what was
    /// deleted; its pods end by themselves.
    ///
    /// # Errors
    /// [`ClusterError`] when an object could not be deleted.
    fn prune<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        keep: &'a [ObjectKey],
    ) -> BoxFuture<'a, Result<Vec<ObjectKey>, ClusterError>>;

    /// Deletes all that `owner.target` owns in the namespace, of the kinds that `owner.scope` allows.
    ///
    /// # Errors
    /// As [`Cluster::prune`].
    fn delete<'a>(&'a self, namespace: &'a NamespaceName, owner: &'a Owner) -> BoxFuture<'a, Result<Vec<ObjectKey>, ClusterError>> {
        self.prune(namespace, owner, &[])
    }

    /// The containers that really run now for the objects of `target` in the namespace, with the digests of their images: what a test
    /// that begins now would test.
    ///
    /// # Errors
    /// [`ClusterError`] when the cluster cannot tell.
    fn running<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        target: &'a TargetId,
    ) -> BoxFuture<'a, Result<Vec<RunningContainer>, ClusterError>>;

    /// Whether the cluster is reached, which version it is, and which of the permissions that deploys to `namespaces` need are missing.
    /// `kinds` are those that saas files manage there.
    ///
    /// # Errors
    /// [`ClusterError`] when the cluster is not reached.
    fn examine<'a>(&'a self, namespaces: &'a [(NamespaceName, Vec<String>)]) -> BoxFuture<'a, Result<Examination, ClusterError>>;

    /// What is there, in one namespace or in all, with its pods.
    ///
    /// # Errors
    /// [`ClusterError::Storage`] when the cluster cannot tell.
    fn list<'a>(&'a self, namespace: Option<&'a NamespaceName>) -> BoxFuture<'a, Result<Vec<ObjectStatus>, ClusterError>>;

    /// How many apps are in a namespace, whoever put them there, and how many of them are ready: `ClowdApp`s where there are any, or else what is to
    /// stay up. None where it may not be looked at.
    ///
    /// # Errors
    /// As [`Cluster::list`].
    fn apps<'a>(&'a self, namespace: &'a NamespaceName) -> BoxFuture<'a, Result<Option<AppCount>, ClusterError>> {
        Box::pin(async move {
            let objects = self.list(Some(namespace)).await?;
            let kinds: Vec<(String, bool)> = objects.iter().map(|object| (object.key.kind_and_group(), object.ready)).collect();
            Ok(Some(AppCount::of(kinds.iter().map(|(kind, ready)| (kind.as_str(), *ready)))))
        })
    }

    /// The logs of an object's pods or of one pod, in chunks. Ends at the end of the logs, or, when following, with the pods.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when there is no such object or pod.
    fn logs<'a>(&'a self, request: LogRequest) -> BoxFuture<'a, Result<mpsc::Receiver<LogChunk>, ClusterError>>;

    /// What happened in a namespace after the event numbered `after` (0: all that is remembered), oldest first. Not durable: the ledger is.
    fn events<'a>(&'a self, namespace: &'a NamespaceName, after: u64) -> BoxFuture<'a, Vec<Event>>;

    /// Its ephemeral namespaces; none for a cluster that makes none.
    fn namespaces(&self) -> Option<&dyn EphemeralNamespaces> {
        None
    }

    /// Namespaces that it leases from a pool of its own; none for a cluster that has no such thing.
    fn reservations(&self) -> Option<&dyn Reservations> {
        None
    }

    /// Carries out what is wanted, until `shutdown` is done. What runs goes on running afterwards.
    fn run_controllers<'a>(&'a self, shutdown: BoxFuture<'a, ()>) -> BoxFuture<'a, ()>;
}

/// On whose behalf an object is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The target that owns the object; no other target may change or delete it.
    pub target: TargetId,
    /// The target as people call it.
    pub title: String,
    /// The run that applies it. Each attempt of a run needs a name of its own: under the same name, a finished job stays finished.
    pub run: RunId,
    /// The commit of the source that is deployed.
    pub commit: CommitId,
    /// The saas file the target stands in.
    pub saas_file: String,
    /// The resource template of the saas file.
    #[serde(default)]
    pub template: String,
    /// The environment it deploys to.
    pub environment: String,
    /// Targets that are no more, and whose objects this one may take over: what it was called before it was renamed. Asked for each time, never kept.
    #[serde(skip)]
    pub heir_of: Vec<TargetId>,
    /// What the saas file allows to be touched. Asked for each time, never kept.
    #[serde(skip)]
    pub scope: Scope,
}

/// What names an object within its namespace. Written `Deployment.apps/web`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey {
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The API group, such as `apps`; empty for the core group.
    pub group: String,
    /// The object's name.
    pub name: String,
}

/// Why a text is not an object's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an object (Kind/name or Kind.group/name, such as Deployment.apps/web)")]
pub struct ObjectKeyError(String);

impl FromStr for ObjectKey {
    type Err = ObjectKeyError;
    fn from_str(text: &str) -> Result<Self, ObjectKeyError> {
        let bad = || ObjectKeyError(text.chars().take(200).collect());
        let (kind, name) = text.split_once('/').ok_or_else(bad)?;
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        let key = Self { kind: kind.to_owned(), group: group.to_owned(), name: name.to_owned() };
        if key.is_plain() { Ok(key) } else { Err(bad()) }
    }
}

impl ObjectKey {
    /// Whether its parts are what Kubernetes allows, and so are safe as names of files.
    pub(crate) fn is_plain(&self) -> bool {
        let kind = self.kind.chars().all(|c| c.is_ascii_alphanumeric()) && (1..=63).contains(&self.kind.len());
        kind && (self.group.is_empty() || is_dns_name(&self.group)) && is_dns_name(&self.name)
    }

    /// Kind and group as one word: `Deployment.apps`, `Service`.
    #[must_use]
    pub fn kind_and_group(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// Kind and name: how messages call the object.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// Whether `name` is a DNS subdomain (RFC 1123): what Kubernetes takes as a name, and never a path.
/// Colons are taken, too: names of roles hold them.
pub(crate) fn is_dns_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=240).contains(&name.len()) && name.chars().all(inner) && name.starts_with(edge) && name.ends_with(edge)
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind_and_group(), self.name)
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = ObjectKeyError;
    fn try_from(text: String) -> Result<Self, ObjectKeyError> {
        text.parse()
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> String {
        key.to_string()
    }
}

/// What applying did to one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was not there.
    Created,
    /// It was there and is different now.
    Changed,
    /// It was there as wanted.
    Unchanged,
}

/// One object of an [`Applied`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedObject {
    /// The object.
    pub key: ObjectKey,
    /// What became of it.
    pub change: Change,
}

/// What an apply did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Each object, in the order given.
    pub objects: Vec<AppliedObject>,
    /// What the run's record should say.
    pub notes: Vec<String>,
}

/// What applying would do to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectDiff {
    /// The object.
    pub key: ObjectKey,
    /// What would become of it; none: it would be deleted.
    pub change: Option<Change>,
    /// A unified diff of its YAML from live to wanted, without what the server fills in; values of secrets are hidden.
    pub lines: Vec<String>,
}

/// How far waiting has come: told whenever it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The object.
    pub object: ObjectKey,
    /// What is going on with it, in a sentence.
    pub message: String,
}

/// All that was waited for is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The images that really run, by how the objects name them, with the digests that were unpacked.
    pub digests: BTreeMap<String, Digest>,
    /// What the run's record should say, such as commands taken from the host.
    pub notes: Vec<String>,
    /// What jobs printed and could not be read, in words: a report may have been in it.
    #[serde(default)]
    pub unread: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_it_is_written_and_never_names_a_path() {
        for text in ["Deployment.apps/web", "Service/web", "ClowdApp.cloud.redhat.com/a.b"] {
            assert_eq!(text.parse::<ObjectKey>().unwrap().to_string(), text);
        }
        for bad in ["", "web", "Service/", "Service/../x", "Service/a/b", "Ser vice/x", "Service/.x", "../x/y", "Service/A"] {
            assert!(bad.parse::<ObjectKey>().is_err(), "{bad:?}");
        }
    }
}
