//! Pools of ephemeral namespaces: who gets one, who waits why, and what no order of events breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use towpath_catalog::{BrokenPool, Catalog, Place, Pool};
use towpath_domain::*;
use towpath_engine::pool::*;
use towpath_engine::*;

fn pool(size: u32, limit: u32, each: Option<u32>) -> Pool {
    let span = |text: &str| text.parse::<Span>().unwrap();
    Pool {
        name: PoolName::new("smoke").unwrap(),
        cluster: ClusterName::new("local").unwrap(),
        app: None,
        environment: None,
        size,
        limit,
        lease: span("1h"),
        longest: span("12h"),
        warn: span("10m"),
        each,
        quotas: Vec::new(),
        limit_ranges: Vec::new(),
        secrets: None,
        manifests: Vec::new(),
        expected: Vec::new(),
        operator: None,
        made_hash: Arc::from("a"),
        place: Place { file: Arc::from("data/pool.yml"), line: 1, column: 1, start: 0, end: 1 },
    }
}

/// A world of one pool, whose cluster does what it is asked when it is told to.
struct House {
    catalog: Catalog,
    facts: Facts,
    now: Timestamp,
}

impl House {
    fn new(pool: Pool) -> Self {
        let mut catalog = Catalog::default();
        catalog.pools.insert(pool.name.clone(), Arc::new(pool));
        let mut house = Self { catalog, facts: Facts::default(), now: Timestamp::from_millis(1_000_000) };
        house.tell(PoolEvent::Named { name: "us".into() });
        house
    }

    fn change(&mut self, change: impl FnOnce(&mut Pool)) {
        let pool = Arc::make_mut(self.catalog.pools.values_mut().next().unwrap());
        change(pool);
    }

    fn tell(&mut self, event: PoolEvent) {
        self.facts.apply(self.now, &Event::Pool(event));
    }

    fn plan(&self) -> PoolPlan {
        plan_pools(&self.catalog, &self.facts, self.now)
    }

    /// Writes down what follows, until nothing does.
    fn settle(&mut self) {
        for _ in 0..200 {
            let events = self.plan().events;
            if events.is_empty() {
                return;
            }
            events.into_iter().for_each(|event| self.tell(event));
        }
        panic!("deciding does not come to an end: {:?}", self.plan().events);
    }

    fn later(&mut self, span: &str) {
        self.now = self.now.plus(span.parse().unwrap());
        self.settle();
    }

    fn ask(&mut self, who: &str, nonce: &str) -> ReservationId {
        self.ask_for(Holder::Person { name: who.into(), lease: "1h".parse().unwrap() }, nonce, false)
    }

    fn ask_for(&mut self, holder: Holder, nonce: &str, urgent: bool) -> ReservationId {
        let pool = PoolName::new("smoke").unwrap();
        let id = reservation_of_person(holder.owner(), &pool, nonce);
        self.tell(PoolEvent::Requested(ReservationSpec { id: id.clone(), pool, holder, purpose: String::new(), urgent }));
        self.settle();
        id
    }

    fn in_state(&self, word: &str) -> Vec<NamespaceName> {
        self.facts.namespaces.iter().filter(|(_, fact)| fact.state.word() == word).map(|(name, _)| name.clone()).collect()
    }

    /// The cluster does all that it is asked to.
    fn work(&mut self) {
        for _ in 0..50 {
            let before = self.facts.clone();
            for namespace in self.in_state("making") {
                self.tell(PoolEvent::Ready { namespace });
            }
            for namespace in self.in_state("assigned") {
                let reservation = self.facts.namespaces[&namespace].state.reservation().unwrap().clone();
                self.tell(PoolEvent::Granted { namespace, reservation });
            }
            for namespace in self.in_state("ending") {
                self.tell(PoolEvent::Gone { namespace });
            }
            self.settle();
            if self.facts == before {
                return;
            }
        }
    }

    fn state(&self, id: &ReservationId) -> &ReservationState {
        &self.facts.reservations[id].state
    }

    fn release(&mut self, id: &ReservationId) {
        self.tell(PoolEvent::Ended { reservation: id.clone(), end: ReservationEnd::Released { by: "ann".into() } });
        self.settle();
    }

    fn wait_of(&self, id: &ReservationId) -> (usize, usize, String) {
        match &self.plan().standings[id] {
            Standing::Waiting { position, of, wait } => (*position, *of, wait.text()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn as_many_as_the_pool_keeps_are_made_ahead_and_one_that_is_taken_is_made_good() {
    let mut house = House::new(pool(2, 5, None));
    house.settle();
    assert_eq!(house.in_state("making").len(), 2);
    house.work();
    assert_eq!(house.in_state("ready").len(), 2);
    let ann = house.ask("ann", "1");
    assert_eq!(house.in_state("assigned").len(), 1, "proven clean before it is handed out");
    house.work();
    assert!(matches!(house.state(&ann), ReservationState::Active { until: Some(_), .. }));
    assert_eq!(house.in_state("ready").len(), 2);
    house.release(&ann);
    assert_eq!(house.in_state("ending").len(), 1, "never handed out a second time");
    house.work();
    assert_eq!((house.in_state("ready").len(), house.facts.namespaces.len()), (2, 2));
}

#[test]
fn who_came_first_is_served_first_and_everybody_sees_their_place_and_who_holds_what() {
    let mut house = House::new(pool(1, 2, None));
    house.settle();
    house.work();
    let first = house.ask("ann", "1");
    let second = house.ask("bob", "1");
    house.work();
    let third = house.ask("cyd", "1");
    house.now = house.now.plus("1s".parse().unwrap());
    let fourth = house.ask("dan", "1");
    let urgent = house.ask_for(Holder::Person { name: "eve".into(), lease: "1h".parse().unwrap() }, "1", true);
    let (position, of, text) = house.wait_of(&urgent);
    assert_eq!((position, of), (1, 3));
    assert!(text.starts_with("all 2 namespaces of the pool are taken: held are smoke-") && text.contains("by ann until 1970"), "{text}");
    assert_eq!((house.wait_of(&third).0, house.wait_of(&fourth).0), (2, 3));
    for (gives, gets) in [(&first, &urgent), (&second, &third), (&urgent, &fourth)] {
        house.release(gives);
        house.work();
        assert!(matches!(house.state(gets), ReservationState::Active { .. }), "{gets}");
    }
}

#[test]
fn nobody_holds_more_than_each_may_and_nobody_waits_behind_them_for_it() {
    let mut house = House::new(pool(1, 5, Some(1)));
    house.settle();
    house.work();
    let one = house.ask("ann", "1");
    let two = house.ask("ann", "2");
    let bob = house.ask("bob", "1");
    house.work();
    assert!(matches!(house.state(&one), ReservationState::Active { .. }) && matches!(house.state(&bob), ReservationState::Active { .. }));
    let text = house.wait_of(&two).2;
    assert!(text.starts_with("ann may have 1 at a time, and has smoke-"), "{text}");
    assert_eq!(house.facts.namespaces.len(), 3, "none is made for who cannot have it");
    house.release(&one);
    house.work();
    assert!(matches!(house.state(&two), ReservationState::Active { .. }));
}

#[test]
fn a_dirty_namespace_is_never_handed_out_and_who_waited_for_it_keeps_their_place() {
    let mut house = House::new(pool(1, 3, None));
    house.settle();
    house.work();
    let ann = house.ask("ann", "1");
    let bob = house.ask("bob", "1");
    let dirty = house.in_state("assigned").remove(0);
    house.tell(PoolEvent::Failed { namespace: dirty.clone(), why: "ConfigMap/left-over is in it".into() });
    house.settle();
    assert_eq!(house.wait_of(&ann).0, 1);
    house.tell(PoolEvent::Granted { namespace: dirty.clone(), reservation: ann.clone() });
    assert!(matches!(house.state(&ann), ReservationState::Waiting), "what was found too late counts for nothing");
    house.work();
    let namespaces: Vec<_> = [&ann, &bob].map(|id| house.state(id).namespace().unwrap().clone()).to_vec();
    assert!(namespaces[0] != namespaces[1] && !namespaces.contains(&dirty));
}

#[test]
fn a_lease_ends_by_time_is_told_before_and_may_be_extended() {
    let mut house = House::new(pool(1, 2, None));
    house.settle();
    house.work();
    house.later("30m");
    let ann = house.ask("ann", "1");
    house.work();
    assert_eq!(house.plan().valid_until, Some(house.now.plus("50m".parse().unwrap())), "time spent waiting does not count");
    house.later("50m");
    assert!(matches!(house.state(&ann), ReservationState::Active { warned: true, .. }));
    let until = house.now.plus("1h".parse().unwrap());
    house.tell(PoolEvent::Extended { reservation: ann.clone(), until, by: "ann".into() });
    house.later("11m");
    assert!(matches!(house.state(&ann), ReservationState::Active { warned: false, .. }), "it goes on");
    house.later("49m");
    assert!(matches!(house.state(&ann), ReservationState::Ended { end: ReservationEnd::Expired, .. }));
    house.work();
    assert_eq!(house.facts.namespaces.len(), 1);
}

#[test]
fn what_a_run_holds_it_holds_as_long_as_it_runs_and_not_a_moment_longer() {
    let mut house = House::new(pool(1, 1, None));
    house.settle();
    house.work();
    let run = RunId::new("check-1").unwrap();
    let work = Work::Delete { target: TargetId::new("t").unwrap() };
    let spec = RunSpec { id: run.clone(), attempt: 1, work, why: String::new(), after: None };
    house.facts.apply(house.now, &Event::RunQueued(spec));
    let id = house.ask_for(Holder::Run { run: run.clone(), owner: "web".into() }, "1", false);
    house.work();
    house.later("30d");
    assert!(matches!(house.state(&id), ReservationState::Active { until: None, .. }));
    house.facts.apply(house.now, &Event::RunFinished { run, outcome: Outcome::Cancelled { by: "a newer push".into() } });
    house.settle();
    assert!(matches!(house.state(&id), ReservationState::Ended { end: ReservationEnd::RunEnded, .. }));
    assert_eq!(house.in_state("ending").len(), 1);
}

#[test]
fn a_failure_is_tried_again_later_and_later_one_at_a_time_and_says_why() {
    let mut house = House::new(pool(3, 5, None));
    house.settle();
    for namespace in house.in_state("making") {
        house.tell(PoolEvent::Failed { namespace, why: "the quota is refused: pods must be a number".into() });
    }
    house.settle();
    let ann = house.ask("ann", "1");
    assert!(house.wait_of(&ann).2.contains("the quota is refused"), "{}", house.wait_of(&ann).2);
    house.in_state("ending").into_iter().for_each(|namespace| house.tell(PoolEvent::Gone { namespace }));
    house.settle();
    assert_eq!(house.in_state("making").len(), 0);
    house.later("19999ms");
    assert_eq!(house.in_state("making").len(), 0);
    house.later("1ms");
    assert_eq!(house.in_state("making").len(), 1);
    house.work();
    assert_eq!(house.in_state("ready").len(), 3, "once one went well, the others follow");
}

#[test]
fn what_is_never_fit_when_it_is_handed_out_is_made_again_later_and_later_until_one_is_handed_out() {
    let mut house = House::new(pool(2, 4, None));
    house.settle();
    house.work();
    let spoil = |house: &mut House| {
        let count = house.in_state("assigned").len();
        for namespace in house.in_state("assigned") {
            house.tell(PoolEvent::Failed { namespace, why: "it is not clean: ConfigMap/left-over was found in it".into() });
        }
        house.settle();
        house.in_state("ending").into_iter().for_each(|namespace| house.tell(PoolEvent::Gone { namespace }));
        house.settle();
        count
    };
    let ann = house.ask("ann", "1");
    assert_eq!((spoil(&mut house), spoil(&mut house)), (1, 1), "what was ready already is tried at once");
    let ready = |house: &mut House| house.in_state("making").into_iter().for_each(|namespace| house.tell(PoolEvent::Ready { namespace }));
    // What was being made meanwhile is tried, too; then it takes longer and longer.
    ready(&mut house);
    house.settle();
    while spoil(&mut house) > 0 {}
    let mut waited = Vec::new();
    for _ in 0..4 {
        let text = house.wait_of(&ann).2;
        assert!(text.starts_with("a namespace could not be handed out, and another one is made at 1970"), "{text}");
        assert!(text.ends_with("it is not clean: ConfigMap/left-over was found in it"), "{text}");
        let (begun, at) = (house.now, house.plan().valid_until.unwrap());
        house.now = at;
        house.settle();
        waited.push(at.since(begun).as_millis() / 1000);
        assert_eq!(house.in_state("making").len(), 1, "one, and not all at once");
        ready(&mut house);
        house.settle();
        assert_eq!(spoil(&mut house), 1);
    }
    assert!(waited.windows(2).all(|pair| pair[1] == 2 * pair[0]), "{waited:?}");
    house.later("10m");
    house.work();
    assert!(matches!(house.state(&ann), ReservationState::Active { .. }));
    let known = &house.facts.pools["smoke"];
    assert_eq!((known.spoiled, known.failure.as_str(), house.in_state("ready").len()), (0, "", 2), "one that was handed out ends it");
}

#[test]
fn what_an_operator_says_is_told_to_who_waits_and_where_it_was_asked_is_known_until_it_gives() {
    let mut house = House::new(pool(2, 4, None));
    house.settle();
    house.work();
    house.change(|pool| pool.operator = Some("default".into()));
    house.settle();
    let ends = house.facts.namespaces.values().map(|fact| &fact.state);
    let why = "the pool smoke leases its namespaces from the operator of local now".to_owned();
    assert!(
        ends.clone().count() == 2 && ends.clone().all(|state| *state == NamespaceState::Ending { why: why.clone() }),
        "{:?}",
        house.facts
    );
    house.work();
    let ann = house.ask("ann", "1");
    assert_eq!(house.wait_of(&ann).2, "the cluster's operator has not given one yet");
    let cluster = ClusterName::new("local").unwrap();
    let says = |says: &str| PoolEvent::Asked { reservation: ann.clone(), cluster: cluster.clone(), says: says.into() };
    house.tell(says("pool default has no namespace free"));
    assert_eq!(house.wait_of(&ann).2, "the cluster's operator: pool default has no namespace free");
    let before = house.facts.clone();
    assert!(house.facts.apply(house.now, &Event::Pool(says("pool default has no namespace free"))).is_empty());
    assert_eq!(house.facts, before);

    let bob = house.ask("bob", "1");
    house.tell(PoolEvent::Asked { reservation: bob.clone(), cluster: cluster.clone(), says: String::new() });
    house.release(&bob);
    assert_eq!(
        house.facts.reservations[&bob].asked.as_ref().map(|asked| asked.cluster.as_str()),
        Some("local"),
        "it is to be given back there"
    );
    let namespace = NamespaceName::new("ephemeral-1").unwrap();
    house.tell(PoolEvent::Leased { namespace, reservation: ann.clone(), cluster: cluster.clone() });
    assert!(house.facts.reservations[&ann].asked.is_none(), "it was given");
    house.tell(says("too late"));
    assert!(house.facts.reservations[&ann].asked.is_none());
}

#[test]
fn what_was_written_before_an_operators_words_were_kept_is_read() {
    let fact = r#"{"spec": {"id": "r", "pool": "smoke", "holder": {"holder": "person", "name": "ann", "lease": "1h"}}, "requested_at": 5, "state": {"state": "waiting"}}"#;
    let fact: ReservationFact = serde_json::from_str(fact).unwrap();
    assert_eq!((fact.asked.clone(), fact.state.clone()), (None, ReservationState::Waiting));
    assert!(!serde_json::to_string(&fact).unwrap().contains("asked"));
    let fact: PoolFact = serde_json::from_str(r#"{"made": 3}"#).unwrap();
    assert_eq!((fact.made, fact.spoiled), (3, 0));
}

#[test]
fn a_pool_that_is_changed_made_smaller_broken_or_removed_lets_nobody_down_who_has_one() {
    let mut house = House::new(pool(2, 4, None));
    house.settle();
    house.work();
    let ann = house.ask("ann", "1");
    house.work();
    let before: BTreeSet<_> = house.in_state("ready").into_iter().collect();
    house.change(|pool| pool.made_hash = Arc::from("b"));
    house.settle();
    assert!(house.in_state("ready").is_empty(), "what was made otherwise is not handed out");
    house.work();
    assert!(house.in_state("ready").into_iter().all(|name| !before.contains(&name)));
    house.change(|pool| pool.size = 0);
    house.settle();
    assert_eq!((house.in_state("ready").len(), house.in_state("ending").len()), (0, 2));
    house.work();

    let pool = house.catalog.pools.pop_first().unwrap().1;
    house.catalog.broken_pools.push(BrokenPool { path: "data/pool.yml".into(), name: Some(pool.name.clone()), error: "no".into() });
    let bob = house.ask("bob", "1");
    assert_eq!(house.wait_of(&bob).2, "the pool's file cannot be used: data/pool.yml: no");
    house.catalog.broken_pools.clear();
    house.settle();
    assert!(matches!(house.state(&bob), ReservationState::Ended { end: ReservationEnd::Refused { .. }, .. }));
    assert!(matches!(house.state(&ann), ReservationState::Active { .. }));
    house.release(&ann);
    house.work();
    assert!(house.facts.namespaces.is_empty());
}

#[test]
fn a_limit_that_is_lowered_takes_from_what_is_ready_and_from_nobody() {
    let mut house = House::new(pool(3, 5, None));
    house.settle();
    house.work();
    let held: Vec<_> = ["ann", "bob"].map(|who| house.ask(who, "1")).to_vec();
    house.work();
    assert_eq!(house.facts.namespaces.len(), 5);
    house.change(|pool| pool.limit = 3);
    house.settle();
    house.work();
    assert_eq!((house.in_state("ready").len(), house.in_state("reserved").len()), (1, 2));
    assert!(held.iter().all(|id| matches!(house.state(id), ReservationState::Active { .. })));
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Ask(u8),
    Release(Index),
    Ready(Index),
    Fail(Index),
    Grant(Index),
    /// A grant that comes too late, or to somebody else.
    WrongGrant(Index, Index),
    Gone(Index),
    Later(u32),
    Size(u8),
    Limit(u8),
    Make(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        4 => (0..4_u8).prop_map(Step::Ask),
        3 => index().prop_map(Step::Release),
        5 => index().prop_map(Step::Ready),
        1 => index().prop_map(Step::Fail),
        5 => index().prop_map(Step::Grant),
        1 => (index(), index()).prop_map(|(a, b)| Step::WrongGrant(a, b)),
        4 => index().prop_map(Step::Gone),
        2 => (0..4_000_000_u32).prop_map(Step::Later),
        1 => (0..5_u8).prop_map(Step::Size),
        1 => (1..6_u8).prop_map(Step::Limit),
        1 => (0..3_u8).prop_map(Step::Make),
    ]
}

/// What must hold at any moment.
fn check(house: &House, granted: &mut BTreeMap<NamespaceName, ReservationId>) {
    let mut holders: BTreeMap<&ReservationId, &NamespaceName> = BTreeMap::new();
    for (name, fact) in &house.facts.namespaces {
        let Some(reservation) = fact.state.reservation() else { continue };
        assert!(holders.insert(reservation, name).is_none(), "{reservation} has two namespaces");
        assert_eq!(house.facts.reservations[reservation].state.namespace(), Some(name), "both sides say the same");
        if matches!(fact.state, NamespaceState::Reserved { .. }) {
            let first = granted.entry(name.clone()).or_insert_with(|| reservation.clone());
            assert_eq!(first, reservation, "{name} was handed out twice");
        }
    }
    for (id, fact) in &house.facts.reservations {
        if let ReservationState::Assigned { namespace } | ReservationState::Active { namespace, .. } = &fact.state {
            assert_eq!(holders.get(id), Some(&namespace), "{id} has what it says it has");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_gives_a_namespace_twice_goes_beyond_the_limit_or_leaves_anybody_waiting_for_ever(
        steps in proptest::collection::vec(step(), 1..80), each in proptest::option::of(1..3_u32),
    ) {
        let mut house = House::new(pool(2, 4, each));
        house.settle();
        let mut granted = BTreeMap::new();
        let pick = |index: &Index, names: Vec<NamespaceName>| if names.is_empty() { None } else { Some(index.get(&names).clone()) };
        for (number, step) in steps.iter().enumerate() {
            let alive = house.facts.namespaces.len();
            match step {
                Step::Ask(who) => { house.ask(["ann", "bob", "cyd", "dan"][*who as usize], &number.to_string()); }
                Step::Release(index) => {
                    let open: Vec<_> = house.facts.reservations.iter().filter(|(_, fact)| !fact.state.is_ended()).map(|(id, _)| id.clone()).collect();
                    if !open.is_empty() { let id = index.get(&open).clone(); house.release(&id); }
                }
                Step::Ready(index) => if let Some(namespace) = pick(index, house.in_state("making")) { house.tell(PoolEvent::Ready { namespace }); },
                Step::Fail(index) => {
                    let all: Vec<_> = house.facts.namespaces.keys().cloned().collect();
                    if let Some(namespace) = pick(index, all) { house.tell(PoolEvent::Failed { namespace, why: "no".into() }); }
                }
                Step::Grant(index) => if let Some(namespace) = pick(index, house.in_state("assigned")) {
                    let reservation = house.facts.namespaces[&namespace].state.reservation().unwrap().clone();
                    house.tell(PoolEvent::Granted { namespace, reservation });
                },
                Step::WrongGrant(a, b) => {
                    let all: Vec<_> = house.facts.namespaces.keys().cloned().collect();
                    let ids: Vec<_> = house.facts.reservations.keys().cloned().collect();
                    if let (Some(namespace), false) = (pick(a, all), ids.is_empty()) {
                        let reservation = b.get(&ids).clone();
                        let right = house.facts.namespaces[&namespace].state.reservation() == Some(&reservation);
                        house.tell(PoolEvent::Assigned { namespace: namespace.clone(), reservation: reservation.clone() });
                        if !right { house.tell(PoolEvent::Granted { namespace, reservation }); }
                    }
                }
                Step::Gone(index) => if let Some(namespace) = pick(index, house.in_state("ending")) { house.tell(PoolEvent::Gone { namespace }); },
                Step::Later(millis) => house.now = house.now.plus(Span::from_millis(u64::from(*millis))),
                Step::Size(size) => house.change(|pool| { pool.size = u32::from(*size); pool.limit = pool.limit.max(pool.size); }),
                Step::Limit(limit) => house.change(|pool| { pool.limit = u32::from(*limit); pool.size = pool.size.min(pool.limit); }),
                Step::Make(hash) => house.change(|pool| pool.made_hash = Arc::from(hash.to_string())),
            }
            house.settle();
            check(&house, &mut granted);
            let limit = house.catalog.pools.values().next().unwrap().limit as usize;
            prop_assert!(house.facts.namespaces.len() <= limit.max(alive), "more than the limit");
        }
        // In the end everybody gives theirs back, and everybody who waited gets one, in turn.
        for _ in 0..200 {
            house.later("10m");
            house.work();
            check(&house, &mut granted);
            let active: Vec<_> = house.facts.reservations.iter().filter(|(_, fact)| matches!(fact.state, ReservationState::Active { .. })).map(|(id, _)| id.clone()).collect();
            let open = house.facts.reservations.values().filter(|fact| !fact.state.is_ended()).count();
            if open == 0 { break; }
            active.first().into_iter().for_each(|id| house.release(&id.clone()));
        }
        let left: Vec<_> = house.facts.reservations.iter().filter(|(_, fact)| !fact.state.is_ended()).collect();
        prop_assert!(left.is_empty(), "left waiting: {left:?}");
        for _ in 0..4 {
            house.later("10m");
            house.work();
        }
        let size = house.catalog.pools.values().next().unwrap().size as usize;
        prop_assert_eq!((house.facts.namespaces.len(), house.in_state("ready").len()), (size, size));
    }

    /// What is kept row by row is what there was.
    #[test]
    fn facts_of_pools_are_kept_and_come_back_as_they_were(asks in 1..6_u8) {
        let mut house = House::new(pool(2, 3, None));
        house.settle();
        for number in 0..asks { house.ask("ann", &number.to_string()); }
        house.work();
        let mut again = Facts::default();
        for key in house.facts.keys() { again.put(&key, house.facts.get(&key).unwrap()).unwrap(); }
        prop_assert_eq!(again, house.facts);
    }
}
