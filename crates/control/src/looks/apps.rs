//! How many apps are in the namespaces of pools.

use futures_util::future::join_all;
use towpath_domain::{ClusterName, NamespaceName};

use super::run::CLUSTER_PATIENCE;
use crate::sight::Sight;
use crate::steer::Control;
use crate::view::{AppsView, NamespaceFilter, NamespaceView, Problem};

impl Control {
    /// As [`Self::namespaces`], with how many apps are in each that is reserved, where that is asked for.
    ///
    /// # Errors
    /// As [`Self::namespaces`].
    pub async fn namespaces_with(&self, sight: &Sight, filter: &NamespaceFilter) -> Result<Vec<NamespaceView>, Problem> {
        let mut all = self.namespaces(sight, filter)?;
        if filter.apps {
            let reserved = all.iter_mut().filter(|view| view.reservation.is_some());
            join_all(reserved.map(|view| async { view.apps = self.apps_in(&view.cluster, &view.name).await })).await;
        }
        Ok(all)
    }

    /// How many apps are in a namespace, if its cluster says so in time.
    async fn apps_in(&self, cluster: &str, namespace: &str) -> Option<AppsView> {
        let (cluster, namespace) = (ClusterName::new(cluster).ok()?, NamespaceName::new(namespace).ok()?);
        let cluster = self.world.clusters.get(&cluster);
        let count = tokio::time::timeout(CLUSTER_PATIENCE, cluster.apps(&namespace)).await.ok()?.ok()??;
        Some(AppsView { ready: count.ready, total: count.total })
    }
}
