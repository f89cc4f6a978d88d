//! Whether pools can be kept.

use std::time::Duration;

use towpath_catalog::{Catalog, Pool};
use towpath_cluster::{DEFAULT_ROLE, MissingPermission};
use towpath_engine::namespace_name;
use towpath_engine::pool::PoolFact;
use towpath_runs::world::namespace_wanted;

use crate::doctor::{bad, ok};
use crate::steer::Control;
use crate::view::Finding;

/// How long a cluster may take to say what it allows.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

impl Control {
    /// Each pool: what fails, and what its cluster does not let Towpath do that it needs.
    pub(crate) async fn pool_findings(&self, catalog: &Catalog) -> Vec<Finding> {
        let mut findings: Vec<Finding> = catalog
            .broken_pools
            .iter()
            .map(|broken| {
                let name = broken.name.as_ref().map_or_else(|| broken.path.to_string(), ToString::to_string);
                bad(
                    &format!("pool {name}"),
                    format!("{}: {}", broken.path, broken.error),
                    "`towpath validate` shows all that is wrong with it",
                )
            })
            .collect();
        findings.extend(futures_util::future::join_all(catalog.pools.values().map(|pool| self.pool_finding(pool))).await);
        findings
    }

    async fn pool_finding(&self, pool: &Pool) -> Finding {
        let what = format!("pool {}", pool.name);
        let (installation, failing) = {
            let facts = self.world.ledger.facts();
            (
                facts.installation.clone().unwrap_or_default(),
                facts.pools.get(&pool.name).filter(|fact| fact.failures.max(fact.spoiled) > 0).cloned(),
            )
        };
        let cluster = self.world.clusters.get(&pool.cluster);
        if pool.operator.is_some() {
            return match cluster.reservations() {
                Some(_) => ok(&what, format!("namespaces are leased from the operator of {}", pool.cluster)),
                None => bad(
                    &what,
                    format!("the cluster {} leases no namespaces", pool.cluster),
                    "leave `operator` out: Towpath makes them itself",
                ),
            };
        }
        let Some(spaces) = cluster.namespaces() else {
            let mend = "name a cluster of towpath.toml in the pool's file";
            return bad(&what, format!("the cluster {} makes no namespaces", pool.cluster), mend);
        };
        // A name that is none of the pool's: it is only asked about.
        let name = namespace_name(&installation, &pool.name, u64::MAX);
        let wanted = namespace_wanted(pool, &name, &installation);
        match tokio::time::timeout(LOOK_WITHIN, spaces.examine_pool(&wanted, DEFAULT_ROLE)).await {
            Err(_) => bad(&what, format!("the cluster {} did not answer", pool.cluster), "see whether its address can be reached"),
            Ok(Err(error)) => bad(&what, error.to_string(), "mend the pool's file, or the way to its cluster"),
            Ok(Ok(examination)) if !examination.missing.is_empty() => {
                let missing: Vec<String> = examination.missing.iter().map(missing_text).collect();
                let mend = "give it the ClusterRoles under \"Permissions for pools\" in docs/operate.md";
                bad(&what, format!("not allowed on {}: {}", pool.cluster, missing.join("; ")), mend)
            }
            Ok(Ok(_)) => match failing {
                Some(fact) => bad(&what, failing_text(&fact), "it is tried again by itself"),
                None => ok(&what, format!("{} kept ready on {}, {} at most", pool.size, pool.cluster, pool.limit)),
            },
        }
    }
}

fn failing_text(fact: &PoolFact) -> String {
    let (what, count) = if fact.spoiled > 0 { ("handing one out", fact.spoiled) } else { ("making a namespace", fact.failures) };
    format!("{what} failed {count} times: {}", fact.failure)
}

fn missing_text(missing: &MissingPermission) -> String {
    let place = missing.namespace.as_ref().map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    format!("{} {}{place}", missing.verbs.join(", "), missing.resource)
}
