//! Namespaces that are leased from an operator which keeps a pool of its own.

use std::time::Duration;

use towpath_cluster::{ClusterError, ReservationStanding, ReservationWanted};
use towpath_domain::{ClusterName, FailureClass, ReservationId, Span, Timestamp};
use towpath_engine::Facts;
use towpath_engine::pool::{Holder, PoolEvent, ReservationEnd, ReservationFact, ReservationState};
use towpath_runs::World;

use crate::keeper::{installation, record};
use crate::pace::{Pauses, Told};

/// The longest pause between two looks at a reservation that waits.
const LOOK: Duration = Duration::from_secs(2);

/// The longest pause before what the operator did not take is asked of it again.
const AGAIN: Duration = Duration::from_secs(60);

/// What one look at a reservation came to.
enum Turn {
    /// Something happened: this is to be written down.
    Happened(PoolEvent),
    /// It waits at the operator of this cluster, which says this.
    Waits(ClusterName, String),
    /// It cannot be given back now.
    Kept(ClusterError),
    /// Nothing of it is left at an operator, or what is there is in use.
    Settled,
}

/// Asks for a namespace until there is one, or nobody wants it any more; then what the operator was asked for is given back to it.
pub(crate) async fn take(world: &World, id: &ReservationId) {
    let (mut looks, mut tries, mut told) = (Pauses::up_to(LOOK), Pauses::up_to(AGAIN), Told::default());
    let mut refused = String::new();
    loop {
        let fact = world.ledger.facts().reservations.get(id).cloned();
        let Some(fact) = fact else { return };
        match turn(world, id, &fact).await {
            Turn::Settled => return,
            Turn::Happened(event) => {
                let written = record(world, event).await;
                let is_same = world.ledger.facts().reservations.get(id) == Some(&fact);
                if written.is_err() || is_same {
                    looks.next().await;
                }
            }
            Turn::Waits(cluster, says) => {
                let before = fact.asked.as_ref().map(|asked| asked.says.as_str()).unwrap_or_default();
                if told.is_news(before, &says) {
                    // Not written, it is told the next time.
                    let _ = record(world, PoolEvent::Asked { reservation: id.clone(), cluster, says }).await;
                }
                looks.next().await;
            }
            Turn::Kept(error) => {
                let error = error.to_string();
                if refused != error {
                    tracing::warn!(reservation = %id, error, "a reservation that nobody wants cannot be given back; trying again");
                    refused = error;
                }
                tries.next().await;
            }
        }
    }
}

async fn turn(world: &World, id: &ReservationId, fact: &ReservationFact) -> Turn {
    let pool = world.current().catalog.pools.get(&fact.spec.pool).cloned().filter(|_| fact.state == ReservationState::Waiting);
    let wanted = pool.as_ref().and_then(|pool| Some((&pool.cluster, pool.operator.as_ref()?, pool.longest)));
    let is_elsewhere = |asked: &ClusterName| wanted.is_none_or(|(cluster, ..)| cluster != asked);
    if let Some(asked) = fact.asked.as_ref().filter(|asked| is_elsewhere(&asked.cluster))
        && let Err(error) = give_back(world, &asked.cluster, id).await
    {
        return Turn::Kept(error);
    }
    let Some((cluster, operators, longest)) = wanted else { return Turn::Settled };
    let cluster = cluster.clone();
    if fact.asked.as_ref().is_none_or(|asked| is_elsewhere(&asked.cluster)) {
        // Written before it is asked for: whatever happens then, it is known that there is something to give back.
        return Turn::Happened(PoolEvent::Asked { reservation: id.clone(), cluster, says: String::new() });
    }
    let wanted = ReservationWanted {
        name: id.to_string(),
        installation: installation(&world.ledger.facts()),
        pool: operators.clone(),
        requester: fact.spec.holder.owner().to_owned(),
        lasting: match &fact.spec.holder {
            Holder::Person { lease, .. } => *lease,
            Holder::Run { .. } => longest,
        },
        team: None,
    };
    let ended = |end| Turn::Happened(PoolEvent::Ended { reservation: id.clone(), end });
    let handle = world.clusters.get(&cluster);
    let Some(reservations) = handle.reservations() else {
        return ended(ReservationEnd::Refused { why: format!("the cluster {cluster} leases no namespaces") });
    };
    let standing = match reservations.reserve(&wanted).await {
        Ok(()) => reservations.look(&wanted.name).await,
        Err(error) => Err(error),
    };
    match standing {
        Ok(ReservationStanding::Active { namespace, .. }) if world.ledger.facts().namespaces.contains_key(&namespace) => {
            Turn::Waits(cluster, format!("it gives {namespace}, which is somebody else's; see why, or release this and reserve again"))
        }
        Ok(ReservationStanding::Active { namespace, .. }) => {
            Turn::Happened(PoolEvent::Leased { namespace, reservation: id.clone(), cluster })
        }
        Ok(ReservationStanding::Ending) => ended(ReservationEnd::Lost { why: "the operator ended the reservation".to_owned() }),
        Ok(ReservationStanding::Absent) => Turn::Waits(cluster, "it does not show the reservation yet".to_owned()),
        Ok(ReservationStanding::Waiting { why, .. }) => Turn::Waits(cluster, why),
        Err(error) if error.class() == FailureClass::Environment => Turn::Waits(cluster, format!("it cannot be asked: {error}")),
        Err(error) => ended(ReservationEnd::Refused { why: error.to_string() }),
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

/// What is leased and in use: where, and by whom.
fn leased(facts: &Facts) -> impl Iterator<Item = (&ClusterName, &ReservationFact)> {
    let pairs = facts.namespaces.values().filter_map(|fact| Some((&fact.cluster, facts.reservations.get(fact.leased.as_ref()?)?)));
    pairs.filter(|(_, fact)| matches!(fact.state, ReservationState::Active { .. }))
}

/// Leases of people, with when they end.
pub(crate) fn ends(facts: &Facts) -> impl Iterator<Item = (&ReservationId, Timestamp)> {
    leased(facts).filter_map(|(_, fact)| match &fact.state {
        ReservationState::Active { until: Some(until), .. } => Some((&fact.spec.id, *until)),
        _ => None,
    })
}

/// Has a lease last as long as it is written; until the operator does that, or the lease is over.
pub(crate) async fn extend(world: &World, id: &ReservationId) {
    let mut tries = Pauses::up_to(AGAIN);
    let mut refused = String::new();
    loop {
        let found =
            leased(&world.ledger.facts()).find(|(_, fact)| fact.spec.id == *id).map(|(cluster, fact)| (cluster.clone(), fact.clone()));
        let Some((cluster, fact)) = found else { return };
        let Err(error) = keep(world, &cluster, &fact).await else { return };
        let error = error.to_string();
        if refused != error {
            tracing::warn!(reservation = %id, error, "a lease cannot be given its end at the operator; trying again");
            refused = error;
        }
        tries.next().await;
    }
}

/// Keeps what is leased as long as it is written, and finds what the operator ended by itself.
pub(crate) async fn look(world: &World) {
    let all: Vec<(ClusterName, ReservationFact)> =
        leased(&world.ledger.facts()).map(|(cluster, fact)| (cluster.clone(), fact.clone())).collect();
    for (cluster, fact) in all {
        if let Err(error) = keep(world, &cluster, &fact).await {
            tracing::warn!(reservation = %fact.spec.id, %error, "a lease cannot be looked at or extended; trying again");
        }
    }
}

/// Sees to it that one lease lasts as long as it is written; what the operator ended is written down.
async fn keep(world: &World, cluster: &ClusterName, fact: &ReservationFact) -> Result<(), ClusterError> {
    let handle = world.clusters.get(cluster);
    let Some(reservations) = handle.reservations() else { return Ok(()) };
    let id = &fact.spec.id;
    match reservations.look(id.as_str()).await? {
        ReservationStanding::Absent | ReservationStanding::Ending => {
            let end = ReservationEnd::Lost { why: "the operator ended the reservation".to_owned() };
            let _ = record(world, PoolEvent::Ended { reservation: id.clone(), end }).await;
        }
        ReservationStanding::Active { expires: Some(expires), .. } => {
            let until = match &fact.state {
                ReservationState::Active { until: Some(until), .. } => *until,
                // As long as its run lasts: always some time more.
                _ => world.clock.now().plus(Span::from_secs(3600)),
            };
            if until > expires {
                let lasting = until.since(fact.requested_at);
                let installation = installation(&world.ledger.facts());
                reservations.extend(id.as_str(), &installation, lasting).await?;
            }
        }
        ReservationStanding::Active { .. } | ReservationStanding::Waiting { .. } => {}
    }
    Ok(())
}
