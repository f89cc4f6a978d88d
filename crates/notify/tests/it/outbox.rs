//! In order, at least once, and given up only after enough attempts.

use std::sync::Arc;

use towpath_ledger::{EventId, Ledger};
use towpath_notify::{DeliveryError, Sink};

use crate::support::*;

#[tokio::test]
async fn people_are_told_in_order_and_a_restart_goes_on_where_it_was() {
    let (directory, ledger) = fresh().await;
    fail_a_build(&ledger, "before-anybody-listened").await;
    let book = Notebook::new("book", []);
    ledger.outbox_register("book").await.unwrap();
    fail_a_build(&ledger, "a").await;
    let worker = Worker::start(&ledger, vec![book.clone()], 3);
    fail_a_build(&ledger, "b").await;
    assert_eq!(book.after(2).await, ["a", "b"]);
    settled(&ledger, "book").await;
    worker.stop().await;
    fail_a_build(&ledger, "c").await;
    ledger.close().await;
    drop(ledger);

    let ledger = Ledger::open(directory.path()).await.unwrap();
    let worker = Worker::start(&ledger, vec![book.clone()], 3);
    assert_eq!(book.after(3).await, ["a", "b", "c"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_sink_that_comes_back_tells_everything_and_nothing_out_of_order() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("book").await.unwrap();
    for name in ["a", "b", "c"] {
        fail_a_build(&ledger, name).await;
    }
    let book = Notebook::new("book", (0..4).map(|_| DeliveryError::passing("connection refused")));
    let worker = Worker::start(&ledger, vec![book.clone()], 5);
    assert_eq!(book.after(3).await, ["a", "b", "c"]);
    settled(&ledger, "book").await;
    assert!(ledger.dead_letters(10).await.unwrap().is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn what_fails_too_often_or_for_good_is_a_dead_letter_and_the_next_is_told() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("book").await.unwrap();
    for name in ["a", "b", "c"] {
        fail_a_build(&ledger, name).await;
    }
    let away = || DeliveryError::passing("connection refused");
    let book = Notebook::new("book", [away(), away(), away(), DeliveryError::permanent("no such channel")]);
    let other = Notebook::new("other", []);
    ledger.outbox_register("other").await.unwrap();
    fail_a_build(&ledger, "d").await;
    let sinks: Vec<Arc<dyn Sink>> = vec![book.clone(), other.clone()];
    let worker = Worker::start(&ledger, sinks, 3);

    assert_eq!(book.after(2).await, ["c", "d"]);
    assert_eq!(other.after(1).await, ["d"]);
    let dead = ledger.dead_letters(10).await.unwrap();
    let dead: Vec<_> = dead.iter().map(|dead| (dead.recorded.id, dead.attempts, dead.error.as_str(), dead.at)).collect();
    assert_eq!(dead, [(EventId::new(4), 1, "no such channel", at(99)), (EventId::new(2), 3, "connection refused", at(99))]);
    worker.stop().await;
}

#[tokio::test]
async fn a_sink_that_hangs_holds_up_neither_the_others_nor_the_end() {
    struct Hanging;
    impl Sink for Hanging {
        fn name(&self) -> &str {
            "hanging"
        }
        fn deliver<'a>(
            &'a self,
            _: &'a towpath_notify::Message,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
            Box::pin(std::future::pending())
        }
    }
    let (_directory, ledger) = fresh().await;
    for sink in ["hanging", "book"] {
        ledger.outbox_register(sink).await.unwrap();
    }
    fail_a_build(&ledger, "a").await;
    let book = Notebook::new("book", []);
    let worker = Worker::start(&ledger, vec![Arc::new(Hanging), book.clone()], 3);
    assert_eq!(book.after(1).await, ["a"]);
    worker.stop().await;
    // It was never told, so it is still there for the next start.
    assert_eq!(ledger.outbox_next("hanging").await.unwrap().map(|next| next.attempts), Some(0));
}

#[tokio::test]
async fn the_worker_ends_with_the_ledger() {
    let (_directory, ledger) = fresh().await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let book = Notebook::new("book", []);
    let sinks: Vec<Arc<dyn Sink>> = vec![book.clone()];
    let task = tokio::spawn(towpath_notify::run(ledger.clone(), sinks.into_iter().map(Into::into).collect(), settings(3), stopped));
    settled(&ledger, "book").await;
    fail_a_build(&ledger, "a").await;
    assert_eq!(book.after(1).await, ["a"]);
    ledger.close().await;
    tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
}
