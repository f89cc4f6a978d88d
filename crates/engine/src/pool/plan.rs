//! What follows for pools: who gets a namespace, what is made, what goes. A pure function, which also tells who waits why.

use std::collections::{BTreeMap, BTreeSet};

use towpath_catalog::{Catalog, Pool};
use towpath_domain::{NamespaceName, PoolName, ReservationId, Span, Timestamp};

use super::event::{Holder, PoolEvent, ReservationEnd};
use super::facts::{NamespaceFact, NamespaceState, PoolFact, ReservationFact, ReservationState};
use super::standing::{Standing, Wait};
use crate::clock::Clock;
use crate::facts::Facts;
use crate::ids;

/// How long the making of a namespace may take before it is given up and another one is made.
const MAKING_MAX: Span = Span::from_secs(15 * 60);

/// How long to wait after the first failure to make one; twice as long after each further one, up to [`BACKOFF_MAX`].
const BACKOFF: Span = Span::from_secs(5);
const BACKOFF_MAX: Span = Span::from_secs(300);

/// What follows for all pools.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolPlan {
    /// What is decided, to be written down in this order. Once it is, this is to be asked again.
    pub events: Vec<PoolEvent>,
    /// Each reservation that is not over.
    pub standings: BTreeMap<ReservationId, Standing>,
    /// When time alone may change any of it.
    pub valid_until: Option<Timestamp>,
}

/// What follows for all pools, from what the catalog wants and what is known.
#[must_use]
pub fn plan_pools(catalog: &Catalog, facts: &Facts, now: Timestamp) -> PoolPlan {
    let clock = Clock::new(now);
    let mut plan = PoolPlan::default();
    let known = facts.namespaces.values().map(|fact| &fact.pool).chain(facts.reservations.values().map(|fact| &fact.spec.pool));
    let names: BTreeSet<&PoolName> = catalog.pools.keys().chain(known).collect();
    for name in names {
        let view = View {
            name,
            pool: catalog.pools.get(name).map(|pool| &**pool),
            broken: catalog
                .broken_pools
                .iter()
                .find(|broken| broken.name.as_ref().is_none_or(|named| named == name))
                .map(|broken| format!("{}: {}", broken.path, broken.error)),
            facts,
            clock: &clock,
        };
        view.plan(&mut plan);
    }
    plan.valid_until = clock.take_next();
    plan
}

/// One pool, and what is known of it.
struct View<'a> {
    name: &'a PoolName,
    pool: Option<&'a Pool>,
    broken: Option<String>,
    facts: &'a Facts,
    clock: &'a Clock,
}

type Waiting<'a> = (&'a ReservationId, &'a ReservationFact);

impl View<'_> {
    fn plan(&self, plan: &mut PoolPlan) {
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        for (id, fact) in self.reservations() {
            match self.over(fact) {
                Some(end) => plan.events.push(PoolEvent::Ended { reservation: id.clone(), end }),
                None => self.go_on(plan, &mut waiting, id, fact),
            }
        }
        waiting.sort_by_key(|(id, fact)| (!fact.spec.urgent, fact.requested_at, *id));
        let eligible = self.queue(plan, &waiting);
        self.give_up(plan);
        if let Some(pool) = self.pool.filter(|pool| pool.operator.is_none()) {
            self.fill(plan, pool, eligible);
        }
    }

    fn reservations(&self) -> impl Iterator<Item = Waiting<'_>> {
        self.facts.reservations.iter().filter(|(_, fact)| fact.spec.pool == *self.name && !fact.state.is_ended())
    }

    /// Its namespaces, by age.
    fn namespaces(&self) -> Vec<(&NamespaceName, &NamespaceFact)> {
        let mut all: Vec<_> = self.facts.namespaces.iter().filter(|(_, fact)| fact.pool == *self.name).collect();
        all.sort_by_key(|(name, fact)| (fact.since, *name));
        all
    }

    /// Why a reservation is over now, if it is.
    fn over(&self, fact: &ReservationFact) -> Option<ReservationEnd> {
        if let Holder::Run { run, .. } = &fact.spec.holder
            && !self.facts.open_runs.contains_key(run)
        {
            return Some(ReservationEnd::RunEnded);
        }
        if let ReservationState::Active { until: Some(until), .. } = &fact.state
            && self.clock.reached(*until)
        {
            return Some(ReservationEnd::Expired);
        }
        if fact.state == ReservationState::Waiting && self.pool.is_none() && self.broken.is_none() {
            let why = format!("there is no pool {}; `towpath namespace pools` lists those there are", self.name);
            return Some(ReservationEnd::Refused { why });
        }
        None
    }

    fn go_on<'a>(&self, plan: &mut PoolPlan, waiting: &mut Vec<Waiting<'a>>, id: &'a ReservationId, fact: &'a ReservationFact) {
        match &fact.state {
            ReservationState::Waiting => waiting.push((id, fact)),
            ReservationState::Assigned { namespace } => {
                plan.standings.insert(id.clone(), Standing::Assigned { namespace: namespace.clone() });
            }
            ReservationState::Active { namespace, since, until, warned } => {
                if let (Some(until), Some(pool), false) = (until, self.pool, *warned)
                    && until.since(*since) > pool.warn
                    && self.clock.reached(until.minus(pool.warn))
                {
                    plan.events.push(PoolEvent::Expires { reservation: id.clone(), until: *until });
                }
                plan.standings.insert(id.clone(), Standing::Active { namespace: namespace.clone(), until: *until });
            }
            ReservationState::Ended { .. } => {}
        }
    }

    /// Gives what is ready to those who wait, in their order, and says what the others wait for. Answers with how many could take one more now.
    fn queue(&self, plan: &mut PoolPlan, waiting: &[Waiting<'_>]) -> usize {
        let mut held: BTreeMap<&str, Vec<NamespaceName>> = BTreeMap::new();
        // With those that are on their way to somebody.
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, fact) in self.reservations() {
            if let Some(namespace) = fact.state.namespace() {
                held.entry(fact.spec.holder.owner()).or_default().push(namespace.clone());
                *counted.entry(fact.spec.holder.owner()).or_default() += 1;
            }
        }
        let all = self.namespaces();
        let current = |fact: &NamespaceFact| self.pool.is_some_and(|pool| self.is_current(pool, fact));
        let mut ready = all.iter().filter(|(_, fact)| fact.state == NamespaceState::Ready && current(fact)).map(|(name, _)| *name);
        let each = self.pool.and_then(|pool| pool.each).map_or(usize::MAX, |each| each as usize);
        let (mut eligible, mut position) = (0, 0);
        for (id, fact) in waiting {
            position += 1;
            let owner = fact.spec.holder.owner();
            let theirs = counted.entry(owner).or_default();
            let wait = if let Some(error) = self.broken.as_ref().filter(|_| self.pool.is_none()) {
                Wait::Broken { error: error.clone() }
            } else if *theirs >= each {
                Wait::Each { owner: owner.to_owned(), limit: each, held: held.get(owner).cloned().unwrap_or_default() }
            } else if self.pool.is_some_and(|pool| pool.operator.is_some()) {
                Wait::Operator { says: fact.asked.as_ref().map(|asked| asked.says.clone()).unwrap_or_default() }
            } else {
                *theirs += 1;
                if let Some(namespace) = ready.next() {
                    held.entry(owner).or_default().push(namespace.clone());
                    position -= 1;
                    plan.events.push(PoolEvent::Assigned { namespace: namespace.clone(), reservation: (*id).clone() });
                    plan.standings.insert((*id).clone(), Standing::Assigned { namespace: namespace.clone() });
                    continue;
                }
                eligible += 1;
                // What is on its way is theirs once it is there.
                self.wait(&all)
            };
            plan.standings.insert((*id).clone(), Standing::Waiting { position, of: 0, wait });
        }
        for (id, _) in waiting {
            if let Some(Standing::Waiting { of, .. }) = plan.standings.get_mut(*id) {
                *of = position;
            }
        }
        eligible
    }

    /// What somebody waits for who could take a namespace.
    fn wait(&self, all: &[(&NamespaceName, &NamespaceFact)]) -> Wait {
        let making: Vec<_> = all.iter().filter(|(_, fact)| fact.state == NamespaceState::Making).collect();
        let known = self.facts.pools.get(self.name);
        if let Some(known) = known.filter(|known| known.failures > 0) {
            return Wait::Failing { error: known.failure.clone(), again_at: again_at(known) };
        }
        if let Some(known) = known.filter(|known| known.spoiled > 0)
            && !self.clock.reached(again_at(known))
        {
            return Wait::Spoiled { error: known.failure.clone(), again_at: again_at(known) };
        }
        if let Some((_, first)) = making.first() {
            return Wait::Making { count: making.len(), waits: first.waits.clone() };
        }
        let limit = self.pool.map_or(0, |pool| pool.limit);
        if all.len() < limit as usize {
            return Wait::Making { count: 0, waits: String::new() };
        }
        let mut holders: Vec<(NamespaceName, String, Option<Timestamp>)> = all
            .iter()
            .filter_map(|(name, fact)| {
                let reservation = self.facts.reservations.get(fact.state.reservation()?)?;
                let until = match &reservation.state {
                    ReservationState::Active { until, .. } => *until,
                    _ => None,
                };
                Some(((*name).clone(), reservation.spec.holder.owner().to_owned(), until))
            })
            .collect();
        holders.sort_by(|a, b| (a.2.is_none(), a.2, &a.0).cmp(&(b.2.is_none(), b.2, &b.0)));
        let ending = all.iter().filter(|(_, fact)| matches!(fact.state, NamespaceState::Ending { .. })).count();
        Wait::Full { limit, holders, ending }
    }

    fn is_current(&self, pool: &Pool, fact: &NamespaceFact) -> bool {
        fact.cluster == pool.cluster && *fact.made_hash == *pool.made_hash
    }

    /// What takes too long to be made is given up.
    fn give_up(&self, plan: &mut PoolPlan) {
        for (name, fact) in self.namespaces() {
            if fact.state == NamespaceState::Making && self.clock.reached(fact.since.plus(MAKING_MAX)) {
                let waits = if fact.waits.is_empty() { String::new() } else { format!(": {}", fact.waits) };
                let why = format!("it was not ready within {MAKING_MAX}{waits}");
                plan.events.push(PoolEvent::Failed { namespace: name.clone(), why });
            }
        }
        // Of a pool that is gone from the catalog, nothing is kept ready.
        let why = match self.pool {
            None if self.broken.is_none() => format!("there is no pool {} any more", self.name),
            Some(pool) if pool.operator.is_some() => {
                format!("the pool {} leases its namespaces from the operator of {} now", self.name, pool.cluster)
            }
            _ => return,
        };
        for (name, _) in self.free() {
            plan.events.push(PoolEvent::Surplus { namespace: name, why: why.clone() });
        }
    }

    /// Namespaces that nobody has, the newest first.
    fn free(&self) -> Vec<(NamespaceName, &NamespaceFact)> {
        let free = |fact: &NamespaceFact| matches!(fact.state, NamespaceState::Making | NamespaceState::Ready);
        self.namespaces().into_iter().rev().filter(|(_, fact)| free(fact)).map(|(name, fact)| (name.clone(), fact)).collect()
    }

    /// Makes what is missing, and lets go what is too much.
    fn fill(&self, plan: &mut PoolPlan, pool: &Pool, eligible: usize) {
        let given_up = |name: &NamespaceName, plan: &PoolPlan| {
            plan.events.iter().any(|event| matches!(event, PoolEvent::Failed { namespace, .. } if namespace == name))
        };
        let assigned: BTreeSet<NamespaceName> = plan
            .events
            .iter()
            .filter_map(|event| if let PoolEvent::Assigned { namespace, .. } = event { Some(namespace.clone()) } else { None })
            .collect();
        let all = self.namespaces().len();
        let mut leaving = self.namespaces().iter().filter(|(_, fact)| matches!(fact.state, NamespaceState::Ending { .. })).count();
        let mut kept: Vec<NamespaceName> = Vec::new();
        let mut surplus: Vec<(NamespaceName, &'static str)> = Vec::new();
        let wanted = pool.size as usize + eligible;
        // The oldest stay.
        for (name, fact) in self.free().into_iter().rev() {
            if assigned.contains(&name) {
                continue;
            }
            if given_up(&name, plan) {
                leaving += 1;
            } else if !self.is_current(pool, fact) {
                surplus.push((name, "the pool makes its namespaces otherwise now"));
            } else if kept.len() >= wanted {
                surplus.push((name, "more are ready than the pool keeps"));
            } else {
                kept.push(name);
            }
        }
        while all > pool.limit as usize + leaving + surplus.len()
            && let Some(name) = kept.pop()
        {
            surplus.push((name, "there are more than the pool may have"));
        }
        let kept = kept.len();
        plan.events.extend(surplus.into_iter().map(|(namespace, why)| PoolEvent::Surplus { namespace, why: why.to_owned() }));
        let unknown = PoolFact::default();
        let known = self.facts.pools.get(self.name).unwrap_or(&unknown);
        let missing = wanted.saturating_sub(kept).min((pool.limit as usize).saturating_sub(all));
        let (Some(installation), true) = (&self.facts.installation, missing > 0) else { return };
        // After a failure one is tried, and not all at once: what is unfit when it is handed out would be made and deleted for ever.
        let is_tried = || self.namespaces().iter().any(|(_, fact)| fact.state == NamespaceState::Making);
        let failed = known.failures.max(known.spoiled) > 0;
        if failed && (is_tried() || !self.clock.reached(again_at(known))) {
            return;
        }
        let missing = if failed { missing.min(1) } else { missing };
        for number in 0..missing as u64 {
            let namespace = ids::namespace_name(installation, self.name, known.made + number);
            let (pool_name, cluster) = (self.name.clone(), pool.cluster.clone());
            plan.events.push(PoolEvent::Wanted { namespace, pool: pool_name, cluster, made_hash: pool.made_hash.to_string() });
        }
    }
}

/// When making is tried again after failures.
fn again_at(known: &PoolFact) -> Timestamp {
    let doublings = known.failures.max(known.spoiled).saturating_sub(1).min(16);
    let wait = Span::from_millis(BACKOFF.as_millis().saturating_mul(1 << doublings)).min(BACKOFF_MAX);
    known.failed_at.plus(wait)
}
