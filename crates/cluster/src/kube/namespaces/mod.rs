//! Ephemeral namespaces on Kubernetes.
//!
//! - `mark`: pure: what is written onto them, and whose they are by it.
//! - `plan`: pure: what is to be made. `make`: makes it; `grant`: gives it to one; `end`: takes it away, and finds strays.
//! - `needs`: which permissions all that takes, and which of them are missing.
//! - `judge`: pure: how one stands by what is seen of it. `look`: sees it.

mod end;
mod grant;
mod judge;
mod look;
mod make;
pub(super) mod mark;
mod needs;
mod plan;

use towpath_domain::NamespaceName;

use super::KubeCluster;
use crate::api::{
    BoxFuture, ClusterError, EphemeralNamespaces, Examination, FoundNamespace, NamespaceEnd, NamespaceStanding, NamespaceWanted, Requester,
};

impl EphemeralNamespaces for KubeCluster {
    fn make<'a>(&'a self, wanted: &'a NamespaceWanted) -> BoxFuture<'a, Result<(), ClusterError>> {
        Box::pin(make::make(&self.core, wanted))
    }

    fn standing<'a>(&'a self, wanted: &'a NamespaceWanted) -> BoxFuture<'a, Result<NamespaceStanding, ClusterError>> {
        Box::pin(look::standing(&self.core, wanted))
    }

    fn grant<'a>(&'a self, name: &'a NamespaceName, installation: &'a str, to: &'a Requester) -> BoxFuture<'a, Result<(), ClusterError>> {
        Box::pin(grant::grant(&self.core, name, installation, to))
    }

    fn end<'a>(&'a self, name: &'a NamespaceName, installation: &'a str) -> BoxFuture<'a, Result<NamespaceEnd, ClusterError>> {
        Box::pin(end::end(&self.core, name, installation))
    }

    fn found<'a>(&'a self, installation: &'a str) -> BoxFuture<'a, Result<Vec<FoundNamespace>, ClusterError>> {
        Box::pin(end::found(&self.core, installation))
    }

    fn examine_pool<'a>(&'a self, wanted: &'a NamespaceWanted, role: &'a str) -> BoxFuture<'a, Result<Examination, ClusterError>> {
        Box::pin(needs::examine(&self.core, wanted, role))
    }
}
