//! Events are recorded, add up, and are found again.

use towpath_engine::{Facts, Subject};
use towpath_ledger::{Error, EventFilter, EventId, Ledger, Order, RunFilter, RunState, event_kind};

use crate::support::*;

#[tokio::test]
async fn what_was_recorded_is_there_after_a_restart() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "control", at(1), vec![config_seen(1), branch_seen(7)]).await.unwrap();
    ledger.append(Some(EventId::new(2)), "control", at(2), vec![queued(build("r1", 7))]).await.unwrap();
    ledger.append(None, "w", at(3), vec![started("r1"), step_started("r1", "compile"), step_done("r1", "compile")]).await.unwrap();
    ledger.append(None, "w", at(4), vec![finished("r1", built(7)), queued(deploy("r2", "stage", 7))]).await.unwrap();
    let before: Facts = ledger.facts().clone();
    let run = ledger.run(&run_id("r1")).await.unwrap();
    assert_eq!(run.state, RunState::Finished);
    assert_eq!((run.epoch, run.worker.as_deref(), run.outcome.clone()), (1, Some("w"), Some(built(7))));
    assert_ne!(before, Facts::default());
    drop(ledger);

    let again = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(*again.facts(), before);
    assert_eq!(again.latest(), EventId::new(8));
    assert_eq!(again.run(&run_id("r1")).await.unwrap(), run);
    assert_eq!(again.step_output(&run_id("r1"), "compile").await.unwrap(), Some(serde_json::json!({ "step": "compile" })));
    assert!(again.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn the_same_decision_is_queued_once_and_the_refusal_takes_everything_back() {
    let (_directory, ledger) = fresh().await;
    ledger.append(None, "control", at(1), vec![queued(build("r1", 1))]).await.unwrap();
    let before = ledger.facts().clone();

    let refused = ledger.append(None, "control", at(2), vec![config_seen(9), queued(build("r1", 1))]).await;

    assert!(matches!(refused, Err(Error::AlreadyQueued { event, .. }) if event == EventId::new(1)), "{refused:?}");
    assert_eq!(*ledger.facts(), before);
    assert_eq!(ledger.latest(), EventId::new(1));
    assert_eq!(ledger.events(&EventFilter::default(), 10).await.unwrap().rows.len(), 1);
    let twice = ledger.append(None, "control", at(2), vec![queued(build("r2", 1)), queued(build("r2", 1))]).await;
    assert!(matches!(twice, Err(Error::AlreadyQueued { .. })), "{twice:?}");
    // The next event takes the number that the refused ones would have had.
    assert_eq!(ledger.append(None, "control", at(3), vec![config_seen(2)]).await.unwrap()[0].id, EventId::new(2));
    assert!(ledger.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn nothing_is_recorded_of_runs_that_never_were_or_are_over() {
    let (_directory, ledger) = fresh().await;
    let unknown = ledger.append(None, "w", at(1), vec![started("nobody")]).await;
    assert!(matches!(unknown, Err(Error::UnknownRun { .. })), "{unknown:?}");
    ledger.append(None, "c", at(1), vec![queued(build("r1", 1)), started("r1"), finished("r1", failed())]).await.unwrap();
    for late in [started("r1"), step_started("r1", "push"), step_done("r1", "push"), finished("r1", built(1))] {
        let over = ledger.append(None, "w", at(2), vec![late]).await;
        assert!(matches!(over, Err(Error::RunOver { event, .. }) if event == EventId::new(3)), "{over:?}");
    }
    let cause = ledger.append(Some(EventId::new(4)), "c", at(2), vec![config_seen(1)]).await;
    assert!(matches!(cause, Err(Error::UnknownEvent { id }) if id == EventId::new(4)), "{cause:?}");
    assert!(ledger.append(None, "c", at(2), Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_listener_is_woken_and_the_facts_are_there_when_it_looks() {
    let (_directory, ledger) = fresh().await;
    let mut news = ledger.subscribe();
    let listener = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            news.changed().await.unwrap();
            let latest = *news.borrow_and_update();
            (latest, ledger.facts().config)
        }
    });
    ledger.append(None, "control", at(1), vec![config_seen(5)]).await.unwrap();
    assert_eq!(listener.await.unwrap(), (EventId::new(1), Some(commit(5))));
}

#[tokio::test]
async fn who_follows_the_facts_learns_which_were_touched_or_that_all_may_be() {
    use towpath_engine::FactKey;
    let (directory, ledger) = fresh().await;
    let committed = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    ledger.on_commit(Box::new({
        let committed = committed.clone();
        move |event| committed.lock().unwrap().push(event.get())
    }));
    assert_eq!(ledger.touched_since(EventId::NONE), Some((EventId::NONE, Vec::new())));
    ledger.append(None, "c", at(1), vec![config_seen(1), queued(build("r1", 1))]).await.unwrap();
    ledger.append(None, "w", at(2), vec![started("r1"), step_started("r1", "clone")]).await.unwrap();
    assert!(ledger.append(None, "c", at(3), vec![queued(build("r1", 1))]).await.is_err());
    assert_eq!(*committed.lock().unwrap(), [1, 2, 3, 4]);

    let source = towpath_domain::SourceName::new("api").unwrap();
    let of_run = || vec![FactKey::Build(source.clone(), commit(1)), FactKey::OpenRun(run_id("r1"))];
    let (last, all) = ledger.touched_since(EventId::NONE).unwrap();
    assert_eq!((last, all), (EventId::new(3), [vec![FactKey::Config], of_run()].concat()));
    assert_eq!(ledger.touched_since(EventId::new(2)), Some((EventId::new(3), of_run())));
    assert_eq!(ledger.touched_since(EventId::new(4)), Some((EventId::new(4), Vec::new())));

    // Counted anew, or opened again: who followed must look at everything.
    ledger.rebuild().await.unwrap();
    assert_eq!(ledger.touched_since(ledger.latest()), None);
    ledger.append(None, "c", at(4), vec![config_seen(2)]).await.unwrap();
    assert_eq!(ledger.touched_since(EventId::new(5)), Some((EventId::new(5), Vec::new())));
    ledger.close().await;
    drop(ledger);
    let again = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(again.touched_since(EventId::new(4)), None);
    assert_eq!(again.touched_since(EventId::new(5)), Some((EventId::new(5), Vec::new())));
}

#[tokio::test]
async fn events_are_found_by_what_they_are_about() {
    let (_directory, ledger) = fresh().await;
    ledger.append(None, "control", at(10), vec![branch_seen(3)]).await.unwrap();
    ledger.append(Some(EventId::new(1)), "control", at(20), vec![queued(build("r1", 3)), queued(deploy("r2", "stage", 3))]).await.unwrap();
    ledger.append(Some(EventId::new(2)), "worker-100%", at(30), vec![started("r1"), step_started("r1", "clone")]).await.unwrap();
    ledger.append(Some(EventId::new(4)), "worker-100%", at(40), vec![finished("r1", failed())]).await.unwrap();

    let ids = async |filter: EventFilter| -> Vec<i64> {
        ledger.events(&EventFilter { order: Order::OldestFirst, ..filter }, 100).await.unwrap().rows.iter().map(|r| r.id.get()).collect()
    };
    let source = Subject::Source(towpath_domain::SourceName::new("api").unwrap());
    assert_eq!(ids(EventFilter { subject: Some(source), ..Default::default() }).await, [2, 4, 5, 6]);
    assert_eq!(ids(EventFilter { run: Some(run_id("r2")), ..Default::default() }).await, [3]);
    assert_eq!(ids(EventFilter { kind: Some("run-queued".into()), ..Default::default() }).await, [2, 3]);
    assert_eq!(ids(EventFilter { cause: Some(EventId::new(2)), ..Default::default() }).await, [4, 5]);
    assert_eq!(ids(EventFilter { after: Some(EventId::new(4)), ..Default::default() }).await, [5, 6]);
    assert_eq!(ids(EventFilter { since: Some(at(20)), until: Some(at(40)), ..Default::default() }).await, [2, 3, 4, 5]);
    assert_eq!(ids(EventFilter { text: Some("EXPECTED `;`".into()), ..Default::default() }).await, [6]);
    // A wildcard of the database's is a character like any other here.
    assert_eq!(ids(EventFilter { text: Some("100%".into()), ..Default::default() }).await, [4, 5, 6]);
    assert_eq!(ids(EventFilter { text: Some("1%0".into()), ..Default::default() }).await, Vec::<i64>::new());

    let page = ledger.events(&EventFilter::default(), 2).await.unwrap();
    assert_eq!((page.rows.iter().map(|r| r.id.get()).collect::<Vec<_>>(), page.more), (vec![6, 5], true));
    let rest = ledger.events(&EventFilter { before: Some(EventId::new(5)), ..Default::default() }, 10).await.unwrap();
    assert_eq!((rest.rows.len(), rest.more), (4, false));

    let story: Vec<i64> = ledger.causes(EventId::new(6)).await.unwrap().iter().map(|r| r.id.get()).collect();
    assert_eq!(story, [6, 4, 2, 1]);
    assert!(matches!(ledger.causes(EventId::new(99)).await, Err(Error::UnknownEvent { .. })));
    assert!(matches!(ledger.event(EventId::new(0)).await, Err(Error::UnknownEvent { .. })));
}

#[tokio::test]
async fn runs_are_found_by_state_kind_and_outcome_newest_first() {
    let (_directory, ledger) = fresh().await;
    for name in ["a", "b", "c"] {
        ledger.append(None, "c", at(1), vec![queued(build(name, 1))]).await.unwrap();
    }
    ledger
        .append(None, "c", at(1), vec![queued(deploy("d", "stage", 1)), started("a"), finished("a", failed()), started("b")])
        .await
        .unwrap();
    let names = async |filter: RunFilter| -> Vec<String> {
        ledger.runs(&filter, 100).await.unwrap().rows.iter().map(|run| run.spec.id.to_string()).collect()
    };
    assert_eq!(names(RunFilter::default()).await, ["d", "c", "b", "a"]);
    assert_eq!(names(RunFilter { state: Some(RunState::Queued), ..Default::default() }).await, ["d", "c"]);
    assert_eq!(names(RunFilter { kind: Some(towpath_ledger::WorkKind::Deploy), ..Default::default() }).await, ["d"]);
    assert_eq!(names(RunFilter { outcome: Some("failed".into()), ..Default::default() }).await, ["a"]);
    assert_eq!(names(RunFilter { before: Some(EventId::new(3)), ..Default::default() }).await, ["b", "a"]);
    assert!(matches!(ledger.run(&run_id("z")).await, Err(Error::UnknownRun { .. })));
}

#[tokio::test]
async fn one_process_at_a_time_writes_and_others_may_read() {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![config_seen(1)]).await.unwrap();

    let second = Ledger::open(directory.path()).await;
    let pid = std::process::id().to_string();
    assert!(matches!(&second, Err(Error::InUse { pid: holder, .. }) if *holder == pid), "{second:?}");

    let reader = Ledger::read_only(directory.path()).await.unwrap();
    assert_eq!(reader.facts().config, Some(commit(1)));
    ledger.append(None, "c", at(2), vec![config_seen(2)]).await.unwrap();
    reader.refresh().await.unwrap();
    assert_eq!((reader.facts().config, reader.latest()), (Some(commit(2)), EventId::new(2)));
    assert!(matches!(reader.append(None, "c", at(3), vec![config_seen(3)]).await, Err(Error::ReadOnly)));

    ledger.close().await;
    assert!(matches!(ledger.append(None, "c", at(3), vec![config_seen(3)]).await, Err(Error::Closed)));
    assert!(matches!(ledger.events(&EventFilter::default(), 1).await, Err(Error::Closed)));
}

#[tokio::test]
async fn files_that_are_no_ledgers_or_too_new_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Ledger::read_only(directory.path()).await, Err(Error::Missing { .. })));

    let other = directory.path().join("other.db");
    {
        use sqlx::ConnectOptions as _;
        let mut db = sqlx::sqlite::SqliteConnectOptions::new().filename(&other).create_if_missing(true).connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE shopping (item TEXT)").execute(&mut db).await.unwrap();
        sqlx::Connection::close(db).await.unwrap();
    }
    assert!(matches!(Ledger::open(&other).await, Err(Error::NotALedger { .. })));

    let text = directory.path().join("text.db");
    std::fs::write(&text, "all work and no play ".repeat(500)).unwrap();
    assert!(matches!(Ledger::open(&text).await, Err(Error::Damaged { .. })), "{:?}", Ledger::open(&text).await);

    let ledger = Ledger::open(directory.path()).await.unwrap();
    let file = ledger.file().to_path_buf();
    ledger.close().await;
    drop(ledger);
    tamper(&file, "INSERT INTO ledger_format (version) VALUES (99)").await;
    let refused = Ledger::open(directory.path()).await;
    assert!(matches!(refused, Err(Error::TooNew { found: 99, .. })), "{refused:?}");
    assert!(matches!(Ledger::read_only(directory.path()).await, Err(Error::TooNew { .. })));
}

#[test]
fn kinds_are_the_tags_of_the_events_themselves() {
    for event in [
        config_seen(1),
        branch_seen(1),
        queued(build("r", 1)),
        started("r"),
        step_started("r", "s"),
        step_done("r", "s"),
        finished("r", failed()),
        acknowledged(),
    ] {
        assert_eq!(serde_json::to_value(&event).unwrap()["event"], event_kind(&event));
    }
    for outcome in [built(1), deployed(), failed()] {
        assert_eq!(serde_json::to_value(&outcome).unwrap()["outcome"], towpath_ledger::outcome_kind(&outcome));
    }
}
