//! Workers take runs up, one each, and none is lost with its worker.

use std::collections::BTreeSet;

use towpath_domain::Span;
use towpath_engine::{Event, Outcome};
use towpath_ledger::{Error, EventId, Ledger, RunState, WorkKind};

use crate::support::*;

const LEASE: Span = Span::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_workers_take_up_five_hundred_runs_and_none_of_them_twice() {
    let (_directory, ledger) = fresh().await;
    let all: Vec<Event> = (0..500).map(|n| queued(build(&format!("r{n}"), n))).collect();
    ledger.append(None, "control", at(1), all).await.unwrap();
    let workers: Vec<_> = (0..8)
        .map(|n| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(claimed) = ledger.claim(&format!("w{n}"), &WorkKind::ALL, LEASE, at(2)).await.unwrap() {
                    assert!(!claimed.resumed);
                    let run = claimed.spec.id.clone();
                    ledger.run_append(&run, claimed.epoch, at(3), vec![finished(run.as_str(), built(1))]).await.unwrap();
                    mine.push(run);
                }
                mine
            })
        })
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    assert_eq!(taken.len(), 500);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 500);
    assert!(ledger.facts().open_runs.is_empty());
    let report = ledger.verify().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.differences);
}

#[tokio::test]
async fn the_oldest_run_of_the_wanted_kinds_goes_first() {
    let (_directory, ledger) = fresh().await;
    ledger
        .append(
            None,
            "c",
            at(1),
            vec![queued(build("b", 1)), queued(deploy("d", "stage", 1)), queued(change("m", "p1")), queued(check("c", "api#1"))],
        )
        .await
        .unwrap();
    let next = async |kinds: &[WorkKind]| ledger.claim("w", kinds, LEASE, at(2)).await.unwrap().map(|claimed| claimed.spec.id.to_string());
    assert_eq!(next(&[]).await, None);
    assert_eq!(next(&[WorkKind::Change, WorkKind::Deploy]).await.as_deref(), Some("d"));
    assert_eq!(next(&WorkKind::ALL).await.as_deref(), Some("b"));
    assert_eq!(next(&[WorkKind::Build]).await, None);
    assert_eq!(next(&WorkKind::ALL).await.as_deref(), Some("m"));
    assert_eq!(next(&[WorkKind::Build, WorkKind::Change]).await, None);
    assert_eq!(next(&[WorkKind::Check]).await.as_deref(), Some("c"));
    assert_eq!(next(&WorkKind::ALL).await, None);
}

/// Two workers for a moment, as in a split brain: whoever lost the lease writes nothing any more.
#[tokio::test]
async fn j9_a_worker_that_slept_through_its_lease_is_fenced() {
    let (_directory, ledger) = fresh().await;
    ledger.append(None, "control", at(0), vec![queued(build("r1", 1))]).await.unwrap();
    let run = run_id("r1");
    let first = ledger.claim("first", &WorkKind::ALL, LEASE, at(0)).await.unwrap().unwrap();
    ledger.run_append(&run, first.epoch, at(1), vec![step_started("r1", "clone"), step_done("r1", "clone")]).await.unwrap();
    assert_eq!(ledger.claim("second", &WorkKind::ALL, LEASE, at(29_999)).await.unwrap(), None);
    ledger.heartbeat(&run, first.epoch, at(45_000)).await.unwrap();
    assert_eq!(ledger.claim("second", &WorkKind::ALL, LEASE, at(44_999)).await.unwrap(), None);

    let second = ledger.claim("second", &WorkKind::ALL, LEASE, at(45_000)).await.unwrap().unwrap();
    assert_eq!((second.epoch, second.resumed), (2, true));
    assert!(ledger.step_output(&run, "clone").await.unwrap().is_some());

    let before = ledger.facts().clone();
    let late = ledger.run_append(&run, first.epoch, at(46_000), vec![finished("r1", failed())]).await;
    assert!(matches!(late, Err(Error::Fenced { epoch: 1, current: 2, .. })), "{late:?}");
    let late = ledger.heartbeat(&run, first.epoch, at(99_000)).await;
    assert!(matches!(late, Err(Error::Fenced { epoch: 1, current: 2, .. })), "{late:?}");
    assert!(matches!(ledger.release(&run, first.epoch).await, Err(Error::Fenced { .. })));
    assert_eq!(*ledger.facts(), before);

    let done = ledger.run_append(&run, second.epoch, at(46_001), vec![finished("r1", built(1))]).await.unwrap();
    assert_eq!((done[0].cause, done[0].actor.as_str()), (Some(second.started), "second"));
    let story: Vec<EventId> = ledger.causes(done[0].id).await.unwrap().iter().map(|recorded| recorded.id).collect();
    assert_eq!(story, [done[0].id, second.started, EventId::new(1)]);
    assert!(matches!(ledger.heartbeat(&run, second.epoch, at(99_000)).await, Err(Error::RunOver { .. })));
    assert!(ledger.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn after_a_restart_the_dead_workers_runs_are_taken_up_at_once() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "control", at(0), vec![queued(build("r1", 1)), queued(build("r2", 2))]).await.unwrap();
    ledger.claim("w", &WorkKind::ALL, Span::from_days(1), at(1)).await.unwrap().unwrap();
    drop(ledger);

    let again = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(again.release_leases().await.unwrap(), 1);
    let first = again.claim("w", &WorkKind::ALL, LEASE, at(2)).await.unwrap().unwrap();
    assert_eq!((first.spec.id.as_str(), first.resumed, first.epoch), ("r1", true, 2));
    let second = again.claim("w", &WorkKind::ALL, LEASE, at(2)).await.unwrap().unwrap();
    assert_eq!((second.spec.id.as_str(), second.resumed), ("r2", false));
    again.release(&second.spec.id, second.epoch).await.unwrap();
    assert_eq!(again.claim("w", &WorkKind::ALL, LEASE, at(2)).await.unwrap().unwrap().spec.id.as_str(), "r2");
}

#[tokio::test]
async fn a_run_makes_room_for_a_newer_one_only_while_nobody_has_taken_it_up() {
    let (_directory, ledger) = fresh().await;
    ledger.append(None, "c", at(0), vec![queued(build("r1", 1)), queued(build("r2", 2))]).await.unwrap();
    let newer = || Outcome::Superseded { by: "a newer commit".into() };
    ledger.claim("w", &WorkKind::ALL, LEASE, at(1)).await.unwrap().unwrap();
    let late = ledger.withdraw(&run_id("r1"), newer(), None, "control", at(2)).await;
    assert!(matches!(late, Err(Error::NotQueued { .. })), "{late:?}");
    ledger.withdraw(&run_id("r2"), newer(), Some(EventId::new(2)), "control", at(2)).await.unwrap();
    assert_eq!(ledger.run(&run_id("r2")).await.unwrap().state, RunState::Finished);
    assert_eq!(ledger.claim("w", &WorkKind::ALL, LEASE, at(3)).await.unwrap(), None);
}

#[tokio::test]
async fn a_worker_hears_with_its_heartbeat_that_somebody_wants_it_to_stop() {
    let (_directory, ledger) = fresh().await;
    ledger.append(None, "c", at(0), vec![queued(build("r1", 1))]).await.unwrap();
    let claimed = ledger.claim("w", &WorkKind::ALL, LEASE, at(1)).await.unwrap().unwrap();
    assert_eq!(ledger.heartbeat(&run_id("r1"), claimed.epoch, at(9)).await.unwrap(), None);
    let cancel = Event::CancelRequested { run: run_id("r1"), by: "Ada".into(), why: "wrong branch".into() };
    ledger.append(None, "Ada", at(2), vec![cancel]).await.unwrap();
    assert_eq!(ledger.heartbeat(&run_id("r1"), claimed.epoch, at(9)).await.unwrap().as_deref(), Some("Ada"));
}
