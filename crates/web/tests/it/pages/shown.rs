//! What pages show.

use std::io::Write as _;

use towpath_control::view::{BoardView, Problem};
use towpath_web::fake::Shown;

use super::{checks, sample};
use crate::harness::server;

const ANY: &str = "127.0.0.1:0";

fn pressed(text: &str) -> usize {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap().len()
}

#[tokio::test]
async fn every_page_says_what_there_is_to_say() {
    let server = server(ANY, sample::shown()).await;
    let mut open = sample::open_run();
    open.attempts.clear();
    for (name, path) in [
        ("board", "/"),
        ("release", "/commits/500bbbc"),
        ("target", "/targets/shop-test-3f2a"),
        ("runs", "/runs"),
        ("run", "/runs/deploy-shop-test-8a1c?find=CSV"),
        ("tests", "/tests?find=pay"),
        ("test", "/tests/5f8f0e1d2c3b4a596877"),
    ] {
        let said = server.page(path).await;
        assert_eq!(said.status, 200, "{path}: {said:?}");
        insta::assert_snapshot!(name, said.words());
    }
    server.brain.show(|shown| {
        shown.run_detail = Some(open);
        shown.log.clear();
        shown.log_done = false;
    });
    insta::assert_snapshot!("run-open", server.page("/runs/deploy-shop-test-8a1c").await.words());
}

#[tokio::test]
async fn where_there_is_nothing_a_page_says_what_to_do() {
    let server = server(ANY, sample::nothing()).await;
    for (path, says) in [
        ("/", "Targets come from the saas files"),
        ("/?app=nosuch", "Nothing on the board is like that."),
        ("/runs", "Nothing has run yet."),
        ("/runs?state=failed", "No run is like that."),
        ("/tests", "No run has reported tests yet."),
        ("/tests?state=flaky", "No test is like that."),
    ] {
        let said = server.page(path).await;
        assert!(said.status == 200 && said.words().contains(says), "{path}: {}", said.words());
    }
    for path in ["/commits/abc", "/targets/abc", "/sources/abc", "/runs/abc", "/tests/abc", "/checks/abc", "/why?what=abc"] {
        let said = server.page(path).await;
        assert_eq!(said.status, 404, "{path}");
        assert!(said.words().contains("What to do: look on the board") && said.body.contains("<nav"), "{path}: {}", said.words());
    }
}

#[tokio::test]
async fn what_is_refused_is_told_on_a_page_to_browsers_and_as_a_problem_to_programs() {
    let server = server(ANY, sample::nothing()).await;
    for (path, status, says) in [
        ("/nothing/there", 404, "there is nothing at /nothing/there"),
        ("/?page=x", 400, "cannot be read"),
        ("/tests?state=odd", 400, "state is \"odd\""),
        ("/runs/%FF", 400, "cannot be read"),
        ("/act/retry", 405, "does not take GET"),
    ] {
        let said = server.page(path).await;
        assert_eq!(said.status, status, "{path}");
        assert_eq!(said.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(said.words().contains(says) && said.words().contains("What to do:"), "{path}: {}", said.words());
    }
    assert_eq!(server.get("/nothing/there").await.problem(), "unknown-path");
    let api = server.raw("GET /api/v1/nothing HTTP/1.1\nhost: localhost\naccept: text/html", "").await;
    assert_eq!(api.problem(), "unknown-path", "the API answers as it is, whoever asks");
    server.brain.show(|shown| {
        let (title, detail, mend) = ("The ledger cannot be read".into(), "disk <full>".into(), "make room".into());
        shown.problem = Some(Problem { r#type: "ledger".into(), title, status: 500, detail, mend });
    });
    let said = server.page("/").await;
    assert_eq!(said.status, 500);
    assert!(said.words().contains("disk <full>") && said.words().contains("What to do: make room"), "{}", said.words());
}

/// Tries to get out of the text at every place that somebody else writes.
fn poisoned() -> Shown {
    let bad = "</bdi></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`${}";
    let mut text = serde_json::json!({
        "board": sample::board(), "release": sample::release(), "why": sample::why(), "run": sample::failed_run(),
        "tests": { "items": [sample::test("x", true)], "next": null }, "test": sample::test_detail(),
        "pull": checks::detail(checks::pull("web", 17, "failed", 1)),
    });
    fn poison(value: &mut serde_json::Value, key: &str, bad: &str) {
        match value {
            serde_json::Value::Object(all) => all.iter_mut().for_each(|(key, value)| poison(value, key, bad)),
            serde_json::Value::Array(all) => all.iter_mut().for_each(|value| poison(value, key, bad)),
            serde_json::Value::String(text) => {
                let free = [
                    "subject",
                    "author",
                    "text",
                    "lift",
                    "summary",
                    "message",
                    "title",
                    "label",
                    "command",
                    "place",
                    "answer",
                    "name",
                    "trace",
                    "output",
                    "notes",
                    "of",
                    "owner",
                    "tree",
                    "waitsFor",
                    "reached",
                    "environments",
                    "teams",
                    "app",
                    "apps",
                    "environment",
                    "lastLines",
                    "object",
                    "artifacts",
                    "why",
                    "reason",
                    "kind",
                    "verb",
                    "what",
                    "to",
                    "branch",
                    "blame",
                    "waits",
                    "namespace",
                    "standing",
                    "tests",
                ];
                if free.contains(&key) && !text.contains("://") {
                    *text = bad.to_owned();
                }
            }
            _ => {}
        }
    }
    poison(&mut text, "", bad);
    let part = |name: &str| text[name].clone();
    let why: towpath_control::view::WhyView = serde_json::from_value(part("why")).unwrap();
    let mut pull: towpath_control::view::PullDetail = serde_json::from_value(part("pull")).unwrap();
    pull.check.url = "javascript:alert(4)".into();
    pull.check.results = Some("javascript:alert(5)".into());
    let mut log = sample::log(5);
    log.iter_mut().for_each(|line| {
        line.text = format!("\x1b[31m{bad}\x1b]8;;javascript:alert(3)\x07x\x1b[0m");
        line.step = bad.to_owned();
    });
    Shown {
        board: serde_json::from_value(part("board")).unwrap(),
        release: Some(serde_json::from_value(part("release")).unwrap()),
        runs: why.runs.clone(),
        why: Some(why),
        run_detail: Some(serde_json::from_value(part("run")).unwrap()),
        tests: serde_json::from_value(part("tests")).unwrap(),
        test: Some(serde_json::from_value(part("test")).unwrap()),
        pulls: vec![pull.check.clone()],
        pull: Some(pull),
        log,
        log_done: true,
        ..Shown::default()
    }
}

#[tokio::test]
async fn nothing_that_somebody_wrote_becomes_markup_or_a_link_that_acts() {
    let server = server(ANY, poisoned()).await;
    let evil = "%3Cscript%3Ealert(1)%3C/script%3E%22%20onfocus=%22x";
    for path in [
        "/".to_owned(),
        format!("/?text={evil}&app={evil}&team={evil}"),
        "/commits/a".to_owned(),
        "/targets/a".to_owned(),
        format!("/runs?subject={evil}&state={evil}"),
        "/runs/a".to_owned(),
        format!("/runs/a?find={evil}"),
        "/runs/a?find=alert".to_owned(),
        "/runs/a/log?from=0".to_owned(),
        "/tests".to_owned(),
        format!("/tests?find={evil}&app={evil}"),
        "/tests/a".to_owned(),
        "/checks".to_owned(),
        format!("/checks?source={evil}&standing={evil}"),
        "/checks/web%2317".to_owned(),
        format!("/nothing/{evil}"),
    ] {
        let said = server.page(&path).await;
        assert!(said.status == 200 || path.contains("nothing"), "{path}: {said:?}");
        let html = &said.body;
        for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
            let name = tag.split([' ', '\n']).next().unwrap_or_default();
            assert!(!name.starts_with("img") && (name != "script" || tag.contains("src=\"/assets/")), "{path}: <{tag}>");
            let lower = tag.to_lowercase();
            // What stands outside of quotes are the attributes' names.
            let names: String = lower.split('"').step_by(2).collect();
            assert!(!names.contains(" on") && !names.contains(" style="), "{path}: <{tag}>");
            for link in ["href=\"", "src=\"", "action=\""] {
                let Some(to) = lower.split(link).nth(1) else { continue };
                assert!(["/", "#", "https://", "http://"].iter().any(|start| to.starts_with(start)), "{path}: <{tag}>");
            }
        }
        assert!(!html.contains('\x1b'), "{path}: an escape is left");
        assert!(said.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")), "{path}");
    }
}

#[tokio::test]
async fn a_page_is_sent_once_and_small() {
    let server = server(ANY, sample::shown()).await;
    let first = server.page("/").await;
    let tag = first.head.lines().find_map(|line| line.strip_prefix("etag: w/")).unwrap().to_owned();
    let again = |tag: String| format!("GET / HTTP/1.1\nhost: localhost\naccept: text/html\nif-none-match: W/{tag}");
    let known = server.raw(&again(tag.clone()), "").await;
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    server.brain.show(|shown| {
        shown.history.push(
            serde_json::from_value(serde_json::json!({
                "id": 77, "at": 1_795_718_400_000_i64, "cause": null, "actor": "towpath", "text": "x", "scopes": [], "event": {}
            }))
            .unwrap(),
        )
    });
    assert_eq!(server.raw(&again(tag.clone()), "").await.status, 304, "another event alone makes no other page");
    assert!(server.page("/").await.body.contains("data-event=\"77\""));
    server.brain.show(|shown| shown.board.rows.truncate(1));
    assert_eq!(server.raw(&again(tag), "").await.status, 200);
}

#[tokio::test]
async fn three_hundred_apps_are_a_page_that_a_bad_line_bears() {
    let large = sample::large(300);
    assert!(large.totals.targets > 1000);
    let server = server(ANY, Shown { board: large, ..Shown::default() }).await;
    let said = server.page("/").await;
    let size = pressed(&said.body);
    println!("300 apps: {} bytes, {size} compressed", said.body.len());
    assert!(size < 100_000, "{size} bytes, compressed");
    assert!(said.body.contains("service-000") && said.words().contains("Page 1 of"), "more are on further pages");
    let next = server.page("/?page=2").await;
    assert!(next.body.contains("service-299") && !next.body.contains(">service-000</a>"));
}

#[tokio::test]
async fn filters_are_forms_that_need_no_script() {
    let server =
        server(ANY, Shown { board: BoardView { teams: vec!["storefront".into()], ..BoardView::default() }, ..Shown::default() }).await;
    let said = server.page("/?app=shop&team=storefront&state=&text=+").await;
    let asked = server.brain.asked();
    let board = asked.iter().find(|asked| asked.starts_with("board")).unwrap();
    assert!(board.contains("app: Some(\"shop\"), team: Some(\"storefront\"), state: None, text: None"), "{board}");
    assert!(said.body.contains("<form class=\"filters\" action=\"/\" method=\"get\""));
    assert!(said.body.contains("<option selected>storefront</option>"), "what was chosen stays chosen");
    assert!(
        said.body.contains("href=\"/?app=shop&#38;team=storefront&#38;state=stuck\""),
        "a count leads to what it counts: {}",
        said.body
    );
}

#[tokio::test]
async fn what_is_looked_for_is_found_or_said_to_be_nowhere() {
    let server = server(ANY, sample::shown()).await;
    let to = |said: &crate::harness::Said| (said.status, said.header("location").map(str::to_owned));
    assert_eq!(to(&server.page("/why?what=shop/test").await), (303, Some("/targets/shop-test-3f2a".to_owned())));
    server.brain.show(|shown| shown.why = None);
    assert_eq!(to(&server.page("/why?what=500bbbc").await), (303, Some(format!("/commits/{}", sample::id(1)))));
    server.brain.show(|shown| shown.release = None);
    assert_eq!(to(&server.page("/why?what=deploy-shop-test-8").await), (303, Some("/runs/deploy-shop-test-8a1c".to_owned())));
    server.brain.show(|shown| {
        shown.explain.kind = "channel".into();
        shown.explain.title = "shop ready".into();
    });
    assert_eq!(to(&server.page("/why?what=ready").await), (303, Some("/graph?around=shop%20ready".to_owned())));
    assert_eq!(to(&server.page("/why?what=").await), (303, Some("/".to_owned())));
}

#[tokio::test]
async fn files_of_the_pages_are_kept_for_good_by_their_hash() {
    let server = server(ANY, Shown::default()).await;
    let page = server.page("/").await;
    let mut found = 0;
    for address in page.body.split(['"']).filter(|text| text.starts_with("/assets/")) {
        found += 1;
        let file = server.get(address).await;
        assert_eq!(file.status, 200, "{address}");
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"), "{address}");
        let other = address.replacen("/assets/", "/assets/0", 1);
        assert_eq!(server.get(&other).await.status, 404, "{other}");
    }
    assert!(found >= 4);
    let script = include_str!("../../../assets/towpath.js");
    assert!(script.len() < 10_000, "{}", script.len());
    for asset in [script, include_str!("../../../assets/log.js"), include_str!("../../../assets/towpath.css")] {
        assert!(!asset.contains("http://") && !asset.contains("https://") && !asset.contains("eval("));
    }
}

#[tokio::test]
async fn a_link_elsewhere_leads_to_a_page_and_nothing_else_of_another_site_is_served() {
    let server = server(ANY, sample::shown()).await;
    let from = |line: &str, mode: &str, dest: &str| {
        format!(
            "{line} HTTP/1.1\nhost: localhost\naccept: text/html\nsec-fetch-site: cross-site\nsec-fetch-mode: {mode}\nsec-fetch-dest: {dest}"
        )
    };
    assert_eq!(server.raw(&from("GET /commits/500bbbc", "navigate", "document"), "").await.status, 200);
    for (line, mode, dest) in [
        ("GET /commits/500bbbc", "navigate", "iframe"),
        ("GET /commits/500bbbc", "no-cors", "image"),
        ("GET /api/v1/board", "cors", "empty"),
        ("POST /act/retry", "navigate", "document"),
    ] {
        assert_eq!(server.raw(&from(line, mode, dest), "").await.status, 403, "{line} {mode} {dest}");
    }
}
