//! Each sink tells each event, in order, at least once.

use towpath_ledger::{Error, EventId, Ledger};

use crate::support::*;

#[tokio::test]
async fn a_sink_begins_with_what_happens_after_it_was_first_seen_and_goes_on_where_it_was() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![queued(build("r1", 1)), finished("r1", failed())]).await.unwrap();
    ledger.outbox_register("log").await.unwrap();
    assert_eq!(ledger.outbox_next("log").await.unwrap(), None);
    ledger.append(None, "c", at(2), vec![queued(build("r2", 2)), finished("r2", failed()), queued(build("r3", 3))]).await.unwrap();
    ledger.append(None, "c", at(3), vec![finished("r3", built(3))]).await.unwrap();

    let next = ledger.outbox_next("log").await.unwrap().unwrap();
    assert_eq!((next.recorded.id, next.attempts), (EventId::new(4), 0));
    ledger.outbox_delivered("log", next.recorded.id).await.unwrap();
    drop(ledger);

    let again = Ledger::open(directory.path()).await.unwrap();
    again.outbox_register("log").await.unwrap();
    assert_eq!(again.outbox_next("log").await.unwrap().unwrap().recorded.id, EventId::new(6));
    // Told twice: nothing goes back.
    again.outbox_delivered("log", EventId::new(4)).await.unwrap();
    assert_eq!(again.outbox_next("log").await.unwrap().unwrap().recorded.id, EventId::new(6));
    assert!(matches!(again.outbox_next("mail").await, Err(Error::UnknownSink { .. })));
}

#[tokio::test]
async fn what_cannot_be_told_is_kept_as_a_dead_letter_and_holds_up_only_its_own_sink() {
    let (directory, ledger) = fresh().await;
    ledger.outbox_register("chat").await.unwrap();
    ledger.outbox_register("log").await.unwrap();
    ledger.append(None, "c", at(1), vec![queued(build("r1", 1)), finished("r1", failed())]).await.unwrap();
    ledger.append(None, "c", at(1), vec![queued(build("r2", 1)), finished("r2", failed())]).await.unwrap();
    let event = EventId::new(2);
    assert_eq!(ledger.outbox_failed("chat", event, "connection refused").await.unwrap(), 1);
    drop(ledger);
    // Attempts are counted across restarts.
    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(ledger.outbox_next("chat").await.unwrap().unwrap().attempts, 1);
    assert_eq!(ledger.outbox_failed("chat", event, "connection refused").await.unwrap(), 2);
    let states = ledger.sinks().await.unwrap();
    assert_eq!(
        states.iter().map(|state| (state.name.as_str(), state.waiting, state.attempts)).collect::<Vec<_>>(),
        [("chat", 2, 2), ("log", 2, 0)]
    );
    assert_eq!(states[0].error.as_deref(), Some("connection refused"));

    ledger.outbox_dead("chat", event, "gave up: connection refused", at(9)).await.unwrap();
    let next = ledger.outbox_next("chat").await.unwrap().unwrap();
    assert_eq!((next.recorded.id, next.attempts), (EventId::new(4), 0));
    let dead = ledger.dead_letters(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].sink.as_str(), dead[0].recorded.id, dead[0].attempts, dead[0].at), ("chat", event, 2, at(9)));
    assert_eq!(ledger.outbox_next("log").await.unwrap().unwrap().recorded.id, event);
    assert!(ledger.verify().await.unwrap().is_clean());
}
