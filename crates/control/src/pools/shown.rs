//! How pools, namespaces and reservations stand.

use std::sync::Arc;

use towpath_catalog::{Catalog, Pool};
use towpath_domain::PoolName;
use towpath_engine::Facts;
use towpath_engine::pool::{Holder, NamespaceFact, NamespaceState, PoolPlan, ReservationEnd, ReservationFact, ReservationState, Standing};

use super::ask::reservation;
use super::planned;
use crate::places;
use crate::sight::{Scope, Sight};
use crate::steer::Control;
use crate::view::{NamespaceFilter, NamespaceView, PoolView, Problem, ReservationView};

impl Control {
    /// All pools that may be seen, by name.
    pub fn pools(&self, sight: &Sight) -> Vec<PoolView> {
        let plan = planned(&self.world, self.world.clock.now());
        let catalog = Arc::clone(&self.world.current().catalog);
        let facts = self.world.ledger.facts();
        let whole = catalog.pools.values().filter(|pool| places::seen(sight, &[of_pool(pool)]));
        let mut all: Vec<PoolView> = whole.map(|pool| pool_view(pool, &facts, &plan)).collect();
        // Whose a broken one is, nobody can tell.
        if *sight == Sight::Everything {
            all.extend(catalog.broken_pools.iter().map(|broken| PoolView {
                name: broken.name.as_ref().map_or_else(|| broken.path.to_string(), ToString::to_string),
                trouble: Some(format!("{}: {}", broken.path, broken.error)),
                ..PoolView::default()
            }));
        }
        all
    }

    /// Namespaces of pools: those that are reserved and those that are ready, by pool and name.
    ///
    /// # Errors
    /// [`Problem`] when the filter names a pool that is not there.
    pub fn namespaces(&self, sight: &Sight, filter: &NamespaceFilter) -> Result<Vec<NamespaceView>, Problem> {
        let catalog = Arc::clone(&self.world.current().catalog);
        let facts = self.world.ledger.facts();
        if let Some(name) = &filter.pool {
            let known = |pool: &PoolName| pool.as_str() == name;
            let seen = catalog.pools.values().any(|pool| known(&pool.name) && places::seen(sight, &[of_pool(pool)]));
            if !seen && !facts.namespaces.values().any(|fact| known(&fact.pool) && *sight == Sight::Everything) {
                return Err(self.unknown_pool(sight, name));
            }
        }
        let mut all: Vec<NamespaceView> = facts
            .namespaces
            .iter()
            .filter(|(_, fact)| filter.pool.as_ref().is_none_or(|pool| fact.pool.as_str() == pool))
            .filter(|(_, fact)| places::seen(sight, &[scope(&catalog, &fact.pool)]))
            .map(|(name, fact)| namespace_view(name.as_str(), fact, &facts))
            .filter(|view| filter.requester.as_ref().is_none_or(|who| view.requester.as_ref() == Some(who)))
            .collect();
        all.sort_by(|a, b| (&a.pool, &a.name).cmp(&(&b.pool, &b.name)));
        Ok(all)
    }

    /// Reservations that are not over, in the order in which they are served; those that have a namespace first.
    pub fn reservations(&self, sight: &Sight) -> Vec<ReservationView> {
        let plan = planned(&self.world, self.world.clock.now());
        let catalog = Arc::clone(&self.world.current().catalog);
        let facts = self.world.ledger.facts();
        let mut all: Vec<ReservationView> = facts
            .reservations
            .values()
            .filter(|fact| !fact.state.is_ended() && places::seen(sight, &[scope(&catalog, &fact.spec.pool)]))
            .map(|fact| reservation_view(fact, &catalog, &facts, &plan))
            .collect();
        all.sort_by(|a, b| (&a.pool, a.position, a.requested_at, &a.id).cmp(&(&b.pool, b.position, b.requested_at, &b.id)));
        all
    }

    /// One reservation, by its id or by the namespace it has.
    ///
    /// # Errors
    /// [`Problem`] when nothing is called so, or it may not be seen.
    pub fn reservation(&self, sight: &Sight, what: &str) -> Result<ReservationView, Problem> {
        let plan = planned(&self.world, self.world.clock.now());
        let catalog = Arc::clone(&self.world.current().catalog);
        let facts = self.world.ledger.facts();
        let found = reservation(&facts, what)?;
        if !places::seen(sight, &[scope(&catalog, &found.1.spec.pool)]) {
            return reservation(&Facts::default(), what).map(|(_, fact)| reservation_view(fact, &catalog, &facts, &plan));
        }
        Ok(reservation_view(found.1, &catalog, &facts, &plan))
    }

    /// Where a reservation's pool is; the reservation is named by its id or by the namespace it has.
    pub(crate) fn scope_of_reservation(&self, facts: &Facts, what: &str) -> Result<Scope, Problem> {
        Ok(scope(&self.world.current().catalog, &reservation(facts, what)?.1.spec.pool))
    }

    /// Where a pool is, as permissions name it; none when there is no such pool.
    pub fn pool_scope(&self, name: &str) -> Option<Scope> {
        self.world.current().catalog.pools.get(name).map(|pool| of_pool(pool))
    }
}

pub(super) fn of_pool(pool: &Pool) -> Scope {
    Scope { app: pool.app.as_ref().map(|app| app.as_str().into()), environment: pool.environment.as_ref().map(|e| e.as_str().into()) }
}

/// Where a pool is. Of one that is gone, nobody can tell: it is the installation's.
pub(crate) fn scope(catalog: &Catalog, pool: &PoolName) -> Scope {
    catalog.pools.get(pool).map_or(Scope::INSTALLATION, |pool| of_pool(pool))
}

fn pool_view(pool: &Pool, facts: &Facts, plan: &PoolPlan) -> PoolView {
    let count = |word: &str| facts.namespaces.values().filter(|fact| fact.pool == pool.name && fact.state.word() == word).count();
    let waiting = facts
        .reservations
        .iter()
        .filter(|(id, fact)| fact.spec.pool == pool.name && matches!(plan.standings.get(*id), Some(Standing::Waiting { .. })));
    let failing = facts.pools.get(&pool.name).filter(|fact| fact.failures.max(fact.spoiled) > 0);
    PoolView {
        name: pool.name.to_string(),
        cluster: pool.cluster.to_string(),
        app: pool.app.as_ref().map(ToString::to_string),
        environment: pool.environment.as_ref().map(ToString::to_string),
        size: pool.size,
        limit: pool.limit,
        each: pool.each,
        lease: pool.lease.to_string(),
        longest: pool.longest.to_string(),
        operator: pool.operator.clone(),
        ready: count("ready"),
        making: count("making"),
        reserved: count("reserved") + count("assigned"),
        ending: count("ending"),
        waiting: waiting.count(),
        trouble: failing.map(|fact| fact.failure.clone()),
    }
}

fn namespace_view(name: &str, fact: &NamespaceFact, facts: &Facts) -> NamespaceView {
    let holder = fact.state.reservation().and_then(|id| facts.reservations.get(id));
    let waits = match &fact.state {
        NamespaceState::Ending { why } if fact.waits.is_empty() => why.clone(),
        NamespaceState::Ending { why } => format!("{why}; {}", fact.waits),
        _ => fact.waits.clone(),
    };
    NamespaceView {
        name: name.to_owned(),
        pool: fact.pool.to_string(),
        cluster: fact.cluster.to_string(),
        state: fact.state.word().to_owned(),
        since: fact.since,
        waits,
        reservation: fact.state.reservation().map(ToString::to_string),
        requester: holder.map(|holder| holder.spec.holder.owner().to_owned()),
        purpose: holder.map(|holder| holder.spec.purpose.clone()).unwrap_or_default(),
        run: holder.and_then(run_of),
        until: holder.and_then(|holder| match &holder.state {
            ReservationState::Active { until, .. } => *until,
            _ => None,
        }),
        apps: None,
    }
}

fn run_of(fact: &ReservationFact) -> Option<towpath_domain::RunId> {
    match &fact.spec.holder {
        Holder::Run { run, .. } => Some(run.clone()),
        Holder::Person { .. } => None,
    }
}

fn reservation_view(fact: &ReservationFact, catalog: &Catalog, facts: &Facts, plan: &PoolPlan) -> ReservationView {
    let spec = &fact.spec;
    let place = scope(catalog, &spec.pool);
    let mut view = ReservationView {
        id: spec.id.clone(),
        pool: spec.pool.to_string(),
        app: place.app.as_deref().map(str::to_owned),
        environment: place.environment.as_deref().map(str::to_owned),
        state: fact.state.word().to_owned(),
        requester: spec.holder.owner().to_owned(),
        run: run_of(fact),
        purpose: spec.purpose.clone(),
        urgent: spec.urgent,
        requested_at: fact.requested_at,
        namespace: fact.state.namespace().map(ToString::to_string),
        position: 0,
        of: 0,
        waits: String::new(),
        since: None,
        until: None,
        ended: None,
    };
    match &fact.state {
        ReservationState::Active { since, until, .. } => (view.since, view.until) = (Some(*since), *until),
        ReservationState::Ended { at, end, .. } => {
            view.since = Some(*at);
            view.ended = Some(end_text(end));
        }
        ReservationState::Waiting | ReservationState::Assigned { .. } => {}
    }
    match plan.standings.get(&spec.id) {
        Some(Standing::Waiting { position, of, wait }) => (view.position, view.of, view.waits) = (*position, *of, wait.text()),
        Some(Standing::Assigned { namespace }) => view.waits = handed_out(facts.namespaces.get(namespace)),
        Some(Standing::Active { .. }) | None => {}
    }
    view
}

/// What somebody waits for whose namespace is set aside.
fn handed_out(namespace: Option<&NamespaceFact>) -> String {
    match namespace.map(|fact| fact.waits.as_str()).filter(|waits| !waits.is_empty()) {
        Some(waits) => format!("its namespace is there and cannot be handed out yet: {waits}"),
        None => "its namespace is being proven clean".to_owned(),
    }
}

/// Why a reservation is over, in words.
pub(crate) fn end_text(end: &ReservationEnd) -> String {
    match end {
        ReservationEnd::Released { by } => format!("given back by {by}"),
        ReservationEnd::Expired => "its lease was over".to_owned(),
        ReservationEnd::RunEnded => "its run ended".to_owned(),
        ReservationEnd::Refused { why } => why.clone(),
        ReservationEnd::Lost { why } => format!("its namespace is lost: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use towpath_domain::{NamespaceName, Timestamp};
    use towpath_engine::pool::{PoolEvent, ReservationSpec, plan_pools};
    use towpath_engine::{Event, reservation_of_person};

    use super::*;

    #[test]
    fn who_waits_for_a_namespace_that_is_set_aside_sees_what_keeps_it() {
        let (pool, namespace) = (PoolName::new("smoke").unwrap(), NamespaceName::new("smoke-1").unwrap());
        let id = reservation_of_person("ann", &pool, "1");
        let holder = Holder::Person { name: "ann".to_owned(), lease: "1h".parse().unwrap() };
        let spec = ReservationSpec { id: id.clone(), pool: pool.clone(), holder, purpose: String::new(), urgent: false };
        let cluster = towpath_domain::ClusterName::new("local").unwrap();
        let mut facts = Facts::default();
        let now = Timestamp::from_millis(1_000_000);
        let mut waits = |event: PoolEvent| {
            facts.apply(now, &Event::Pool(event));
            let plan = plan_pools(&Catalog::default(), &facts, now);
            facts.reservations.get(&id).map(|fact| reservation_view(fact, &Catalog::default(), &facts, &plan).waits)
        };
        waits(PoolEvent::Requested(spec));
        waits(PoolEvent::Wanted { namespace: namespace.clone(), pool, cluster, made_hash: "a".to_owned() });
        waits(PoolEvent::Ready { namespace: namespace.clone() });
        let proven = waits(PoolEvent::Assigned { namespace: namespace.clone(), reservation: id.clone() });
        assert_eq!(proven.unwrap(), "its namespace is being proven clean");
        let kept = waits(PoolEvent::Waits { namespace: namespace.clone(), what: "local does not allow it".to_owned() });
        assert_eq!(kept.unwrap(), "its namespace is there and cannot be handed out yet: local does not allow it");
        assert_eq!(waits(PoolEvent::Granted { namespace, reservation: id.clone() }).unwrap(), "");
    }
}
