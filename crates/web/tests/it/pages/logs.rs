//! A run's log: parts, lines that can be linked, search, following.

use std::time::Duration;

use towpath_web::fake::Shown;

use super::sample;
use crate::harness::{Said, Server, server};

async fn with(lines: u64) -> Server {
    server("127.0.0.1:0", Shown { log: sample::log(lines), ..sample::shown() }).await
}

fn numbers(said: &Said) -> Vec<u64> {
    said.body.split("id=\"L").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
}

fn mark(said: &Said, name: &str) -> String {
    said.body.split(&format!("data-{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_log_begins_with_its_end_and_leads_to_what_came_before() {
    let server = with(3_000).await;
    let end = numbers(&server.page("/runs/x").await);
    assert_eq!((end.first(), end.last(), end.len()), (Some(&2001), Some(&3000), 1000));
    let page = server.page("/runs/x?at=1001").await;
    assert!(page.body.contains("href=\"/runs/deploy-shop-test-8a1c?at=1#log-section\""), "Earlier lines");
    let middle = numbers(&page);
    assert!(middle.first().is_some_and(|first| *first < 1001) && middle.contains(&1001), "the line that was linked is in it: {middle:?}");
    let short = with(10).await;
    assert_eq!(numbers(&short.page("/runs/x").await), (1..=10).collect::<Vec<_>>());
    assert!(!short.page("/runs/x").await.body.contains("Earlier lines"));
}

#[tokio::test]
async fn every_line_of_a_hundred_thousand_is_reached_by_parts_and_by_its_link() {
    let server = with(100_000).await;
    let page = server.page("/runs/x").await;
    assert!(page.body.len() < 400_000, "{} bytes", page.body.len());
    assert!(numbers(&server.page("/runs/x?at=54321").await).contains(&54_321));
    let (mut from, mut seen) = ("0".to_owned(), 0);
    loop {
        let part = server.page(&format!("/runs/x/log?from={from}")).await;
        let lines = numbers(&part);
        assert!(lines.len() <= 2_000 && lines.first() == Some(&(seen + 1)), "{from}: {:?}", lines.first());
        seen = *lines.last().unwrap();
        from = mark(&part, "next");
        if mark(&part, "done") == "true" {
            break;
        }
    }
    assert_eq!(seen, 100_000);
}

#[tokio::test]
async fn what_is_searched_is_found_over_all_parts_with_its_line() {
    let server = with(9_000).await;
    server.brain.show(|shown| {
        shown.log[8_500].text = "here is the <needle>".into();
        shown.log[20].text = "a <needle> early on".into();
    });
    let said = server.page("/runs/x?find=%3Cneedle%3E").await;
    assert_eq!(numbers(&said), [21, 8_501]);
    assert!(said.body.contains("<mark>&lt;needle&gt;</mark>") && said.words().contains("2 lines with “<needle>”"), "{}", said.words());
    assert!(said.body.contains("?at=8501#L8501"), "each leads to its place");
    let many = server.page("/runs/x?find=ready").await;
    assert!(numbers(&many).len() >= 500 && many.body.contains("Look on after line"), "{}", numbers(&many).len());
    assert!(server.page("/runs/x?find=nosuchthing").await.words().contains("0 lines with “nosuchthing”"));
}

#[tokio::test]
async fn who_follows_a_log_is_told_when_a_line_comes() {
    let server = with(0).await;
    server.brain.show(|shown| {
        shown.run_detail = Some(sample::open_run());
        shown.log_done = false;
    });
    let page = server.page("/runs/x").await;
    assert!(page.words().contains("Nothing was written yet.") && page.body.contains("id=\"log-follow\""));
    let brain = std::sync::Arc::clone(&server.brain);
    let later = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        brain.log(1_700_000_000_000, "wait", "\x1b[32mready\x1b[0m");
    };
    let (part, ()) = tokio::join!(server.page("/runs/x/log?from=0&wait=true"), later);
    assert!(part.body.contains("<span><span class=\"f2\">ready</span></span>"), "{}", part.body);
    assert_eq!((mark(&part, "next"), mark(&part, "done")), ("1".to_owned(), "false".to_owned()));
}
