//! How fast the ledger is: `cargo bench -p towpath-ledger`. Each write is one transaction that has reached the disk.

// A benchmark that cannot run should say so loudly.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use towpath_domain::{BranchName, CommitId, RepoUrl, RunId, SourceName, Span, Timestamp};
use towpath_engine::{CommitInfo, Event, Outcome, RunSpec, Work};
use towpath_ledger::{EventFilter, Ledger, WorkKind};

const WRITES: u32 = 2_000;

fn main() {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(run());
}

async fn run() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).await.unwrap();
    println!("{:<44} {:>10} {:>12}", "operation", "count", "per second");

    let begun = Instant::now();
    for n in 0..WRITES {
        ledger.append(None, "bench", at(n), vec![branch_seen(n)]).await.unwrap();
    }
    tell("append one event", WRITES, begun);

    let begun = Instant::now();
    for n in 0..WRITES / 100 {
        ledger.append(None, "bench", at(n), (0..100).map(|m| branch_seen(n * 100 + m)).collect()).await.unwrap();
    }
    tell("append events, 100 together", WRITES, begun);

    ledger.append(None, "bench", at(0), (0..WRITES).map(queued).collect()).await.unwrap();
    let begun = Instant::now();
    let workers: Vec<_> = (0..8).map(|n| tokio::spawn(work(ledger.clone(), n))).collect();
    for worker in workers {
        worker.await.unwrap();
    }
    tell("claim and finish a run, 8 workers", WRITES, begun);

    let begun = Instant::now();
    for _ in 0..200 {
        ledger.events(&EventFilter { kind: Some("run-finished".into()), ..EventFilter::default() }, 50).await.unwrap();
    }
    tell("read a page of 50 events", 200, begun);

    let begun = Instant::now();
    let report = ledger.verify().await.unwrap();
    tell("verify, events replayed", u32::try_from(report.events).unwrap(), begun);
    assert!(report.is_clean());
    ledger.close().await;
    drop(ledger);
    let begun = Instant::now();
    Ledger::open(directory.path()).await.unwrap();
    println!("{:<44} {:>10} {:>9} ms", "open", 1, begun.elapsed().as_millis());
}

async fn work(ledger: Ledger, number: u32) {
    while let Some(claimed) = ledger.claim(&format!("w{number}"), &WorkKind::ALL, Span::from_secs(60), at(1)).await.unwrap() {
        let run = claimed.spec.id.clone();
        let cancelled = Outcome::Cancelled { by: "bench".into() };
        ledger.run_append(&run, claimed.epoch, at(2), vec![Event::RunFinished { run: run.clone(), outcome: cancelled }]).await.unwrap();
    }
}

fn tell(what: &str, count: u32, begun: Instant) {
    println!("{what:<44} {count:>10} {:>12.0}", f64::from(count) / begun.elapsed().as_secs_f64());
}

fn at(n: u32) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + i64::from(n))
}

fn commit(n: u32) -> CommitId {
    format!("{n:040x}").parse().unwrap()
}

fn branch_seen(n: u32) -> Event {
    let commits = vec![CommitInfo { id: commit(n), subject: "A change".into(), author: "Ada".into(), at: at(n) }];
    let url = RepoUrl::new(format!("https://git.example.com/repo-{}", n % 500)).unwrap();
    Event::BranchSeen { url, branch: BranchName::new("main").unwrap(), commits }
}

fn queued(n: u32) -> Event {
    let source = SourceName::new(format!("source-{}", n % 100)).unwrap();
    let work = Work::Build { source, commit: commit(n), build_hash: "b".into() };
    Event::RunQueued(RunSpec {
        id: RunId::new(format!("run-{n}")).unwrap(),
        attempt: 1,
        work,
        why: "the head has no image".into(),
        after: None,
    })
}
