//! Namespaces that an operator leases: asked for, told of, extended, given back.

use towpath_cluster::ReservationStanding;
use towpath_domain::{NamespaceName, Span, Timestamp};
use towpath_engine::pool::{PoolEvent, ReservationState};

use super::given::{House, space};

fn active(namespace: &NamespaceName, expires: Option<Timestamp>) -> ReservationStanding {
    ReservationStanding::Active { namespace: namespace.clone(), expires }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_what_the_operator_says_until_it_gives_one() {
    let house = House::leased().await;
    let ann = house.ask("ann").await;
    let says = |words: &'static str| {
        house.until(words, {
            let ann = ann.clone();
            move |facts| facts.reservations.get(&ann)?.asked.as_ref().filter(|asked| asked.says.contains(words)).map(|_| ())
        })
    };
    says("the operator has not looked at it yet").await;
    let why = "pool default has no namespace free".to_owned();
    house.play(|play| drop(play.reservations.insert(ann.to_string(), ReservationStanding::Waiting { why, expires: None })));
    says("pool default has no namespace free").await;
    let namespace = space("ephemeral-1");
    house.play(|play| drop(play.reservations.insert(ann.to_string(), active(&namespace, None))));
    assert_eq!(house.until_active(&ann).await, namespace);
    assert!(house.world.ledger.facts().reservations[&ann].asked.is_none());
    house.release(&ann).await;
    house.until_play("the lease to be given back", |play| play.reservations.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_given_back_however_often_the_operator_is_away_and_the_server_killed() {
    let mut house = House::leased().await;
    let (ann, bob) = (house.ask("ann").await, house.ask("bob").await);
    house.until_play("the operator to be asked", |play| play.reservations.len() == 2).await;
    house.play(|play| play.keeps = 3);
    house.release(&ann).await;
    house.until_play("the first to be given back", |play| !play.reservations.contains_key(ann.as_str())).await;
    assert_eq!(house.cluster.play.borrow().released.iter().filter(|id| **id == ann.as_str()).count(), 4);

    // Given up while nobody keeps anything.
    house.stop().await;
    house.release(&bob).await;
    house.keep();
    house.until_play("the second to be given back", |play| play.reservations.is_empty()).await;
    // Once for each process: of the first it is asked again, and not with every event.
    house.until_play("the first to be asked about", |play| play.released.iter().filter(|id| **id == ann.as_str()).count() == 5).await;
    let cyd = house.ask("cyd").await;
    house.until_play("the operator to be asked", |play| play.reservations.contains_key(cyd.as_str())).await;
    assert_eq!(house.cluster.play.borrow().released.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_no_operators_any_more_leaves_nothing_there() {
    let house = House::leased().await;
    let ann = house.ask("ann").await;
    house.until_play("the operator to be asked", |play| !play.reservations.is_empty()).await;
    house.read(None);
    house.until_play("the reservation to be given back", |play| play.reservations.is_empty()).await;
    assert_eq!(house.state(&ann), ReservationState::Waiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_gives_to_two_is_one_persons_and_the_other_is_told() {
    let house = House::leased().await;
    let namespace = space("ephemeral-1");
    house.play(|play| play.makes = active(&namespace, None));
    let ann = house.ask("ann").await;
    house.until_active(&ann).await;
    let bob = house.ask("bob").await;
    let told = house.until("the other to be told", |facts| {
        facts.reservations.get(&bob)?.asked.as_ref().map(|asked| asked.says.clone()).filter(|says| !says.is_empty())
    });
    assert!(told.await.starts_with("it gives ephemeral-1, which is somebody else's"));
    let to_bob = |event: &PoolEvent| matches!(event, PoolEvent::Leased { reservation, .. } if *reservation == bob);
    assert!(!house.events().await.iter().any(to_bob));
    house.play(|play| drop(play.reservations.insert(bob.to_string(), active(&space("ephemeral-2"), None))));
    assert_eq!(house.until_active(&bob).await, space("ephemeral-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_extended_is_extended_at_the_operator_at_once() {
    let house = House::leased().await;
    let now = house.world.clock.now();
    let hour = Span::from_secs(3600);
    house.play(|play| play.makes = active(&space("ephemeral-1"), Some(now.plus(hour).plus(hour))));
    let ann = house.ask("ann").await;
    house.until_active(&ann).await;
    assert!(house.cluster.play.borrow().extended.is_empty(), "it lasts longer than it has to");
    let until = now.plus(Span::from_secs(3 * 3600));
    house.tell(PoolEvent::Extended { reservation: ann.clone(), until, by: "ann".into() }).await;
    house.until_play("the operator to be told", |play| play.extended.iter().any(|(id, _)| *id == ann.as_str())).await;
    let asked = house.world.ledger.facts().reservations[&ann].requested_at;
    assert_eq!(house.cluster.play.borrow().extended, [(ann.to_string(), until.since(asked))]);
}
