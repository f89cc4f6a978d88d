//! What is on clusters and nobody knows of, and what is known and not there any more.

use std::collections::BTreeSet;

use towpath_domain::{ClusterName, NamespaceName};
use towpath_engine::Facts;
use towpath_engine::pool::{NamespaceState, PoolEvent, ReservationEnd};
use towpath_runs::World;

use crate::keeper::{installation, record};

/// Looks at every cluster that pools are on, or were.
pub(crate) async fn look(world: &World) {
    let clusters: BTreeSet<ClusterName> = {
        let facts = world.ledger.facts();
        let pools = &world.current().catalog.pools;
        pools.values().map(|pool| pool.cluster.clone()).chain(facts.namespaces.values().map(|fact| fact.cluster.clone())).collect()
    };
    for cluster in clusters {
        look_at(world, &cluster).await;
    }
}

/// What was handed out or ready on a cluster.
fn standing(facts: &Facts, cluster: &ClusterName) -> Vec<(NamespaceName, NamespaceState)> {
    let there = facts.namespaces.iter().filter(|(_, fact)| {
        fact.cluster == *cluster && fact.leased.is_none() && matches!(fact.state, NamespaceState::Ready | NamespaceState::Reserved { .. })
    });
    there.map(|(name, fact)| (name.clone(), fact.state.clone())).collect()
}

async fn look_at(world: &World, cluster: &ClusterName) {
    let (installation, known, before) = {
        let facts = world.ledger.facts();
        let before: BTreeSet<NamespaceName> = facts.namespaces.keys().cloned().collect();
        (installation(&facts), standing(&facts, cluster), before)
    };
    let handle = world.clusters.get(cluster);
    let Some(spaces) = handle.namespaces() else { return };
    let found = match spaces.found(&installation).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%cluster, %error, "which namespaces are there cannot be told; looking again later");
            return;
        }
    };
    // What is wanted is written before it is made, and what is gone is written after it is: what is there and was not written before, nor is at
    // this later moment, was forgotten.
    for one in &found {
        if before.contains(&one.name) || world.ledger.facts().namespaces.contains_key(&one.name) {
            continue;
        }
        match spaces.end(&one.name, &installation).await {
            Ok(_) if one.ending => {}
            Ok(_) => {
                tracing::warn!(%cluster, namespace = %one.name, pool = one.pool, "a namespace that nobody knows of is removed");
                let _ = record(world, PoolEvent::StrayRemoved { namespace: one.name.clone(), cluster: cluster.clone() }).await;
            }
            Err(error) => tracing::warn!(%cluster, namespace = %one.name, %error, "a namespace that nobody knows of cannot be removed"),
        }
    }
    for (name, state) in known {
        let is_there = found.iter().any(|one| one.name == name && !one.ending);
        let is_same = world.ledger.facts().namespaces.get(&name).is_some_and(|fact| fact.state == state);
        if is_there || !is_same {
            continue;
        }
        let why = "it was deleted, and not by Towpath".to_owned();
        let event = match state {
            NamespaceState::Reserved { reservation } => PoolEvent::Ended { reservation, end: ReservationEnd::Lost { why } },
            _ => PoolEvent::Failed { namespace: name, why },
        };
        let _ = record(world, event).await;
    }
}
