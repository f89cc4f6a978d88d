//! Kubernetes and OpenShift as a cluster.
//!
//! - `connect`: how it is reached; `lanes`: its connections; `request` and `turns`: one request; `discover`: which kinds it has.
//! - `apply`: what is wanted becomes what is there, by server-side apply; `prune`: what is no longer wanted goes.
//! - `status`: pure: what an object's own fields say of it. `diagnose`: pure: what its pods say.
//! - `list`: what is there; `addresses`: pure: where it is reached.
//! - `wait`: watches until all is well or cannot become so; `follow`: what jobs print.
//! - `namespaces`: ephemeral ones, made and ended; `reservation`: leased ones.
//! - `examine`: for `towpath doctor`. `single`: single objects, for the executors.

mod addresses;
mod apply;
mod connect;
mod diagnose;
mod discover;
mod events;
mod examine;
mod follow;
pub(crate) mod labels;
mod lanes;
mod list;
mod logs;
mod namespaces;
mod prune;
mod request;
mod reservation;
mod running;
mod secret;
pub(crate) mod single;
mod slim;
mod status;
mod turns;
mod view;
mod wait;
pub(crate) mod watching;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use towpath_domain::{NamespaceName, RunId, TargetId};

use crate::api::{
    AppCount, Applied, BoxFuture, Cluster, ClusterError, EphemeralNamespaces, Event, Examination, LogChunk, LogRequest, ObjectDiff,
    ObjectKey, ObjectStatus, Observer, Owner, Ready, Reservations, RunningContainer, WaitFailure,
};
pub use connect::{Connection, Token, TokenSource};
pub(crate) use discover::Kind;

/// How a cluster is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KubeSettings {
    /// How many requests are under way at the same time. API priority and fairness queues what is too much; this keeps one installation
    /// from being what fills the queue.
    pub requests_at_once: usize,
}

impl Default for KubeSettings {
    fn default() -> Self {
        Self { requests_at_once: 24 }
    }
}

/// A Kubernetes or OpenShift cluster. Cheap to make and to clone: it is connected to when first needed, so that one that is away holds up
/// nobody but its own targets.
#[derive(Clone)]
pub struct KubeCluster {
    core: Arc<Core>,
}

/// What all operations share.
pub(crate) struct Core {
    name: String,
    connection: Connection,
    /// And the token that it was made with.
    client: Mutex<Option<(kube::Client, Option<SecretString>)>>,
    kinds: discover::Kinds,
    turns: turns::Turns,
}

impl Core {
    /// The client, made when there is none yet, and anew when its token is another.
    async fn client(&self) -> Result<kube::Client, String> {
        let token = connect::token(&self.connection).await?;
        let mut known = self.client.lock().await;
        if let Some((client, made_with)) = &*known
            && made_with.as_ref().map(ExposeSecret::expose_secret) == token.as_ref().map(ExposeSecret::expose_secret)
        {
            return Ok(client.clone());
        }
        let made = connect::client(&self.connection, token.as_ref()).await?;
        *known = Some((made.clone(), token));
        Ok(made)
    }
}

impl fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeCluster").field("name", &self.core.name).finish_non_exhaustive()
    }
}

impl KubeCluster {
    /// The cluster of this name. Nothing is sent before it is needed.
    #[must_use]
    pub fn new(name: &str, connection: Connection, settings: KubeSettings) -> Self {
        let core = Core {
            name: name.to_owned(),
            connection,
            client: Mutex::new(None),
            kinds: discover::Kinds::default(),
            turns: turns::Turns::new(settings.requests_at_once),
        };
        Self { core: Arc::new(core) }
    }

    /// The cluster's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// The fields of a `Secret`; none when there is no such secret.
    ///
    /// # Errors
    /// When the cluster cannot tell or does not want to.
    pub async fn read_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<std::collections::BTreeMap<String, Vec<u8>>>, ClusterError> {
        secret::read(&self.core, namespace, name).await
    }
}

impl Cluster for KubeCluster {
    fn check<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<String>, ClusterError>> {
        Box::pin(apply::check(&self.core, namespace, owner, objects))
    }

    fn apply<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Applied, ClusterError>> {
        Box::pin(apply::apply(&self.core, namespace, owner, objects))
    }

    fn diff<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<ObjectDiff>, ClusterError>> {
        Box::pin(apply::diff(&self.core, namespace, owner, objects))
    }

    fn wait<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        keys: &'a [ObjectKey],
        run: &'a RunId,
        within: Duration,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<Ready, Box<WaitFailure>>> {
        Box::pin(wait::wait(&self.core, namespace, keys, run, within, observer))
    }

    fn prune<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        keep: &'a [ObjectKey],
    ) -> BoxFuture<'a, Result<Vec<ObjectKey>, ClusterError>> {
        Box::pin(prune::prune(&self.core, namespace, owner, keep))
    }

    fn running<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        target: &'a TargetId,
    ) -> BoxFuture<'a, Result<Vec<RunningContainer>, ClusterError>> {
        Box::pin(running::running(&self.core, namespace, target))
    }

    fn examine<'a>(&'a self, namespaces: &'a [(NamespaceName, Vec<String>)]) -> BoxFuture<'a, Result<Examination, ClusterError>> {
        Box::pin(examine::examine(&self.core, namespaces))
    }

    fn list<'a>(&'a self, namespace: Option<&'a NamespaceName>) -> BoxFuture<'a, Result<Vec<ObjectStatus>, ClusterError>> {
        Box::pin(list::list(&self.core, namespace))
    }

    fn apps<'a>(&'a self, namespace: &'a NamespaceName) -> BoxFuture<'a, Result<Option<AppCount>, ClusterError>> {
        Box::pin(list::apps(&self.core, namespace))
    }

    fn logs<'a>(&'a self, request: LogRequest) -> BoxFuture<'a, Result<mpsc::Receiver<LogChunk>, ClusterError>> {
        Box::pin(logs::open(&self.core, request))
    }

    fn events<'a>(&'a self, namespace: &'a NamespaceName, after: u64) -> BoxFuture<'a, Vec<Event>> {
        Box::pin(events::since(&self.core, namespace, after))
    }

    fn namespaces(&self) -> Option<&dyn EphemeralNamespaces> {
        Some(self)
    }

    fn reservations(&self) -> Option<&dyn Reservations> {
        Some(self)
    }

    /// The cluster's own controllers carry out what is wanted; nothing is to be done here.
    fn run_controllers<'a>(&'a self, shutdown: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
        shutdown
    }
}
