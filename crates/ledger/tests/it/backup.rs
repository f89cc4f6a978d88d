//! Copies are whole, and put back without losing what was there.

use towpath_ledger::{Error, EventId, Ledger, restore};

use crate::support::*;

#[tokio::test]
async fn a_backup_taken_while_it_runs_is_put_back_and_the_old_one_kept_aside() {
    let (directory, ledger) = fresh().await;
    let backup = directory.path().join("backup.db");
    ledger.append(None, "c", at(1), vec![config_seen(1), queued(build("r1", 1))]).await.unwrap();
    let then = ledger.facts().clone();
    ledger.backup(&backup).await.unwrap();
    assert!(matches!(ledger.backup(&backup).await, Err(Error::Exists { .. })));
    ledger.append(None, "c", at(2), vec![config_seen(2)]).await.unwrap();

    let busy = restore(&backup, directory.path(), true, at(9)).await;
    assert!(matches!(busy, Err(Error::InUse { .. })), "{busy:?}");
    ledger.close().await;
    drop(ledger);
    let there = restore(&backup, directory.path(), false, at(9)).await;
    assert!(matches!(there, Err(Error::Exists { .. })), "{there:?}");
    assert_eq!(Ledger::read_only(directory.path()).await.unwrap().latest(), EventId::new(3));

    let restored = restore(&backup, directory.path(), true, at(9)).await.unwrap();
    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(*ledger.facts(), then);
    assert!(ledger.verify().await.unwrap().is_clean());
    ledger.append(None, "c", at(10), vec![config_seen(3)]).await.unwrap();

    // The one before is a whole ledger, too.
    let aside = tempfile::tempdir().unwrap();
    std::fs::copy(restored.aside.unwrap(), aside.path().join("ledger.db")).unwrap();
    assert_eq!(Ledger::read_only(aside.path()).await.unwrap().latest(), EventId::new(3));
}

#[tokio::test]
async fn a_ledger_that_was_killed_is_kept_aside_with_its_journal() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![config_seen(1)]).await.unwrap();
    let backup = directory.path().join("backup.db");
    ledger.backup(&backup).await.unwrap();
    ledger.append(None, "c", at(2), vec![config_seen(2)]).await.unwrap();
    // What a killed process leaves: the file and a journal that was not folded in.
    let killed = tempfile::tempdir().unwrap();
    for name in ["ledger.db", "ledger.db-wal"] {
        std::fs::copy(directory.path().join(name), killed.path().join(name)).unwrap();
    }
    let restored = restore(&backup, killed.path(), true, at(9)).await.unwrap();
    assert_eq!(Ledger::open(killed.path()).await.unwrap().latest(), EventId::new(1));
    let aside = restored.aside.unwrap();
    let again = tempfile::tempdir().unwrap();
    std::fs::copy(&aside, again.path().join("ledger.db")).unwrap();
    std::fs::copy(format!("{}-wal", aside.display()), again.path().join("ledger.db-wal")).unwrap();
    assert_eq!(Ledger::open(again.path()).await.unwrap().latest(), EventId::new(2));
}

#[tokio::test]
async fn a_backup_that_does_not_add_up_is_not_put_in_place() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![config_seen(1), config_seen(2)]).await.unwrap();
    let backup = directory.path().join("backup.db");
    ledger.backup(&backup).await.unwrap();
    ledger.close().await;
    drop(ledger);
    tamper(&backup, "DELETE FROM events WHERE id = 1").await;
    let refused = restore(&backup, directory.path(), true, at(9)).await;
    assert!(matches!(refused, Err(Error::BadBackup { .. })), "{refused:?}");
    assert_eq!(Ledger::open(directory.path()).await.unwrap().latest(), EventId::new(2));
    assert!(matches!(restore(directory.path().join("no.db"), directory.path(), true, at(9)).await, Err(Error::Missing { .. })));
}
