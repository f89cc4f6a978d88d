//! What is to be done once is done once: across restarts, and whoever else uses the same key.

use towpath_ledger::{Begun, Ledger};

use crate::support::*;

const DAY: i64 = 24 * 3600 * 1000;

#[tokio::test]
async fn a_key_is_taken_once_and_its_answer_outlives_a_restart() {
    let (directory, ledger) = fresh().await;
    assert_eq!(ledger.begin_once("ada/1", "hold web", at(1)).await.unwrap(), Begun::New);
    assert_eq!(ledger.begin_once("ada/1", "hold web", at(1)).await.unwrap(), Begun::Unended);
    assert_eq!(ledger.begin_once("ada/1", "hold shop", at(1)).await.unwrap(), Begun::Other);
    ledger.end_once("ada/1", Some("held")).await.unwrap();
    assert_eq!(ledger.begin_once("ada/2", "retry web", at(1)).await.unwrap(), Begun::New);
    ledger.close().await;
    drop(ledger);

    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(ledger.begin_once("ada/1", "hold web", at(2)).await.unwrap(), Begun::Done("held".to_owned()));
    assert_eq!(ledger.begin_once("ada/1", "hold shop", at(2)).await.unwrap(), Begun::Other);
    assert_eq!(ledger.begin_once("ada/2", "retry web", at(2)).await.unwrap(), Begun::Unended, "nobody knows whether it was done");
    assert!(ledger.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_and_what_was_done_stays_done() {
    let (_directory, ledger) = fresh().await;
    assert_eq!(ledger.begin_once("k", "r", at(1)).await.unwrap(), Begun::New);
    ledger.end_once("k", None).await.unwrap();
    assert_eq!(ledger.begin_once("k", "r", at(2)).await.unwrap(), Begun::New);
    ledger.end_once("k", Some("done")).await.unwrap();
    ledger.end_once("k", None).await.unwrap();
    assert_eq!(ledger.begin_once("k", "r", at(3)).await.unwrap(), Begun::Done("done".to_owned()));
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day() {
    let (_directory, ledger) = fresh().await;
    ledger.begin_once("old", "r", at(0)).await.unwrap();
    ledger.begin_once("young", "r", at(DAY / 2)).await.unwrap();
    assert_eq!(ledger.begin_once("old", "other", at(DAY + 1)).await.unwrap(), Begun::New);
    assert_eq!(ledger.begin_once("young", "r", at(DAY + 1)).await.unwrap(), Begun::Unended);
}
