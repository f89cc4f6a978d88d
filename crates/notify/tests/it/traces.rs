//! A release is one trace, whatever is restarted in between, told to a stand-in of a collector.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use towpath_notify::sinks::Otlp;
use towpath_notify::{Hidden, Secret, Sink};

use crate::releases::*;
use crate::support::*;
use crate::ways::Inbox;

fn spans(inbox: &Inbox) -> Vec<Value> {
    let requests = inbox.bodies();
    let resources = requests.iter().flat_map(|request| request["resourceSpans"].as_array().unwrap());
    let scopes = resources.flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
    scopes.flat_map(|scope| scope["spans"].as_array().unwrap().clone()).collect()
}

fn text<'a>(span: &'a Value, field: &str) -> &'a str {
    span[field].as_str().unwrap_or_default()
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a str {
    let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == name);
    found.map_or("", |found| found["value"]["stringValue"].as_str().unwrap())
}

fn sink(url: &str, hidden: &Hidden) -> Arc<dyn Sink> {
    let key = Secret::new(Arc::new(Words("Bearer the-key")), hidden.clone());
    Arc::new(Otlp::new(url, Some(("authorization".to_owned(), key)), http()))
}

#[tokio::test]
async fn all_runs_of_a_release_are_one_trace_across_a_restart_and_failures_are_errors() {
    let (directory, ledger) = fresh().await;
    let (inbox, hidden) = (Inbox::default(), Hidden::default());
    hidden.learn("orders-password");
    let url = inbox.open().await;
    ledger.outbox_register("otlp").await.unwrap();
    build(&ledger, 1).await;
    deploy(&ledger, "stage", 1, 1, failed("probe")).await;
    let worker = Worker::start_with(&ledger, vec![sink(&url, &hidden).into()], town(&hidden, &[]));
    settled(&ledger, "otlp").await;
    worker.stop().await;
    ledger.close().await;
    drop(ledger);
    let ledger = towpath_ledger::Ledger::open(directory.path()).await.unwrap();
    merge(&ledger, 1).await;
    deploy(&ledger, "production", 1, 1, deployed()).await;
    // The collector is away for a moment: the same comes again, with the same ids.
    inbox.answer(503);
    let worker = Worker::start_with(&ledger, vec![sink(&url, &hidden).into()], town(&hidden, &[]));
    settled(&ledger, "otlp").await;
    worker.stop().await;

    let paths = inbox.paths();
    assert!(paths.len() == 5 && paths.iter().all(|path| path == "/v1/traces"), "{paths:?}");
    assert!(inbox.headers("authorization").iter().all(|value| value == "Bearer the-key"));
    let all = spans(&inbox);
    let traces: BTreeSet<&str> = all.iter().map(|span| text(span, "traceId")).collect();
    assert_eq!(traces.len(), 1, "{all:?}");
    let one = text(&all[0], "traceId");
    assert!(one.len() == 32 && one.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()), "{one}");
    let ids: BTreeSet<&str> = all.iter().map(|span| text(span, "spanId")).collect();
    // The release, four runs, and the wait of each; what was sent twice has no others.
    assert_eq!((ids.len(), all.len()), (9, 11), "{all:?}");

    let named = |name: &str| all.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let [release] = named("release")[..] else { panic!("{all:?}") };
    assert_eq!(release.get("parentSpanId"), None);
    assert_eq!(attribute(release, "vcs.ref.head.revision"), commit().to_string());
    for run in [named("build"), named("deploy"), named("change")].concat() {
        assert_eq!(run["parentSpanId"], release["spanId"], "{run}");
    }
    for wait in named("queue") {
        assert!(all.iter().any(|run| run["spanId"] == wait["parentSpanId"] && run["name"] != "release"), "{wait}");
    }
    let stage = named("deploy")[0];
    assert_eq!((text(stage, "startTimeUnixNano"), text(stage, "endTimeUnixNano")), ("1700000001000000000", "1700000063000000000"));
    assert_eq!(stage["status"]["code"], 2);
    assert!(stage["status"]["message"].as_str().unwrap().contains("/healthz answers 500"));
    assert_eq!(attribute(stage, "url.full"), "https://towpath.example.com/runs/stage-1-1");
    assert_eq!(named("deploy").last().unwrap()["status"], serde_json::json!({}));
}

#[tokio::test]
async fn no_secret_leaves_in_a_span_and_what_a_collector_refuses_is_a_dead_letter() {
    let (_directory, ledger) = fresh().await;
    let (inbox, hidden) = (Inbox::default(), Hidden::default());
    hidden.learn("/healthz answers 500");
    let url = inbox.open().await;
    ledger.outbox_register("otlp").await.unwrap();
    deploy(&ledger, "stage", 1, 1, failed("probe")).await;
    deploy(&ledger, "stage", 2, 1, failed("probe")).await;
    // Answers are taken from the end.
    inbox.answer(400);
    let worker = Worker::start_with(&ledger, vec![sink(&url, &hidden).into()], town(&hidden, &[]));
    settled(&ledger, "otlp").await;
    worker.stop().await;
    let all = spans(&inbox);
    assert!(!all.is_empty() && !format!("{all:?}").contains("healthz"), "{all:?}");
    let dead = ledger.dead_letters(10).await.unwrap();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].error.contains("400"), "{dead:?}");
}
