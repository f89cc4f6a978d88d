//! What people ask of pools.

use std::sync::Arc;

use towpath_domain::{PoolName, ReservationId, Span};
use towpath_engine::pool::{Holder, PoolEvent, ReservationEnd, ReservationFact, ReservationSpec, ReservationState};
use towpath_engine::{Event, Facts, reservation_of_person};

use super::shown::of_pool;
use crate::find::problem;
use crate::places;
use crate::request::{ExtendRequest, FreeRequest, ReserveRequest};
use crate::requests::check;
use crate::sight::Sight;
use crate::steer::Control;
use crate::view::{Accepted, Problem};

impl Control {
    /// Reserves a namespace of a pool for whoever asks. It is theirs once it is there: [`Control::reservation`] says how far that is.
    ///
    /// # Errors
    /// [`Problem`] when there is no such pool, or it gives no lease as long as that.
    pub async fn reserve(&self, request: ReserveRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        self.once_read().await;
        let spec = {
            let snapshot = self.world.current();
            let catalog = &snapshot.catalog;
            let Some(pool) = PoolName::new(&request.pool).ok().and_then(|name| catalog.pools.get(&name)).map(Arc::clone) else {
                return Err(self.unknown_pool(&Sight::Everything, &request.pool));
            };
            let lease = match &request.lease {
                None => pool.lease,
                Some(text) => lease_within(&pool, text)?,
            };
            let nonce = format!("{} {}", self.world.ledger.latest(), super::random_name().unwrap_or_default());
            let name = request.asked.by.clone();
            let id = reservation_of_person(&name, &pool.name, &nonce);
            let holder = Holder::Person { name, lease };
            ReservationSpec { id, pool: pool.name.clone(), holder, purpose: request.asked.why.clone(), urgent: false }
        };
        let (id, pool) = (spec.id.clone(), spec.pool.clone());
        self.record(&request.asked.by, Event::Pool(PoolEvent::Requested(spec))).await?;
        let text = format!("a namespace of {pool} is reserved as {id}");
        Ok(Accepted { text, reservation: Some(id), ..Accepted::default() })
    }

    /// Gives a person's lease another end: so long from now.
    ///
    /// # Errors
    /// [`Problem`] when nothing is called so, when it is no person's lease, or when the pool gives none as long as that.
    pub async fn extend(&self, request: ExtendRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let lease = lease_of(&request.lease)?;
        let (id, until) = {
            let snapshot = self.world.current();
            let facts = self.world.ledger.facts();
            let (id, fact) = reservation(&facts, &request.what)?;
            let ReservationState::Active { since, until: Some(_), .. } = &fact.state else {
                return Err(problem(
                    "not-extendable",
                    409,
                    "That lease cannot be extended",
                    match &fact.state {
                        ReservationState::Active { .. } => format!("{id} lasts as long as its run does"),
                        other => format!("{id} is {}", other.word()),
                    },
                    "`towpath namespace describe` says how it stands",
                ));
            };
            let until = self.world.clock.now().plus(lease);
            if let Some(pool) = snapshot.catalog.pools.get(&fact.spec.pool)
                && until.since(*since) > pool.longest
            {
                return Err(too_long(&pool.name, until.since(*since), pool.longest));
            }
            (id.clone(), until)
        };
        let by = request.asked.by;
        self.record(&by, Event::Pool(PoolEvent::Extended { reservation: id.clone(), until, by: by.clone() })).await?;
        Ok(Accepted { text: format!("{id} lasts until {until}"), reservation: Some(id), ..Accepted::default() })
    }

    /// Gives a namespace back: it is deleted, and who waits for one gets another. A reservation that still waits is given up.
    ///
    /// # Errors
    /// [`Problem`] when nothing is called so, or it belongs to a run.
    pub async fn free(&self, request: FreeRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let id = {
            let facts = self.world.ledger.facts();
            let (id, fact) = reservation(&facts, &request.what)?;
            if fact.state.is_ended() {
                return Err(problem(
                    "not-reserved",
                    409,
                    "That is over already",
                    format!("{id} is ended"),
                    "`towpath namespace list` lists what is reserved",
                ));
            }
            if let Holder::Run { run, .. } = &fact.spec.holder {
                return Err(problem(
                    "runs-own",
                    409,
                    "A run works with that namespace",
                    format!("{id} lasts as long as the run {run}"),
                    format!("`towpath cancel {run}` stops the run; its namespace goes with it"),
                ));
            }
            id.clone()
        };
        let by = request.asked.by;
        let end = ReservationEnd::Released { by: by.clone() };
        self.record(&by, Event::Pool(PoolEvent::Ended { reservation: id.clone(), end })).await?;
        Ok(Accepted { text: format!("{id} is given back"), reservation: Some(id), ..Accepted::default() })
    }

    /// There is no such pool, or none that may be seen: the answer is the same.
    pub(crate) fn unknown_pool(&self, sight: &Sight, name: &str) -> Problem {
        let snapshot = self.world.current();
        let seen = snapshot.catalog.pools.values().filter(|pool| places::seen(sight, &[of_pool(pool)]));
        let names: Vec<&str> = seen.map(|pool| pool.name.as_str()).collect();
        let broken = snapshot
            .catalog
            .broken_pools
            .iter()
            .filter(|_| *sight == Sight::Everything)
            .find(|broken| broken.name.as_ref().is_some_and(|known| known.as_str() == name));
        let there = if names.is_empty() { "there is none".to_owned() } else { format!("there are {}", names.join(", ")) };
        match broken {
            Some(broken) => problem(
                "broken-pool",
                409,
                "The pool's file cannot be used",
                format!("{}: {}", broken.path, broken.error),
                "`towpath validate` shows all that is wrong with it",
            ),
            None => self.or_unread(problem(
                "unknown-pool",
                404,
                "There is no such pool",
                format!("no pool is called {:?}: {there}", name.chars().take(100).collect::<String>()),
                "a pool is a file with `$schema: /towpath/pool-1.yml` in the config repository",
            )),
        }
    }
}

fn lease_of(text: &str) -> Result<Span, Problem> {
    match text.parse::<Span>() {
        Ok(lease) if lease > Span::from_millis(0) => Ok(lease),
        _ => Err(problem(
            "bad-lease",
            422,
            "That is no time",
            format!("{:?} is no span of time", text.chars().take(50).collect::<String>()),
            "write something like 90m or 2h",
        )),
    }
}

/// A lease as it was asked for, if the pool gives one as long as that.
pub(crate) fn lease_within(pool: &towpath_catalog::Pool, text: &str) -> Result<Span, Problem> {
    let lease = lease_of(text)?;
    if lease > pool.longest { Err(too_long(&pool.name, lease, pool.longest)) } else { Ok(lease) }
}

fn too_long(pool: &PoolName, lease: Span, longest: Span) -> Problem {
    problem(
        "lease-too-long",
        422,
        "The pool gives no lease as long as that",
        format!("{lease} was asked for, and {pool} gives {longest} at most, extended or not"),
        "ask for less, or raise `longest` in the pool's file",
    )
}

/// The reservation of this id, or the one that has the namespace of this name.
pub(super) fn reservation<'a>(facts: &'a Facts, what: &str) -> Result<(&'a ReservationId, &'a ReservationFact), Problem> {
    let by_id = facts.reservations.get_key_value(what);
    let by_namespace = || {
        let id = facts.namespaces.get(what)?.state.reservation()?;
        facts.reservations.get_key_value(id)
    };
    by_id.or_else(by_namespace).ok_or_else(|| {
        let known = facts.namespaces.contains_key(what);
        let why = if known { "nobody has reserved it" } else { "no namespace and no reservation is called so" };
        problem(
            "unknown-reservation",
            404,
            "Nothing of that name is reserved",
            format!("{:?}: {why}", what.chars().take(100).collect::<String>()),
            "`towpath namespace list` lists what there is",
        )
    })
}
