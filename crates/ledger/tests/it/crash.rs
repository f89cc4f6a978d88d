//! Killed at any instant: what is on the disk is a whole ledger.

use towpath_domain::Span;
use towpath_ledger::{Error, Ledger, WorkKind};

use crate::support::*;

#[tokio::test]
async fn a_copy_of_the_files_between_any_two_writes_is_the_ledger_of_that_moment() {
    let (directory, ledger) = fresh().await;
    let mut copies = Vec::new();
    for n in 0..12 {
        match n % 4 {
            0 => drop(ledger.append(None, "c", at(1), vec![branch_seen(n), queued(build(&format!("r{n}"), n))]).await.unwrap()),
            1 => drop(ledger.claim("w", &WorkKind::ALL, Span::from_secs(5), at(2)).await.unwrap()),
            2 => drop(ledger.append(None, "w", at(3), vec![step_done(&format!("r{}", n - 2), "clone")]).await.unwrap()),
            _ => drop(ledger.append(None, "w", at(4), vec![finished(&format!("r{}", n - 3), built(n))]).await.unwrap()),
        }
        let copy = tempfile::tempdir().unwrap();
        for name in ["ledger.db", "ledger.db-wal"] {
            std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
        }
        copies.push((copy, ledger.facts().clone(), ledger.latest()));
    }
    for (copy, facts, latest) in copies {
        let again = Ledger::open(copy.path()).await.unwrap();
        assert_eq!((again.facts().clone(), again.latest()), (facts, latest));
        let report = again.verify().await.unwrap();
        assert!(report.is_clean(), "{:?}", report.differences);
        again.append(None, "c", at(9), vec![config_seen(1)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_journal_torn_in_the_middle_of_a_write_loses_that_write_only() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![config_seen(1)]).await.unwrap();
    let journal = directory.path().join("ledger.db-wal");
    let whole = std::fs::metadata(&journal).unwrap().len();
    let before = ledger.facts().clone();
    ledger.append(None, "c", at(2), vec![config_seen(2), queued(build("r1", 1))]).await.unwrap();
    let grown = std::fs::metadata(&journal).unwrap().len();
    assert!(grown > whole);
    // Cut inside every page of the second write.
    for cut in (whole + 100..grown).step_by(2048) {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(directory.path().join("ledger.db"), copy.path().join("ledger.db")).unwrap();
        let torn = std::fs::read(&journal).unwrap();
        std::fs::write(copy.path().join("ledger.db-wal"), &torn[..usize::try_from(cut).unwrap()]).unwrap();
        let again = Ledger::open(copy.path()).await.unwrap();
        assert_eq!(*again.facts(), before);
        assert!(again.verify().await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_caller_that_stops_waiting_leaves_memory_and_disk_of_one_mind() {
    let (directory, ledger) = fresh().await;
    let mut news = ledger.subscribe();
    // Polled once, which begins it, and dropped.
    let append = ledger.append(None, "c", at(1), vec![config_seen(1)]);
    tokio::select! { biased; _ = append => {}, () = std::future::ready(()) => {} }
    news.changed().await.unwrap();
    ledger.append(None, "c", at(2), vec![branch_seen(2)]).await.unwrap();
    let before = ledger.facts().clone();
    assert_eq!(before.config, Some(commit(1)));
    ledger.close().await;
    drop(ledger);
    assert_eq!(*Ledger::open(directory.path()).await.unwrap().facts(), before);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_the_environments_fault_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Ledger::open(file.join("state")).await.unwrap_err();
    assert!(matches!(&error, Error::Environment { path, .. } if path.ends_with("file/state")), "{error}");
    assert_eq!(error.class(), towpath_domain::FailureClass::Environment);
}
