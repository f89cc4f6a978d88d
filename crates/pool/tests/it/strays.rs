//! The look at what is on a cluster.

use towpath_engine::pool::PoolEvent;

use super::given::{House, space};

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_while_somebody_looks_is_no_stray_and_what_nobody_knows_of_is() {
    let mut house = House::kept().await;
    let known = house.ready("a-known").await;
    house.stop().await;
    let before = house.cluster.play.borrow().looks;
    house.play(|play| {
        (play.answers, play.ends) = (false, false);
        play.there.insert(space("b-stray"), None);
    });
    house.tell(PoolEvent::Surplus { namespace: known.clone(), why: "more are ready than the pool keeps".to_owned() }).await;
    house.keep();
    house.until_play("somebody to look", |play| play.looks > before).await;
    // It is seen, and goes before the answer comes.
    house.play(|play| play.ends = true);
    house.until("the known one to be gone", |facts| facts.namespaces.is_empty().then_some(())).await;
    house.play(|play| play.answers = true);
    house.until_play("the stray to be removed", |play| play.ended.contains(&space("b-stray"))).await;
    // What comes after the look is written after what it found.
    let mut news = house.world.ledger.subscribe();
    loop {
        let strays: Vec<_> = house.events().await.into_iter().filter(|event| matches!(event, PoolEvent::StrayRemoved { .. })).collect();
        if let [PoolEvent::StrayRemoved { namespace, .. }, ..] = &strays[..] {
            assert_eq!((namespace, strays.len()), (&space("b-stray"), 1));
            break;
        }
        news.changed().await.unwrap();
    }
    assert_eq!(house.cluster.play.borrow().ended, [known, space("b-stray")]);
}
