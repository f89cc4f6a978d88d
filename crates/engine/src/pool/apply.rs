//! What an event of a pool makes of the facts. Total, as all of the projection: an event that does not fit what is known changes nothing.

use towpath_domain::{NamespaceName, PoolName, ReservationId, Timestamp};

use super::event::{Holder, PoolEvent, ReservationEnd, ReservationSpec};
use super::facts::{Asked, NamespaceFact, NamespaceState, ReservationFact, ReservationState};
use crate::facts::{FactKey, Facts};

/// Ended reservations that are remembered: whoever waited for one hears how it ended.
const ENDED_MAX: usize = 300;

impl Facts {
    pub(crate) fn pool_event(&mut self, at: Timestamp, event: &PoolEvent) -> Vec<FactKey> {
        match event {
            PoolEvent::Named { name } => {
                if self.installation.is_some() {
                    return Vec::new();
                }
                self.installation = Some(name.clone());
                vec![FactKey::Installation]
            }
            PoolEvent::Wanted { namespace, pool, cluster, made_hash } => {
                if self.namespaces.contains_key(namespace) {
                    return Vec::new();
                }
                self.pools.entry(pool.clone()).or_default().made += 1;
                let fact = NamespaceFact {
                    pool: pool.clone(),
                    cluster: cluster.clone(),
                    made_hash: made_hash.clone(),
                    state: NamespaceState::Making,
                    since: at,
                    waits: String::new(),
                    leased: None,
                };
                self.namespaces.insert(namespace.clone(), fact);
                vec![FactKey::Pool(pool.clone()), FactKey::Namespace(namespace.clone())]
            }
            PoolEvent::Waits { namespace, what } => match self.namespaces.get_mut(namespace) {
                Some(fact) if fact.waits != *what => {
                    fact.waits.clone_from(what);
                    vec![FactKey::Namespace(namespace.clone())]
                }
                _ => Vec::new(),
            },
            PoolEvent::Ready { namespace } => {
                let Some(fact) = self.namespaces.get_mut(namespace).filter(|fact| fact.state == NamespaceState::Making) else {
                    return Vec::new();
                };
                turn(fact, at, NamespaceState::Ready);
                let pool = fact.pool.clone();
                let known = self.pools.entry(pool.clone()).or_default();
                known.failures = 0;
                if known.spoiled == 0 {
                    known.failure = String::new();
                }
                vec![FactKey::Pool(pool), FactKey::Namespace(namespace.clone())]
            }
            PoolEvent::Failed { namespace, why } => self.namespace_failed(at, namespace, why),
            PoolEvent::Surplus { namespace, why } => {
                let free = |fact: &&mut NamespaceFact| matches!(fact.state, NamespaceState::Making | NamespaceState::Ready);
                let Some(fact) = self.namespaces.get_mut(namespace).filter(free) else { return Vec::new() };
                turn(fact, at, NamespaceState::Ending { why: why.clone() });
                vec![FactKey::Namespace(namespace.clone())]
            }
            PoolEvent::Gone { namespace } => match self.namespaces.get(namespace) {
                Some(fact) if matches!(fact.state, NamespaceState::Ending { .. }) => {
                    self.namespaces.remove(namespace);
                    vec![FactKey::Namespace(namespace.clone())]
                }
                _ => Vec::new(),
            },
            PoolEvent::StrayRemoved { .. } => Vec::new(),
            PoolEvent::Requested(spec) => self.reservation_requested(at, spec),
            PoolEvent::Assigned { namespace, reservation } => {
                let (Some(fact), Some(wanted)) = (self.namespaces.get_mut(namespace), self.reservations.get_mut(reservation)) else {
                    return Vec::new();
                };
                if fact.state != NamespaceState::Ready || wanted.state != ReservationState::Waiting || fact.pool != wanted.spec.pool {
                    return Vec::new();
                }
                turn(fact, at, NamespaceState::Assigned { reservation: reservation.clone() });
                wanted.state = ReservationState::Assigned { namespace: namespace.clone() };
                vec![FactKey::Namespace(namespace.clone()), FactKey::Reservation(reservation.clone())]
            }
            PoolEvent::Granted { namespace, reservation } => {
                let (Some(fact), Some(wanted)) = (self.namespaces.get_mut(namespace), self.reservations.get_mut(reservation)) else {
                    return Vec::new();
                };
                let set_aside = fact.state == NamespaceState::Assigned { reservation: reservation.clone() }
                    && wanted.state == ReservationState::Assigned { namespace: namespace.clone() };
                if !set_aside {
                    return Vec::new();
                }
                turn(fact, at, NamespaceState::Reserved { reservation: reservation.clone() });
                wanted.state = active(namespace, &wanted.spec, at);
                let mut touched = vec![FactKey::Namespace(namespace.clone()), FactKey::Reservation(reservation.clone())];
                if let Some(known) = self.pools.get_mut(&fact.pool).filter(|known| known.spoiled > 0) {
                    known.spoiled = 0;
                    if known.failures == 0 {
                        known.failure = String::new();
                    }
                    touched.push(FactKey::Pool(fact.pool.clone()));
                }
                touched
            }
            PoolEvent::Leased { namespace, reservation, cluster } => {
                let Some(wanted) = self.reservations.get_mut(reservation).filter(|wanted| wanted.state == ReservationState::Waiting) else {
                    return Vec::new();
                };
                if self.namespaces.contains_key(namespace) {
                    return Vec::new();
                }
                wanted.state = active(namespace, &wanted.spec, at);
                wanted.asked = None;
                let fact = NamespaceFact {
                    pool: wanted.spec.pool.clone(),
                    cluster: cluster.clone(),
                    made_hash: String::new(),
                    state: NamespaceState::Reserved { reservation: reservation.clone() },
                    since: at,
                    waits: String::new(),
                    leased: Some(reservation.clone()),
                };
                self.namespaces.insert(namespace.clone(), fact);
                vec![FactKey::Namespace(namespace.clone()), FactKey::Reservation(reservation.clone())]
            }
            PoolEvent::Asked { reservation, cluster, says } => {
                let asked = Some(Asked { cluster: cluster.clone(), says: says.clone() });
                let waits = |fact: &&mut ReservationFact| fact.state == ReservationState::Waiting && fact.asked != asked;
                let Some(fact) = self.reservations.get_mut(reservation).filter(waits) else { return Vec::new() };
                fact.asked = asked;
                vec![FactKey::Reservation(reservation.clone())]
            }
            PoolEvent::Extended { reservation, until, .. } => match self.reservations.get_mut(reservation).map(|fact| &mut fact.state) {
                Some(ReservationState::Active { until: Some(before), warned, .. }) => {
                    (*before, *warned) = (*until, false);
                    vec![FactKey::Reservation(reservation.clone())]
                }
                _ => Vec::new(),
            },
            PoolEvent::Expires { reservation, .. } => match self.reservations.get_mut(reservation).map(|fact| &mut fact.state) {
                Some(ReservationState::Active { warned, .. }) if !*warned => {
                    *warned = true;
                    vec![FactKey::Reservation(reservation.clone())]
                }
                _ => Vec::new(),
            },
            PoolEvent::Ended { reservation, end } => self.reservation_ended(at, reservation, end),
        }
    }

    /// What it was set aside for goes on waiting, and keeps its place. What somebody has is theirs until it is over.
    fn namespace_failed(&mut self, at: Timestamp, namespace: &NamespaceName, why: &str) -> Vec<FactKey> {
        let Some(fact) = self.namespaces.get_mut(namespace) else { return Vec::new() };
        let mut touched = vec![FactKey::Namespace(namespace.clone())];
        match &fact.state {
            NamespaceState::Making => {
                let pool: PoolName = fact.pool.clone();
                let known = self.pools.entry(pool.clone()).or_default();
                known.failures = known.failures.saturating_add(1);
                (known.failed_at, known.failure) = (at, why.to_owned());
                touched.push(FactKey::Pool(pool));
            }
            NamespaceState::Ready => {}
            NamespaceState::Assigned { reservation } => {
                let pool: PoolName = fact.pool.clone();
                let known = self.pools.entry(pool.clone()).or_default();
                known.spoiled = known.spoiled.saturating_add(1);
                (known.failed_at, known.failure) = (at, why.to_owned());
                touched.push(FactKey::Pool(pool));
                if let Some(wanted) = self.reservations.get_mut(reservation) {
                    wanted.state = ReservationState::Waiting;
                    touched.push(FactKey::Reservation(reservation.clone()));
                }
            }
            NamespaceState::Reserved { .. } | NamespaceState::Ending { .. } => return Vec::new(),
        }
        turn(fact, at, NamespaceState::Ending { why: why.to_owned() });
        touched
    }

    fn reservation_requested(&mut self, at: Timestamp, spec: &ReservationSpec) -> Vec<FactKey> {
        if self.reservations.contains_key(&spec.id) {
            return Vec::new();
        }
        let fact = ReservationFact { spec: spec.clone(), requested_at: at, state: ReservationState::Waiting, asked: None };
        self.reservations.insert(spec.id.clone(), fact);
        vec![FactKey::Reservation(spec.id.clone())]
    }

    fn reservation_ended(&mut self, at: Timestamp, reservation: &ReservationId, end: &ReservationEnd) -> Vec<FactKey> {
        let Some(fact) = self.reservations.get_mut(reservation).filter(|fact| !fact.state.is_ended()) else { return Vec::new() };
        let namespace = fact.state.namespace().cloned();
        fact.state = ReservationState::Ended { namespace: namespace.clone(), at, end: end.clone() };
        let mut touched = vec![FactKey::Reservation(reservation.clone())];
        if let Some(namespace) = namespace
            && let Some(fact) = self.namespaces.get_mut(&namespace)
            && fact.state.reservation() == Some(reservation)
        {
            let why = match end {
                ReservationEnd::Released { by } => format!("released by {by}"),
                ReservationEnd::Expired => "its lease was over".to_owned(),
                ReservationEnd::RunEnded => "its run ended".to_owned(),
                ReservationEnd::Refused { why } | ReservationEnd::Lost { why } => why.clone(),
            };
            turn(fact, at, NamespaceState::Ending { why });
            touched.push(FactKey::Namespace(namespace));
        }
        touched.extend(self.cut_reservations());
        touched
    }

    /// Forgets the reservations that ended longest ago.
    fn cut_reservations(&mut self) -> Vec<FactKey> {
        let ended = |fact: &ReservationFact| match &fact.state {
            ReservationState::Ended { at, .. } => Some(*at),
            _ => None,
        };
        let mut all: Vec<(Timestamp, ReservationId)> =
            self.reservations.iter().filter_map(|(id, fact)| Some((ended(fact)?, id.clone()))).collect();
        let surplus = all.len().saturating_sub(ENDED_MAX);
        if surplus == 0 {
            return Vec::new();
        }
        all.sort_unstable();
        all.truncate(surplus);
        all.into_iter()
            .map(|(_, id)| {
                self.reservations.remove(&id);
                FactKey::Reservation(id)
            })
            .collect()
    }
}

fn turn(fact: &mut NamespaceFact, at: Timestamp, state: NamespaceState) {
    (fact.state, fact.since, fact.waits) = (state, at, String::new());
}

fn active(namespace: &NamespaceName, spec: &ReservationSpec, at: Timestamp) -> ReservationState {
    let until = match &spec.holder {
        Holder::Person { lease, .. } => Some(at.plus(*lease)),
        Holder::Run { .. } => None,
    };
    ReservationState::Active { namespace: namespace.clone(), since: at, until, warned: false }
}
