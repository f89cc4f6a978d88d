//! The namespace that a check deploys into: reserved for the run, or held by a person who tries something.

use serde::{Deserialize, Serialize};
use towpath_catalog::PullCheck;
use towpath_domain::{ClusterName, NamespaceName, PoolName, ReservationId, RunId, Timestamp};
use towpath_engine::check::{CheckWork, Keep};
use towpath_engine::pool::{Holder, PoolEvent, ReservationEnd, ReservationFact, ReservationSpec, ReservationState, Standing, plan_pools};
use towpath_engine::{Event, Facts, reservation_of_person, reservation_of_run};

use super::{Check, blame};
use crate::journal::Stop;
use crate::world::World;

/// A namespace on its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) namespace: NamespaceName,
    pub(super) cluster: ClusterName,
}

/// Where a check's namespace comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum From<'a> {
    /// A person holds it already.
    Held(&'a NamespaceName),
    /// It is reserved for a person, who keeps it.
    Kept(&'a Keep),
    /// It is reserved for the run.
    Pool(&'a PoolName),
}

/// Where the check's namespace comes from; none for one that needs none.
pub(super) fn from<'a>(said: &'a PullCheck, work: &'a CheckWork) -> Option<From<'a>> {
    if let Some(namespace) = &work.overrides.namespace {
        return Some(From::Held(namespace));
    }
    if let Some(keep) = &work.overrides.keep {
        return Some(From::Kept(keep));
    }
    let pool = if work.from_fork { said.forks.as_ref()?.pool.as_ref() } else { said.pool.as_ref() };
    pool.map(From::Pool)
}

/// The reservation that the run makes, if it makes one.
pub(super) fn reservation(run: &RunId, work: &CheckWork) -> ReservationId {
    match &work.overrides.keep {
        Some(keep) => reservation_of_person(&work.overrides.by, &keep.pool, run.as_str()),
        None => reservation_of_run(run),
    }
}

/// Has a namespace; waits for one where it has to.
pub(super) async fn take(check: &Check<'_>, from: &From<'_>) -> Result<Place, Stop> {
    let Check { world, journal, work, .. } = check;
    let (pool, holder) = match from {
        From::Held(namespace) => {
            let held = held(&world.ledger.facts(), namespace, &work.overrides.by).map_err(blame::said)?;
            journal.note(format!("{namespace} is held by {}", work.overrides.by));
            return Ok(held);
        }
        From::Kept(keep) => (&keep.pool, Holder::Person { name: work.overrides.by.clone(), lease: keep.lease }),
        From::Pool(pool) => (*pool, Holder::Run { run: journal.run().clone(), owner: work.source.to_string() }),
    };
    // The catalog refuses it, and so does this: whoever runs something in a namespace reads what is in it.
    let copies = |pool: &towpath_catalog::Pool| pool.secrets.is_some() || pool.operator.is_some();
    if work.from_fork && check.catalog.pools.get(pool).is_none_or(|pool| copies(pool)) {
        return Err(blame::said(format!(
            "the pool {pool} is not there, or may copy secrets into its namespaces, which a fork's code could read; correct `forks` in {}",
            check.source.place
        )));
    }
    let id = reservation(journal.run(), work);
    let is_known = world.ledger.facts().reservations.contains_key(&id);
    if !is_known {
        let purpose = if work.number.is_some() { work.id.to_string() } else { format!("try of {}", work.source) };
        let spec = ReservationSpec { id: id.clone(), pool: pool.clone(), holder, purpose, urgent: work.urgent };
        journal.write(Event::Pool(PoolEvent::Requested(spec))).await?;
    }
    granted(check, &id, pool).await
}

/// Waits until the reservation has a namespace; each change of how it stands goes into the log.
async fn granted(check: &Check<'_>, id: &ReservationId, pool: &PoolName) -> Result<Place, Stop> {
    let Check { world, journal, .. } = check;
    // Asked to be woken before looking.
    let mut news = world.ledger.subscribe();
    let mut told = String::new();
    loop {
        let now = world.clock.now();
        let (seen, stands) = {
            let facts = world.ledger.facts();
            (look(&facts, id)?, stands(world, &facts, id, pool, now))
        };
        if let Some(place) = seen {
            journal.note(format!("{} on {} is this run's", place.namespace, place.cluster));
            return Ok(place);
        }
        if let Some(stands) = stands.filter(|stands| *stands != told) {
            journal.note(&stands);
            told = stands;
        }
        if news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The reservation's namespace, once it has one.
fn look(facts: &Facts, id: &ReservationId) -> Result<Option<Place>, Stop> {
    let Some(fact) = facts.reservations.get(id) else { return Ok(None) };
    if let Some(stop) = over(fact) {
        return Err(stop);
    }
    let ReservationState::Active { namespace, .. } = &fact.state else { return Ok(None) };
    let known = facts.namespaces.get(namespace);
    Ok(known.map(|known| Place { namespace: namespace.clone(), cluster: known.cluster.clone() }))
}

/// How a reservation stands that has no namespace yet.
fn stands(world: &World, facts: &Facts, id: &ReservationId, pool: &PoolName, now: Timestamp) -> Option<String> {
    let catalog = std::sync::Arc::clone(&world.current().catalog);
    match plan_pools(&catalog, facts, now).standings.remove(id)? {
        Standing::Waiting { position, of, wait } => {
            Some(format!("{position} of {of} who wait for a namespace of the pool {pool}: {}", wait.text()))
        }
        Standing::Assigned { namespace } => Some(format!("{namespace} is set aside, and is proven clean")),
        Standing::Active { .. } => None,
    }
}

/// What a run ends by whose reservation is over.
pub(super) fn over(fact: &ReservationFact) -> Option<Stop> {
    let ReservationState::Ended { end, namespace, .. } = &fact.state else { return None };
    let what = match namespace {
        Some(namespace) => format!("the namespace {namespace}"),
        None => format!("the reservation of a namespace of the pool {}", fact.spec.pool),
    };
    Some(match end {
        ReservationEnd::Refused { why } => blame::said(format!("{what} was refused: {why}")),
        ReservationEnd::Released { by } => blame::environment(format!("{what} was given back by {by} while it was in use")),
        ReservationEnd::Expired => blame::environment(format!("the lease on {what} ended while it was in use; reserve it for longer")),
        ReservationEnd::RunEnded => blame::environment(format!("{what} was taken back as if the run had ended")),
        ReservationEnd::Lost { why } => blame::environment(format!("{what} is gone: {why}")),
    })
}

/// The namespace that `person` holds; else why it cannot be used.
pub(super) fn held(facts: &Facts, namespace: &NamespaceName, person: &str) -> Result<Place, String> {
    let active = facts
        .reservations
        .values()
        .find(|fact| matches!(&fact.state, ReservationState::Active { namespace: held, .. } if held == namespace));
    let holder = active.map(|fact| &fact.spec.holder);
    match (holder, facts.namespaces.get(namespace)) {
        (Some(Holder::Person { name, .. }), Some(known)) if name == person => {
            Ok(Place { namespace: namespace.clone(), cluster: known.cluster.clone() })
        }
        (Some(holder), _) => Err(format!(
            "{namespace} is held by {}, and not by {person}; reserve one of your own: `towpath namespace reserve`",
            match holder {
                Holder::Person { name, .. } => name.clone(),
                Holder::Run { run, .. } => format!("the run {run}"),
            }
        )),
        (None, _) => Err(format!("nobody holds a namespace {namespace}; `towpath namespace list` shows those there are")),
    }
}

#[cfg(test)]
mod tests {
    use towpath_engine::pool::{NamespaceFact, NamespaceState};

    use super::*;

    fn namespace() -> NamespaceName {
        NamespaceName::new("smoke-1").unwrap()
    }

    fn facts(holder: Holder) -> Facts {
        let id = ReservationId::new("r").unwrap();
        let spec = ReservationSpec { id: id.clone(), pool: PoolName::new("smoke").unwrap(), holder, purpose: String::new(), urgent: false };
        let state = ReservationState::Active { namespace: namespace(), since: Timestamp::default(), until: None, warned: false };
        let mut facts = Facts::default();
        facts.reservations.insert(id.clone(), ReservationFact { spec, requested_at: Timestamp::default(), state, asked: None });
        let state = NamespaceState::Reserved { reservation: id };
        let (pool, cluster) = (PoolName::new("smoke").unwrap(), ClusterName::new("c").unwrap());
        let known = NamespaceFact {
            pool,
            cluster,
            made_hash: String::new(),
            state,
            since: Timestamp::default(),
            waits: String::new(),
            leased: None,
        };
        facts.namespaces.insert(namespace(), known);
        facts
    }

    #[test]
    fn only_who_holds_a_namespace_may_have_it_used() {
        let anns = facts(Holder::Person { name: "ann".into(), lease: "1h".parse().unwrap() });
        assert_eq!(held(&anns, &namespace(), "ann").unwrap().cluster.as_str(), "c");
        assert!(held(&anns, &namespace(), "bob").unwrap_err().starts_with("smoke-1 is held by ann, and not by bob;"));
        let runs = facts(Holder::Run { run: RunId::new("check-1").unwrap(), owner: "web".into() });
        assert!(held(&runs, &namespace(), "web").unwrap_err().contains("held by the run check-1"));
        assert!(held(&Facts::default(), &namespace(), "ann").unwrap_err().starts_with("nobody holds a namespace smoke-1;"));
    }

    #[test]
    fn a_reservation_that_is_refused_is_not_asked_for_again_and_one_that_is_lost_is() {
        let mut fact = facts(Holder::Run { run: RunId::new("check-1").unwrap(), owner: "web".into() }).reservations.pop_first().unwrap().1;
        assert!(over(&fact).is_none());
        for (end, class, words) in [
            (ReservationEnd::Refused { why: "there is no pool smoke".into() }, towpath_domain::FailureClass::Own, "there is no pool smoke"),
            (
                ReservationEnd::Lost { why: "it was deleted".into() },
                towpath_domain::FailureClass::Environment,
                "the namespace smoke-1 is gone",
            ),
        ] {
            fact.state = ReservationState::Ended { namespace: Some(namespace()), at: Timestamp::default(), end };
            match over(&fact) {
                Some(Stop::Blamed { class: found, message, .. }) => assert!(found == class && message.contains(words), "{message}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
