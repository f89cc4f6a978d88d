//! Namespaces that are leased from an operator which keeps a pool of its own.

use std::time::Duration;

use towpath_cluster::{ClusterError, ReservationStanding, ReservationWanted};
use towpath_domain::{ClusterName, FailureClass, ReservationId, Span};
use towpath_engine::pool::{Holder, PoolEvent, ReservationEnd, ReservationFact, ReservationState};
use towpath_runs::World;

use crate::keeper::{installation, record};

/// How often a reservation is looked at that waits.
const LOOK: Duration = Duration::from_secs(2);

/// Asks for a namespace and waits until it is there, or nobody wants it any more.
pub(crate) async fn take(world: &World, id: &ReservationId) {
    let mut told = String::new();
    loop {
        let fact = world.ledger.facts().reservations.get(id).cloned();
        let Some(fact) = fact else { return };
        let Some(pool) = world.current().catalog.pools.get(&fact.spec.pool).cloned() else { return };
        let Some(operators) = &pool.operator else { return };
        if fact.state.is_ended() {
            // It was given up while it waited: nothing of it is left there.
            if let Err(error) = give_back(world, &pool.cluster, id).await {
                tracing::warn!(reservation = %id, %error, "a reservation that nobody wants cannot be given back; it ends there by its time");
            }
            return;
        }
        if fact.state != ReservationState::Waiting {
            return;
        }
        let wanted = ReservationWanted {
            name: id.to_string(),
            installation: installation(&world.ledger.facts()),
            pool: operators.clone(),
            requester: fact.spec.holder.owner().to_owned(),
            lasting: match &fact.spec.holder {
                Holder::Person { lease, .. } => *lease,
                Holder::Run { .. } => pool.longest,
            },
            team: None,
        };
        let cluster = world.clusters.get(&pool.cluster);
        let standing = match cluster.reservations() {
            Some(reservations) => match reservations.reserve(&wanted).await {
                Ok(()) => reservations.look(&wanted.name).await.map_err(|error| (error.to_string(), error.class())),
                Err(error) => Err((error.to_string(), error.class())),
            },
            None => Err((format!("the cluster {} leases no namespaces", pool.cluster), FailureClass::Own)),
        };
        let end = match standing {
            Ok(ReservationStanding::Active { namespace, .. }) => {
                let (reservation, cluster) = (id.clone(), pool.cluster.clone());
                let _ = record(world, PoolEvent::Leased { namespace, reservation, cluster }).await;
                continue;
            }
            Ok(ReservationStanding::Ending) => Some(ReservationEnd::Lost { why: "the operator ended the reservation".to_owned() }),
            Ok(ReservationStanding::Absent) => None,
            Ok(ReservationStanding::Waiting { why, .. }) => {
                if told != why {
                    tracing::info!(reservation = %id, why, "a reservation waits for the cluster's operator");
                    told = why;
                }
                None
            }
            Err((error, FailureClass::Environment)) => {
                tracing::warn!(reservation = %id, error, "the cluster's operator cannot be asked; trying again");
                None
            }
            Err((why, _)) => Some(ReservationEnd::Refused { why }),
        };
        if let Some(end) = end {
            let _ = record(world, PoolEvent::Ended { reservation: id.clone(), end }).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Gives a reservation back to the operator. Whether it is gone.
pub(crate) async fn give_back(world: &World, cluster: &ClusterName, id: &ReservationId) -> Result<bool, ClusterError> {
    let installation = installation(&world.ledger.facts());
    match world.clusters.get(cluster).reservations() {
        Some(reservations) => reservations.release(id.as_str(), &installation).await,
        None => Ok(true),
    }
}

/// Keeps what is leased as long as it is written, and finds what the operator ended by itself.
pub(crate) async fn look(world: &World) {
    let leased: Vec<(ClusterName, ReservationFact)> = {
        let facts = world.ledger.facts();
        let pairs =
            facts.namespaces.values().filter_map(|fact| Some((fact.cluster.clone(), facts.reservations.get(fact.leased.as_ref()?)?)));
        pairs.filter(|(_, fact)| matches!(fact.state, ReservationState::Active { .. })).map(|(c, fact)| (c, fact.clone())).collect()
    };
    for (cluster, fact) in leased {
        let handle = world.clusters.get(&cluster);
        let Some(reservations) = handle.reservations() else { continue };
        let id = &fact.spec.id;
        match reservations.look(id.as_str()).await {
            Ok(ReservationStanding::Absent | ReservationStanding::Ending) => {
                let end = ReservationEnd::Lost { why: "the operator ended the reservation".to_owned() };
                let _ = record(world, PoolEvent::Ended { reservation: id.clone(), end }).await;
            }
            Ok(ReservationStanding::Active { expires: Some(expires), .. }) => {
                let until = match &fact.state {
                    ReservationState::Active { until: Some(until), .. } => *until,
                    // As long as its run lasts: always some time more.
                    _ => world.clock.now().plus(Span::from_secs(3600)),
                };
                if until > expires {
                    let lasting = until.since(fact.requested_at);
                    let installation = installation(&world.ledger.facts());
                    if let Err(error) = reservations.extend(id.as_str(), &installation, lasting).await {
                        tracing::warn!(reservation = %id, %error, "a lease cannot be extended; trying again");
                    }
                }
            }
            Ok(ReservationStanding::Active { .. } | ReservationStanding::Waiting { .. }) => {}
            Err(error) => tracing::warn!(reservation = %id, %error, "the cluster's operator cannot be asked; trying again"),
        }
    }
}
