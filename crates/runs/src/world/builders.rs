//! Where builds are carried out.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use towpath_cluster::Executor;

/// How many builds run on this machine side by side: they take its processors.
const HERE: usize = 2;

/// How many builds run side by side when a cluster carries them out. It queues what it has no room for; this bounds what is watched.
const AWAY: usize = 64;

/// Where builds are carried out: here, or where an executor says.
pub struct Builders {
    executor: Option<Arc<dyn Executor>>,
    here: Semaphore,
}

impl Builders {
    /// Builds on this machine, but for those that `executor` carries out.
    #[must_use]
    pub fn new(executor: Option<Arc<dyn Executor>>) -> Self {
        Self { executor, here: Semaphore::new(HERE) }
    }

    /// What carries builds out elsewhere.
    #[must_use]
    pub fn executor(&self) -> Option<&Arc<dyn Executor>> {
        self.executor.as_ref()
    }

    /// How many builds may be under way.
    pub(crate) fn lanes(&self) -> usize {
        if self.executor.is_some() { AWAY } else { HERE }
    }

    /// A place for a build on this machine if one is free.
    pub(crate) fn try_here(&self) -> Option<SemaphorePermit<'_>> {
        self.here.try_acquire().ok()
    }

    /// Waits for a place for a build on this machine, which is free again when the answer is dropped.
    pub(crate) async fn here(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.here.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use towpath_cluster::{Connection, JobSettings, KubeCluster, KubeSettings, KubernetesJobs};
    use towpath_domain::NamespaceName;

    use super::*;

    #[test]
    fn builds_on_this_machine_take_turns_and_those_elsewhere_do_not_wait_for_them() {
        let here = Builders::new(None);
        assert_eq!(here.lanes(), HERE);
        // Nothing is sent before a task is to be done.
        let cluster = KubeCluster::new("hub", Connection::InCluster, KubeSettings::default());
        let jobs = KubernetesJobs::new(cluster, JobSettings::new(NamespaceName::new("builds").unwrap()));
        let away = Builders::new(Some(Arc::new(jobs)));
        assert_eq!(away.lanes(), AWAY);
        for builders in [here, away] {
            let mut places: Vec<_> = (0..HERE).map(|_| builders.try_here().unwrap()).collect();
            assert!(builders.try_here().is_none());
            places.pop();
            assert!(builders.try_here().is_some());
        }
    }
}
