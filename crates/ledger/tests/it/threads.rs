//! What sinks keep of releases outlives a restart, goes into backups, and does not grow for ever.

use towpath_ledger::{Error, EventId, Ledger, Thread, restore};

use crate::support::*;

fn thread(event: i64, state: &str) -> Thread {
    Thread { event: EventId::new(event), state: state.to_owned(), error: None }
}

#[tokio::test]
async fn the_place_of_a_message_outlives_a_restart_and_a_backup() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![queued(build("r1", 1)), finished("r1", failed())]).await.unwrap();
    assert!(matches!(ledger.note_thread("chat", "a/b", &thread(2, "{}"), at(1)).await, Err(Error::UnknownSink { .. })));
    ledger.outbox_register("chat").await.unwrap();
    ledger.note_thread("chat", "a/b", &thread(1, "{}"), at(1)).await.unwrap();
    let gave_up = Thread { error: Some("no such channel".into()), ..thread(2, r#"{"ts":"1.2"}"#) };
    ledger.note_thread("chat", "a/b", &gave_up, at(2)).await.unwrap();
    ledger.note_thread("chat", "c/d", &thread(2, "{}"), at(2)).await.unwrap();
    let copy = directory.path().join("copy.db");
    ledger.backup(&copy).await.unwrap();
    assert!(ledger.verify().await.unwrap().is_clean());
    drop(ledger);

    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(ledger.thread("chat", "a/b").await.unwrap(), Some(gave_up.clone()));
    assert!(ledger.rebuild().await.unwrap().is_empty());
    assert_eq!(ledger.threads("chat", "a/").await.unwrap(), [("a/b".to_owned(), gave_up.clone())], "counting anew leaves it alone");
    ledger.forget_thread("chat", "a/b").await.unwrap();
    assert_eq!(ledger.thread("chat", "a/b").await.unwrap(), None);
    drop(ledger);

    let place = directory.path().join("restored");
    restore(&copy, &place, false, at(3)).await.unwrap();
    let ledger = Ledger::open(&place).await.unwrap();
    assert_eq!(ledger.thread("chat", "a/b").await.unwrap(), Some(gave_up));
}

#[tokio::test]
async fn threads_of_long_ago_are_forgotten() {
    const DAY: i64 = 24 * 3600 * 1000;
    let (_directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![queued(build("r1", 1))]).await.unwrap();
    ledger.outbox_register("chat").await.unwrap();
    ledger.note_thread("chat", "old", &thread(1, "{}"), at(0)).await.unwrap();
    ledger.note_thread("chat", "young", &thread(1, "{}"), at(10 * DAY)).await.unwrap();
    assert!(ledger.thread("chat", "old").await.unwrap().is_some());
    ledger.note_thread("chat", "new", &thread(1, "{}"), at(91 * DAY)).await.unwrap();
    let kept: Vec<String> = ledger.threads("chat", "").await.unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(kept, ["new", "young"]);
}

#[tokio::test]
async fn a_ledger_of_the_first_format_is_brought_up_to_date_and_has_what_began_in_its_outbox() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![queued(build("r1", 1)), started("r1"), finished("r1", failed())]).await.unwrap();
    ledger.close().await;
    drop(ledger);
    let first = "DROP TABLE threads; DROP TABLE once; DROP TABLE commits; DROP TABLE sessions; DROP TABLE tokens; DROP TABLE tests; DROP TABLE test_runs;
                 DROP INDEX runs_by_finished; DROP INDEX runs_by_outcome; DROP INDEX steps_of_reports;
                 DELETE FROM ledger_format WHERE version > 1; DELETE FROM outbox WHERE event = 2;
                 UPDATE counted SET version = '0.1.0 rules 2'";
    tamper(&directory.path().join("ledger.db"), first).await;
    assert!(matches!(Ledger::read_only(directory.path()).await, Err(Error::TooOld { found: 1, .. })));

    let ledger = Ledger::open(directory.path()).await.unwrap();
    ledger.outbox_register("chat").await.unwrap();
    ledger.note_thread("chat", "a", &thread(3, "{}"), at(1)).await.unwrap();
    assert!(ledger.verify().await.unwrap().is_clean());
    assert_eq!(ledger.outbox_next("chat").await.unwrap(), None, "nobody is told of long ago");
}
