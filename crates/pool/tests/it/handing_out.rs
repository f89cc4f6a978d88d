//! A namespace on its way to who reserved it.

use towpath_cluster::{ClusterError, Refusal, Requester};
use towpath_engine::pool::{NamespaceState, PoolEvent, ReservationEnd, ReservationState};

use super::given::House;

fn not_to_nobody(to: &Requester) -> Result<(), ClusterError> {
    if to.name != "system:anonymous" {
        return Ok(());
    }
    let refusal = Refusal { object: format!("requester {}", to.name), field: String::new(), why: "is nobody in particular".to_owned() };
    Err(ClusterError::Refused { refusals: vec![refusal] })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_granted_anything_is_refused_and_no_other_namespace_is_tried() {
    let house = House::kept().await;
    house.play(|play| play.grants = not_to_nobody);
    let namespace = house.ready("smoke-1").await;
    let nobody = house.ask("system:anonymous").await;
    house.assign(&namespace, &nobody).await;
    house.until("the namespace to be gone", |facts| facts.namespaces.is_empty().then_some(())).await;
    let ReservationState::Ended { end: ReservationEnd::Refused { why }, .. } = house.state(&nobody) else {
        panic!("{:?}", house.state(&nobody));
    };
    assert_eq!(why, "requester system:anonymous: is nobody in particular");
    assert_eq!(house.world.ledger.facts().pools["smoke"].spoiled, 0, "it was the requester's fault");

    let namespace = house.ready("smoke-2").await;
    let ann = house.ask("ann").await;
    house.assign(&namespace, &ann).await;
    assert_eq!(house.until_active(&ann).await, namespace);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_to_allow_is_waited_for_with_the_namespace_and_told() {
    let house = House::kept().await;
    house.play(|play| {
        play.grants = |_| Err(ClusterError::Forbidden { cluster: "local".to_owned(), why: "cannot bind the role".to_owned() });
    });
    let namespace = house.ready("smoke-1").await;
    let ann = house.ask("ann").await;
    house.assign(&namespace, &ann).await;
    let waits = house.until("the reason to be told", |facts| {
        facts.namespaces.get(&namespace).map(|fact| fact.waits.clone()).filter(|waits| !waits.is_empty())
    });
    assert!(waits.await.contains("cannot bind the role"));
    assert_eq!(house.state(&ann), ReservationState::Assigned { namespace: namespace.clone() });
    house.play(|play| play.grants = |_| Ok(()));
    assert_eq!(house.until_active(&ann).await, namespace, "the same, and no other");
    assert_eq!(house.world.ledger.facts().namespaces[&namespace].waits, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_when_it_is_granted_or_that_is_dirty_goes_and_who_wanted_it_waits_on() {
    let house = House::kept().await;
    house.play(|play| {
        play.grants = |_| Err(ClusterError::NotFound { namespace: "smoke-1".to_owned(), what: "pool of installation us".to_owned() });
    });
    let ann = house.ask("ann").await;
    let lost = house.ready("smoke-1").await;
    house.assign(&lost, &ann).await;
    house.until("the lost one to be gone", |facts| facts.namespaces.is_empty().then_some(())).await;
    assert_eq!(house.state(&ann), ReservationState::Waiting);
    let dirty = house.ready("smoke-2").await;
    house.play(|play| drop(play.there.insert(dirty.clone(), Some("ConfigMap/left-over".to_owned()))));
    house.assign(&dirty, &ann).await;
    house.until("the dirty one to be gone", |facts| facts.namespaces.is_empty().then_some(())).await;
    assert_eq!(house.state(&ann), ReservationState::Waiting);
    let pool = house.world.ledger.facts().pools["smoke"].clone();
    assert_eq!((pool.spoiled, pool.failure.as_str()), (2, "it is not clean: ConfigMap/left-over was found in it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_before_the_config_repository_was_read() {
    let mut house = House::kept().await;
    let namespace = house.ready("smoke-1").await;
    let ann = house.ask("ann").await;
    house.stop().await;
    house.assign(&namespace, &ann).await;
    house.world.set_current(Default::default());
    house.keep();
    // Each is written to the disk: time enough for whoever does not wait.
    for _ in 0..100 {
        house.tell(PoolEvent::Named { name: "us".into() }).await;
    }
    assert_eq!(house.world.ledger.facts().namespaces[&namespace].state, NamespaceState::Assigned { reservation: ann.clone() });
    house.read(None);
    assert_eq!(house.until_active(&ann).await, namespace);
    assert!(!house.events().await.iter().any(|event| matches!(event, PoolEvent::Failed { .. })));
}
