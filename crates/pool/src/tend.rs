//! One namespace, on its way from one state to the next.

use std::sync::Arc;
use std::time::Duration;

use towpath_catalog::Pool;
use towpath_cluster::{ClusterError, EphemeralNamespaces, NamespaceEnd, NamespaceStanding, NamespaceWanted};
use towpath_domain::{FailureClass, NamespaceName, ReservationId};
use towpath_engine::pool::{NamespaceFact, NamespaceState, PoolEvent, ReservationEnd};
use towpath_runs::World;
use towpath_runs::world::{namespace_wanted, requester};

use crate::keeper::{installation, record};
use crate::leases;
use crate::pace::{Pauses, Told};

/// The longest pause between two looks at a cluster.
const LONGEST: Duration = Duration::from_secs(5);

/// What one look at a namespace came to.
enum Turn {
    /// Something happened: this is to be written down.
    Happened(PoolEvent),
    /// It waits, for this.
    Waits(String),
    /// There is nothing to do.
    Settled,
}

/// Tends a namespace until there is nothing to do for it.
pub(crate) async fn namespace(world: &Arc<World>, name: &NamespaceName) {
    let (mut pauses, mut told) = (Pauses::up_to(LONGEST), Told::default());
    let mut before = None;
    loop {
        let fact = world.ledger.facts().namespaces.get(name).cloned();
        let Some(fact) = fact else { return };
        if before.as_ref() != Some(&fact.state) {
            (pauses, told) = (Pauses::up_to(LONGEST), Told::default());
            before = Some(fact.state.clone());
        }
        match turn(world, name, &fact).await {
            Turn::Happened(event) => {
                let written = record(world, event).await;
                let is_same = world.ledger.facts().namespaces.get(name) == Some(&fact);
                if written.is_err() || is_same {
                    pauses.next().await;
                }
            }
            Turn::Waits(what) => {
                if told.is_news(&fact.waits, &what) {
                    // Not written, it is told the next time.
                    let _ = record(world, PoolEvent::Waits { namespace: name.clone(), what }).await;
                }
                pauses.next().await;
            }
            Turn::Settled => return,
        }
    }
}

async fn turn(world: &Arc<World>, name: &NamespaceName, fact: &NamespaceFact) -> Turn {
    if let Some(reservation) = &fact.leased {
        return match &fact.state {
            NamespaceState::Ending { .. } => match leases::give_back(world, &fact.cluster, reservation).await {
                Ok(true) => Turn::Happened(PoolEvent::Gone { namespace: name.clone() }),
                Ok(false) => Turn::Waits("the cluster's operator takes it back".to_owned()),
                Err(error) => Turn::Waits(error.to_string()),
            },
            _ => Turn::Settled,
        };
    }
    let cluster = world.clusters.get(&fact.cluster);
    let Some(spaces) = cluster.namespaces() else {
        let why = format!("the cluster {} makes no namespaces; towpath.toml says which clusters there are", fact.cluster);
        return match &fact.state {
            NamespaceState::Making | NamespaceState::Assigned { .. } => Turn::Happened(PoolEvent::Failed { namespace: name.clone(), why }),
            NamespaceState::Ending { .. } => Turn::Waits(why),
            NamespaceState::Ready | NamespaceState::Reserved { .. } => Turn::Settled,
        };
    };
    match &fact.state {
        NamespaceState::Making => match pool_of(world, fact) {
            Some(pool) => make(world, spaces, &pool, name).await,
            // What follows from a pool that is gone is decided, and comes.
            None => Turn::Waits("its pool is not there".to_owned()),
        },
        NamespaceState::Assigned { reservation } => match pool_of(world, fact) {
            Some(pool) => hand_out(world, spaces, &pool, name, reservation).await,
            None => Turn::Happened(PoolEvent::Failed { namespace: name.clone(), why: "its pool is not there any more".to_owned() }),
        },
        NamespaceState::Ending { .. } => end(world, spaces, name).await,
        NamespaceState::Ready | NamespaceState::Reserved { .. } => Turn::Settled,
    }
}

fn pool_of(world: &World, fact: &NamespaceFact) -> Option<Arc<Pool>> {
    world.current().catalog.pools.get(&fact.pool).cloned()
}

fn wanted_now(world: &World, pool: &Pool, name: &NamespaceName) -> NamespaceWanted {
    namespace_wanted(pool, name, &installation(&world.ledger.facts()))
}

/// Whether trying again may help: of what is refused, nothing is tried again as it is.
fn may_pass(error: &ClusterError) -> bool {
    error.class() == FailureClass::Environment
}

async fn make(world: &World, spaces: &dyn EphemeralNamespaces, pool: &Pool, name: &NamespaceName) -> Turn {
    let wanted = wanted_now(world, pool, name);
    let failed = |why: String| Turn::Happened(PoolEvent::Failed { namespace: name.clone(), why });
    let standing = match spaces.make(&wanted).await {
        Ok(()) => spaces.standing(&wanted).await,
        Err(error) => Err(error),
    };
    match standing {
        Ok(NamespaceStanding::Ready) => Turn::Happened(PoolEvent::Ready { namespace: name.clone() }),
        Ok(NamespaceStanding::Absent) => Turn::Waits("it does not show yet".to_owned()),
        Ok(NamespaceStanding::Making { waits }) => Turn::Waits(waits),
        Ok(NamespaceStanding::Dirty { found }) => failed(dirty(&found)),
        Ok(NamespaceStanding::Broken { why }) => failed(why),
        Ok(NamespaceStanding::Ending { held_by }) => failed(format!("somebody deletes it{}", held(&held_by))),
        Err(error) if may_pass(&error) => Turn::Waits(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}

/// Proves it clean once more, and grants it to its holder alone.
async fn hand_out(world: &World, spaces: &dyn EphemeralNamespaces, pool: &Pool, name: &NamespaceName, reservation: &ReservationId) -> Turn {
    let Some(holder) = world.ledger.facts().reservations.get(reservation).map(|fact| fact.spec.holder.clone()) else {
        return Turn::Happened(PoolEvent::Failed { namespace: name.clone(), why: "its reservation is not known".to_owned() });
    };
    let wanted = wanted_now(world, pool, name);
    let to = requester(&holder);
    let failed = |why: String| Turn::Happened(PoolEvent::Failed { namespace: name.clone(), why });
    match spaces.standing(&wanted).await {
        Ok(NamespaceStanding::Ready) => {}
        // Cut short after it was granted, it is theirs already.
        Ok(NamespaceStanding::Dirty { found }) => match spaces.found(&wanted.installation).await {
            Ok(all) if all.iter().any(|one| one.name == *name && one.requester.as_ref() == Some(&to.name)) => {}
            Ok(_) => return failed(dirty(&found)),
            Err(error) => return Turn::Waits(error.to_string()),
        },
        Ok(NamespaceStanding::Absent) => return failed("it is not there any more".to_owned()),
        Ok(NamespaceStanding::Making { waits }) => return failed(format!("it is not well any more: {waits}")),
        Ok(NamespaceStanding::Broken { why }) => return failed(why),
        Ok(NamespaceStanding::Ending { held_by }) => return failed(format!("somebody deletes it{}", held(&held_by))),
        Err(error @ (ClusterError::Refused { .. } | ClusterError::NotFound { .. } | ClusterError::Unnamed { .. })) => {
            return failed(error.to_string());
        }
        Err(error) => return Turn::Waits(error.to_string()),
    }
    match spaces.grant(name, &wanted.installation, &to).await {
        Ok(()) => Turn::Happened(PoolEvent::Granted { namespace: name.clone(), reservation: reservation.clone() }),
        // It is about who asked, or about what they are granted: another namespace changes nothing.
        Err(error @ ClusterError::Refused { .. }) => {
            let end = ReservationEnd::Refused { why: error.to_string() };
            Turn::Happened(PoolEvent::Ended { reservation: reservation.clone(), end })
        }
        Err(error @ ClusterError::NotFound { .. }) => failed(error.to_string()),
        // Somebody has to allow it, or it passes by itself; the namespace is as good as any other until then.
        Err(error) => Turn::Waits(error.to_string()),
    }
}

async fn end(world: &World, spaces: &dyn EphemeralNamespaces, name: &NamespaceName) -> Turn {
    let installation = installation(&world.ledger.facts());
    match spaces.end(name, &installation).await {
        Ok(NamespaceEnd::Gone) => Turn::Happened(PoolEvent::Gone { namespace: name.clone() }),
        Ok(NamespaceEnd::Ending { held_by }) if held_by.is_empty() => Turn::Waits(String::new()),
        Ok(NamespaceEnd::Ending { held_by }) => Turn::Waits(format!("it does not go{}", held(&held_by))),
        Err(error) => Turn::Waits(error.to_string()),
    }
}

fn dirty(found: &[String]) -> String {
    format!("it is not clean: {} was found in it", found.join(", "))
}

fn held(by: &[String]) -> String {
    if by.is_empty() { String::new() } else { format!(": {}", by.join("; ")) }
}
