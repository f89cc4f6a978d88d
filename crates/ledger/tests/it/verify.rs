//! Whatever was changed behind the ledger's back is found.

use towpath_ledger::{Difference, EventId, Ledger};

use crate::support::*;

/// A ledger with a bit of everything in it, changed by `sql`; what verification then says.
async fn after(sql: &str) -> Vec<Difference> {
    let (directory, ledger) = fresh().await;
    ledger.append(None, "c", at(1), vec![config_seen(1), branch_seen(1), queued(build("r1", 1))]).await.unwrap();
    ledger
        .append(Some(EventId::new(3)), "w", at(2), vec![started("r1"), step_started("r1", "clone"), step_done("r1", "clone")])
        .await
        .unwrap();
    ledger.append(Some(EventId::new(4)), "w", at(3), vec![finished("r1", built(1)), queued(build("r2", 2))]).await.unwrap();
    let report = ledger.verify().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.differences);
    assert_eq!((report.events, report.runs, report.steps), (8, 2, 1));
    ledger.close().await;
    drop(ledger);
    tamper(&directory.path().join("ledger.db"), sql).await;
    let report = Ledger::read_only(directory.path()).await.unwrap().verify().await.unwrap();
    assert!(!report.is_clean(), "nothing was found after {sql}");
    report.differences
}

fn names(differences: &[Difference]) -> Vec<String> {
    let name = |difference: &Difference| match difference {
        Difference::Row { table, .. } => format!("row {table}"),
        other => serde_json::to_value(other).unwrap()["difference"].as_str().unwrap().to_owned(),
    };
    differences.iter().map(name).collect()
}

#[tokio::test]
async fn an_edited_a_missing_and_an_invented_fact_are_found() {
    let edited = after("UPDATE facts SET value = replace(value, '0000001\"', '0000002\"') WHERE key = '\"config\"'").await;
    assert_eq!(names(&edited), ["row fact"]);
    let text = edited[0].to_string();
    assert!(text.contains("\"config\"") && text.contains("add up to"), "{text}");
    assert_eq!(names(&after("DELETE FROM facts WHERE key = '\"config\"'").await), ["row fact"]);
    assert_eq!(names(&after("INSERT INTO facts SELECT '{\"target\":\"x\"}', value FROM facts LIMIT 1").await), ["row fact"]);
}

#[tokio::test]
async fn a_deleted_event_is_found_wherever_it_stood() {
    let middle = after("DELETE FROM events WHERE id = 2").await;
    assert!(middle.contains(&Difference::Gap { expected: EventId::new(2), found: EventId::new(3) }), "{middle:?}");
    let last = after("DELETE FROM events WHERE id = 8").await;
    assert!(last.contains(&Difference::End { recorded: EventId::new(8), found: EventId::new(7) }), "{last:?}");
    assert!(names(&after("DELETE FROM events WHERE id = 1").await).contains(&"gap".to_owned()));
}

#[tokio::test]
async fn an_edited_event_is_found_even_where_nothing_follows_from_it() {
    assert_eq!(names(&after("UPDATE events SET actor = 'nobody' WHERE id = 5").await), ["changed"]);
    assert_eq!(names(&after("UPDATE events SET cause = 1 WHERE id = 5").await), ["changed"]);
    assert_eq!(names(&after("UPDATE events SET chain = 'x' WHERE id = 8").await), ["changed", "changed"]);
    assert_eq!(names(&after("UPDATE events SET kind = 'rendered' WHERE id = 5").await), ["column"]);
    assert_eq!(names(&after("UPDATE events SET subject = NULL WHERE id = 5").await), ["column"]);
    let unreadable = after("UPDATE events SET body = '{}' WHERE id = 1").await;
    assert!(names(&unreadable).contains(&"unreadable".to_owned()), "{unreadable:?}");
}

#[tokio::test]
async fn changed_runs_steps_and_outbox_rows_are_found() {
    for (sql, row) in [
        ("UPDATE runs SET state = 'queued' WHERE id = 'r1'", "row run"),
        ("UPDATE runs SET epoch = 7 WHERE id = 'r1'", "row run"),
        ("UPDATE runs SET outcome_kind = 'failed' WHERE id = 'r1'", "row run"),
        ("UPDATE runs SET spec = '{}' WHERE id = 'r2'", "row run"),
        ("DELETE FROM runs WHERE id = 'r2'", "row run"),
        ("UPDATE steps SET output = '1'", "row step"),
        ("DELETE FROM steps", "row step"),
        ("DELETE FROM outbox WHERE event = (SELECT MAX(event) FROM outbox)", "row outbox"),
        ("INSERT INTO outbox (event) VALUES (1)", "row outbox"),
        ("DELETE FROM commits WHERE event = 1", "row commit"),
        ("INSERT INTO commits (commit_id, event) VALUES ('f', 4)", "row commit"),
    ] {
        assert_eq!(names(&after(sql).await), [row], "{sql}");
    }
}

#[tokio::test]
async fn a_row_that_refers_to_nothing_is_found() {
    let found = after("INSERT INTO dead_letters VALUES ('nobody', 1, 0, 1, 'x')").await;
    assert!(matches!(&found[..], [Difference::Database { message }] if message.contains("dead_letters")), "{found:?}");
}

#[tokio::test]
async fn whatever_is_wrong_with_rows_is_mended_by_counting_anew() {
    let (directory, ledger) = fresh().await;
    let file = directory.path().join("ledger.db");
    ledger.append(None, "c", at(1), vec![config_seen(1), queued(build("r1", 1)), queued(build("r2", 2))]).await.unwrap();
    let lease = towpath_domain::Span::from_secs(60);
    ledger.claim("w", &towpath_ledger::WorkKind::ALL, lease, at(2)).await.unwrap().unwrap();
    ledger.append(None, "w", at(3), vec![step_done("r1", "clone"), finished("r2", failed())]).await.unwrap();
    let facts = ledger.facts().clone();
    let run = ledger.run(&run_id("r1")).await.unwrap();

    tamper(
        &file,
        "DELETE FROM facts; DELETE FROM steps; DELETE FROM outbox; DELETE FROM commits; UPDATE runs SET state = 'finished', worker = NULL",
    )
    .await;
    assert!(!ledger.verify().await.unwrap().is_clean());
    assert_eq!(ledger.rebuild().await.unwrap(), []);
    assert!(ledger.verify().await.unwrap().is_clean());
    assert_eq!(*ledger.facts(), facts);
    assert_eq!(ledger.run(&run_id("r1")).await.unwrap(), run);
    drop(ledger);

    // Rows that cannot even be read, or were counted by another version, are counted anew when it is opened.
    for sql in ["UPDATE facts SET value = '7'", "UPDATE counted SET version = '0.0.1'; DELETE FROM facts"] {
        tamper(&file, sql).await;
        let ledger = Ledger::open(directory.path()).await.unwrap();
        assert_eq!(*ledger.facts(), facts);
        assert!(ledger.verify().await.unwrap().is_clean());
    }
}
