//! What the API says of itself, and what it says around its answers.

use towpath_control::view::{HistoryLine, ReportFile};
use towpath_domain::Timestamp;
use towpath_web::fake::Shown;

use crate::harness::{Server, server};

const ANY: &str = "127.0.0.1:0";

fn event(id: i64, text: &str) -> HistoryLine {
    let event = serde_json::json!({ "event": "config-seen" });
    HistoryLine { id, at: Timestamp::from_millis(0), cause: None, actor: "towpath".into(), text: text.into(), scopes: Vec::new(), event }
}

async fn get_with(server: &Server, path: &str, header: &str) -> crate::harness::Said {
    server.raw(&format!("GET {path} HTTP/1.1\nhost: localhost\n{header}"), "").await
}

#[tokio::test]
async fn every_request_that_is_described_is_taken_and_no_other() {
    let server = server(ANY, Shown::default()).await;
    let document = server.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut count = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let address = path.replace("{id}", "x").replace("{sha}", "abcd").replace("{name}", "x");
        for method in ["get", "post", "put", "delete", "patch"] {
            // The stream has no end of its own.
            if path.ends_with("/events") && method == "get" {
                continue;
            }
            let said = server.raw(&format!("{} {address} HTTP/1.1\nhost: localhost", method.to_uppercase()), "").await;
            let is_taken = said.status != 405 && !(said.status == 404 && said.problem() == "unknown-path");
            assert_eq!(is_taken, methods.get(method).is_some(), "{method} {path}: {said:?}");
            assert!(said.status != 405 || said.head.contains("allow: "), "{said:?}");
            count += usize::from(is_taken);
        }
    }
    assert!(count > 25, "{count}");
    for page in ["/api", "/problems", "/problems/gate"] {
        let said = get_with(&server, page, "accept: text/html").await;
        assert!(said.status == 200 && said.head.contains("content-type: text/html"), "{page}: {said:?}");
    }
    assert_eq!(server.get("/problems/gate").await.json()["status"], 409);
    assert_eq!(server.get("/problems/nonsense").await.problem(), "unknown-rule");
}

#[tokio::test]
async fn who_has_an_answer_already_gets_none_until_it_is_another() {
    let server = server(ANY, Shown::default()).await;
    let first = server.get("/api/v1/board").await;
    assert!(first.head.contains("cache-control: private, no-cache"));
    let tag = tag_of(&server, "/api/v1/board").await.unwrap();
    let again = get_with(&server, "/api/v1/board", &format!("if-none-match: {tag}")).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    server.brain.show(|shown| shown.board.totals.stuck = 1);
    assert_eq!(get_with(&server, "/api/v1/board", &format!("if-none-match: {tag}")).await.status, 200);
    let doctor = server.get("/api/v1/doctor").await;
    assert!(doctor.head.contains("cache-control: no-store") && !doctor.head.contains("etag"), "{doctor:?}");
}

async fn tag_of(server: &Server, path: &str) -> Option<String> {
    let head = server.raw_head(&format!("GET {path} HTTP/1.1\nhost: localhost")).await;
    head.lines().find_map(|line| line.strip_prefix("etag: ").map(str::to_owned))
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = server(ANY, Shown { next: Some("41".into()), history: vec![event(42, "x")], ..Shown::default() }).await;
    let page = server.get("/api/v1/history?limit=1").await.json();
    assert_eq!((&page["next"], &page["items"][0]["id"]), (&"41".into(), &42.into()));
    server.get("/api/v1/history?limit=1&cursor=41").await;
    assert!(server.brain.asked().last().unwrap().contains("cursor: Some(\"41\")"));
    assert_eq!(server.get("/api/v1/runs").await.json()["next"], "41");
    for path in [
        "/api/v1/changes?limit=0",
        "/api/v1/images?limit=1001",
        "/api/v1/tests?limit=0",
        "/api/v1/runs/x/reports?limit=0",
        "/api/v1/history?limit=0",
    ] {
        assert_eq!(server.get(path).await.problem(), "bad-query", "{path}");
    }
}

#[tokio::test]
async fn the_history_is_exported_as_a_whole_in_lines_or_for_a_spreadsheet() {
    let history = vec![event(2, "=HYPERLINK(\"http://evil.example\")"), event(1, "read, \"again\"")];
    let server = server(ANY, Shown { history, ..Shown::default() }).await;
    let csv = get_with(&server, "/api/v1/history?format=csv", "").await;
    assert!(csv.head.contains("content-type: text/csv") && csv.head.contains("attachment"), "{csv:?}");
    assert!(csv.body.contains("id,at,cause,actor,kind,text\r\n"), "{csv:?}");
    assert!(csv.body.contains("2,1970-01-01T00:00:00.000Z,,\"towpath\",config-seen,\"'=HYPERLINK(\"\"http"), "{csv:?}");
    let lines = get_with(&server, "/api/v1/history", "accept: application/x-ndjson").await;
    assert!(lines.body.contains("\"id\":2") && lines.body.contains("\"id\":1") && lines.head.contains("x-ndjson"), "{lines:?}");
    assert!(server.brain.asked().iter().all(|asked| asked.contains("limit: 1000")), "{:?}", server.brain.asked());
    let odd = get_with(&server, "/api/v1/history", "accept: image/png").await;
    assert_eq!((odd.status, odd.problem().as_str()), (406, "not-acceptable"));
}

#[tokio::test]
async fn a_badge_shows_how_a_target_stands() {
    let server = server(ANY, Shown::default()).await;
    assert_eq!(server.get("/api/v1/targets/x/badge.svg").await.problem(), "unknown-name");
    server.brain.show(|shown| shown.why = Some(why()));
    let badge = get_with(&server, "/api/v1/targets/t1/badge.svg?label=%3Cscript%3E", "").await;
    assert_eq!(badge.status, 200);
    assert!(badge.head.contains("content-type: image/svg+xml") && badge.head.contains("max-age=30"), "{badge:?}");
    assert!(badge.body.contains("&lt;script&gt;: ✓ 1111111") && !badge.body.contains("<script"), "{badge:?}");
    // What is no target has none.
    server.brain.show(|shown| shown.why = Some(towpath_control::view::WhyView { kind: "source".into(), ..why() }));
    assert_eq!(server.get("/api/v1/targets/t1/badge.svg").await.status, 404);
}

fn why() -> towpath_control::view::WhyView {
    let commit = serde_json::json!({ "id": "1".repeat(40), "subject": null, "author": null, "at": null });
    serde_json::from_value(serde_json::json!({
        "kind": "target", "id": "t1", "title": "web/web/stage/web", "app": "web", "environment": "stage", "place": null, "current": commit,
        "verdict": { "state": "up-to-date", "summary": "fine", "wanted": null, "holds": [], "passedOver": [] },
        "actions": [], "usuallyMs": null, "runs": [], "story": [],
    }))
    .unwrap()
}

#[tokio::test]
async fn a_reports_file_is_saved_by_browsers_and_shown_by_none() {
    let content = b"<testsuite name=\"<script>alert(1)</script>\"/>".to_vec();
    let report_file = Some(ReportFile { name: "TEST-a\".xml\r\nset-cookie: x".into(), content });
    let server = server(ANY, Shown { report_file, ..Shown::default() }).await;
    let said = server.get("/api/v1/runs/r1/reports/file?hash=ab").await;
    assert_eq!(said.status, 200, "{said:?}");
    for line in [
        "content-type: application/xml",
        "content-disposition: attachment; filename=\"test-a_.xml__set-cookie__x\"",
        "content-security-policy: default-src 'none'; sandbox",
        "x-content-type-options: nosniff",
    ] {
        assert!(said.head.contains(line), "{line}: {}", said.head);
    }
    assert!(server.brain.asked().last().unwrap().starts_with("report_file \"r1\" \"ab\""));
    assert_eq!(server.get("/api/v1/runs/r1/reports/file").await.problem(), "bad-query");
}
