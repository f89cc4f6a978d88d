//! A cluster that the catalog knows and this installation does not: everything is refused, nothing runs in the wrong place.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use towpath_domain::{ClusterName, NamespaceName, RunId, Span, TargetId};

use crate::api::{
    Applied, BoxFuture, Cluster, ClusterError, EphemeralNamespaces, Event, Examination, FoundNamespace, LogChunk, LogRequest, NamespaceEnd,
    NamespaceStanding, NamespaceWanted, ObjectDiff, ObjectKey, ObjectStatus, Observer, Owner, Ready, Reason, Requester,
    ReservationStanding, ReservationWanted, Reservations, RunningContainer, WaitFailure,
};

/// Stands for a cluster that `towpath.toml` does not name while it names others.
///
/// Without this, a slip in a name would deploy to the embedded runtime and call it production.
#[derive(Clone, Debug)]
pub struct UnnamedCluster {
    name: ClusterName,
}

impl UnnamedCluster {
    /// Stands for the cluster of this name.
    #[must_use]
    pub fn new(name: ClusterName) -> Self {
        Self { name }
    }

    fn refusal<'a, T: Send + 'a>(&'a self) -> BoxFuture<'a, Result<T, ClusterError>> {
        Box::pin(async move { Err(ClusterError::Unnamed { cluster: self.name.to_string() }) })
    }
}

impl Cluster for UnnamedCluster {
    fn check<'a>(&'a self, _: &'a NamespaceName, _: &'a Owner, _: &'a [Value]) -> BoxFuture<'a, Result<Vec<String>, ClusterError>> {
        self.refusal()
    }

    fn apply<'a>(&'a self, _: &'a NamespaceName, _: &'a Owner, _: &'a [Value]) -> BoxFuture<'a, Result<Applied, ClusterError>> {
        self.refusal()
    }

    fn diff<'a>(&'a self, _: &'a NamespaceName, _: &'a Owner, _: &'a [Value]) -> BoxFuture<'a, Result<Vec<ObjectDiff>, ClusterError>> {
        self.refusal()
    }

    fn wait<'a>(
        &'a self,
        _: &'a NamespaceName,
        keys: &'a [ObjectKey],
        _: &'a RunId,
        _: Duration,
        _: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<Ready, Box<WaitFailure>>> {
        Box::pin(async move {
            let Some(object) = keys.first().cloned() else { return Ok(Ready::default()) };
            let error = ClusterError::Unnamed { cluster: self.name.to_string() };
            let (class, message) = (error.class(), error.to_string());
            Err(Box::new(WaitFailure { class, reason: Reason::Unreachable, object, message, log_tail: Vec::new(), events: Vec::new() }))
        })
    }

    fn prune<'a>(&'a self, _: &'a NamespaceName, _: &'a Owner, _: &'a [ObjectKey]) -> BoxFuture<'a, Result<Vec<ObjectKey>, ClusterError>> {
        self.refusal()
    }

    fn running<'a>(&'a self, _: &'a NamespaceName, _: &'a TargetId) -> BoxFuture<'a, Result<Vec<RunningContainer>, ClusterError>> {
        self.refusal()
    }

    fn examine<'a>(&'a self, _: &'a [(NamespaceName, Vec<String>)]) -> BoxFuture<'a, Result<Examination, ClusterError>> {
        self.refusal()
    }

    fn list<'a>(&'a self, _: Option<&'a NamespaceName>) -> BoxFuture<'a, Result<Vec<ObjectStatus>, ClusterError>> {
        self.refusal()
    }

    fn logs<'a>(&'a self, _: LogRequest) -> BoxFuture<'a, Result<mpsc::Receiver<LogChunk>, ClusterError>> {
        self.refusal()
    }

    fn events<'a>(&'a self, _: &'a NamespaceName, _: u64) -> BoxFuture<'a, Vec<Event>> {
        Box::pin(async { Vec::new() })
    }

    fn namespaces(&self) -> Option<&dyn EphemeralNamespaces> {
        Some(self)
    }

    fn reservations(&self) -> Option<&dyn Reservations> {
        Some(self)
    }

    fn run_controllers<'a>(&'a self, shutdown: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
        shutdown
    }
}

impl EphemeralNamespaces for UnnamedCluster {
    fn make<'a>(&'a self, _: &'a NamespaceWanted) -> BoxFuture<'a, Result<(), ClusterError>> {
        self.refusal()
    }

    fn standing<'a>(&'a self, _: &'a NamespaceWanted) -> BoxFuture<'a, Result<NamespaceStanding, ClusterError>> {
        self.refusal()
    }

    fn grant<'a>(&'a self, _: &'a NamespaceName, _: &'a str, _: &'a Requester) -> BoxFuture<'a, Result<(), ClusterError>> {
        self.refusal()
    }

    fn end<'a>(&'a self, _: &'a NamespaceName, _: &'a str) -> BoxFuture<'a, Result<NamespaceEnd, ClusterError>> {
        self.refusal()
    }

    fn found<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<FoundNamespace>, ClusterError>> {
        self.refusal()
    }

    fn examine_pool<'a>(&'a self, _: &'a NamespaceWanted, _: &'a str) -> BoxFuture<'a, Result<Examination, ClusterError>> {
        self.refusal()
    }
}

impl Reservations for UnnamedCluster {
    fn reserve<'a>(&'a self, _: &'a ReservationWanted) -> BoxFuture<'a, Result<(), ClusterError>> {
        self.refusal()
    }

    fn look<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ReservationStanding, ClusterError>> {
        self.refusal()
    }

    fn extend<'a>(&'a self, _: &'a str, _: &'a str, _: Span) -> BoxFuture<'a, Result<(), ClusterError>> {
        self.refusal()
    }

    fn release<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<bool, ClusterError>> {
        self.refusal()
    }
}
