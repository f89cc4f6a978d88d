//! Pull requests: the queue of each source, and one of them.

use towpath_control::view::{NamespaceView, PullDetail, PullView};
use towpath_domain::{CheckId, Timestamp};
use towpath_web::fake::Shown;

use super::sample::{self, HOUR, MINUTE, ago};
use crate::harness::server;

const ANY: &str = "127.0.0.1:0";

/// A pull request that stands so, at this place among those that wait.
pub fn pull(source: &str, number: u64, standing: &str, position: usize) -> PullView {
    let run = matches!(standing, "running" | "queued" | "passed" | "failed" | "backoff");
    PullView {
        id: CheckId::new(format!("{source}#{number}")).unwrap(),
        source: source.into(),
        app: Some("shop".into()),
        number,
        url: format!("https://forge.example/acme/{source}/pull/{number}"),
        title: "Charge cards once".into(),
        author: "ada".into(),
        branch: "cards".into(),
        from_fork: standing == "needs-ok",
        urgent: position == 1,
        head: sample::id(number),
        head_since: ago(HOUR),
        opened_at: ago(3 * HOUR),
        standing: standing.into(),
        text: if standing == "failed" {
            "failed at test smoke, by the fault of the pull request itself: 500".into()
        } else {
            standing.into()
        },
        position,
        of: 2,
        run: run.then(|| sample::run_id(&format!("check-{source}-{number}"))),
        since: Some(ago(10 * MINUTE)),
        blame: (standing == "failed").then(|| "the pull request itself".into()),
        results: (standing == "failed").then(|| "https://ibutsu.example/runs/1".into()),
        unreachable: None,
    }
}

pub fn detail(check: PullView) -> PullDetail {
    let run = sample::failed_run().run;
    PullDetail {
        steps: run.steps.clone(),
        tests: vec!["smoke".into(), "login".into()],
        namespace: Some("checks-3f9a".into()),
        waits: String::new(),
        runs: vec![run],
        check,
    }
}

fn queue() -> Vec<PullView> {
    let mut all = vec![pull("shop", 7, "running", 0), pull("shop", 9, "waiting", 1), pull("shop", 8, "waiting", 2)];
    all.extend([pull("shop", 6, "failed", 0), pull("web", 17, "needs-ok", 0)]);
    all
}

#[tokio::test]
async fn the_queue_of_each_source_is_told_in_its_order() {
    let server = server(ANY, Shown { pulls: queue(), ..Shown::default() }).await;
    insta::assert_snapshot!("checks", server.page("/checks").await.words());
    let of_web = server.page("/checks?source=web&standing=").await;
    assert!(of_web.body.contains("/checks/web%2317") && !of_web.body.contains("/checks/shop"), "{}", of_web.words());
    assert!(of_web.body.contains("<option selected>web</option>") && of_web.body.contains("<option>shop</option>"));
    let waiting = server.page("/checks?standing=waiting").await;
    assert!(waiting.body.contains("/checks/shop%239") && !waiting.body.contains("/checks/shop%236"), "{}", waiting.words());
    assert!(server.page("/checks?source=nosuch").await.words().contains("No pull request is like that."));
    server.brain.show(|shown| shown.pulls.clear());
    assert!(server.page("/checks").await.words().contains("No pull request is open of a source"));
}

#[tokio::test]
async fn hundreds_of_pull_requests_are_pages_that_a_bad_line_bears() {
    let bad = "<b>".repeat(5_000);
    let of = |source: &str| (1..=450).map(|number| pull(source, number, "waiting", 3)).collect::<Vec<_>>();
    let mut pulls: Vec<PullView> = (0..40).flat_map(|source| of(&format!("source-{source:03}"))).collect();
    for pull in pulls.iter_mut().filter(|pull| pull.number <= 25) {
        (pull.title, pull.text, pull.author) = (bad.clone(), bad.clone(), bad.clone());
    }
    let server = server(ANY, Shown { pulls, ..Shown::default() }).await;
    let all = server.page("/checks").await;
    assert_eq!(all.body.matches("<tr>").count(), 8 * 26, "of each source a few, of all no more than a page bears");
    assert!(all.body.contains("All 450 of source-039") && all.body.contains("/checks?source=source-039"));
    assert!(all.body.len() < 1_000_000, "{}", all.body.len());
    let one = server.page("/checks?source=source-039").await;
    assert!(
        one.body.matches("<tr>").count() == 201 && one.body.contains("page=2") && !one.body.contains("Those before"),
        "{}",
        one.words().len()
    );
    let last = server.page("/checks?source=source-039&page=3").await;
    assert!(last.body.matches("<tr>").count() == 51 && last.body.contains("page=2") && !last.body.contains("Further ones"));
    assert_eq!(server.page(&format!("/checks?source=source-039&page={}", usize::MAX)).await.status, 200);
}

#[tokio::test]
async fn a_pull_request_tells_how_it_stands_and_what_can_be_done() {
    let server = server(ANY, Shown { pull: Some(detail(pull("shop", 6, "failed", 0))), ..Shown::default() }).await;
    let said = server.page("/checks/shop%236").await;
    insta::assert_snapshot!("check", said.words());
    assert!(
        said.body.contains("href=\"https://ibutsu.example/runs/1\"") && said.body.contains("href=\"/runs/check-shop-6\""),
        "{}",
        said.body
    );
    assert!(!said.body.contains("/act/cancel-check") && !said.body.contains("/act/ok-to-test"), "there is nothing to cancel");
    server.brain.show(|shown| shown.pull = Some(detail(pull("shop", 6, "waiting", 2))));
    let said = server.page("/checks/shop%236").await;
    assert!(said.body.contains("/act/cancel-check") && said.words().contains("2 of 2 in the queue of shop"), "{}", said.words());
    assert_eq!(server.page("/checks/shop%2399").await.status, 404);
}

#[tokio::test]
async fn buttons_of_a_pull_request_ask_what_they_say() {
    let server = server(ANY, Shown { pull: Some(detail(pull("web", 17, "needs-ok", 0))), ..Shown::default() }).await;
    let head = sample::id(17).to_string();
    let page = server.page("/checks/web%2317").await;
    assert!(page.body.contains(&format!("name=\"to\" value=\"{head}\"")) && !page.body.contains("/act/retest"), "{}", page.body);
    for (verb, to, asked) in [
        ("retest", "smoke", "check again CheckRequest { check: \"web#17\", tests: [\"smoke\"], commit: None"),
        ("retest", "", "check again CheckRequest { check: \"web#17\", tests: [], commit: None"),
        ("cancel-check", "", "check cancel CheckRequest { check: \"web#17\", tests: [], commit: None"),
    ] {
        let said = server.form(&format!("/act/{verb}"), &format!("what=web%2317&to={to}&by=Ada&why=x&back=%2Fchecks")).await;
        assert_eq!(said.status, 303, "{said:?}");
        let last = server.brain.asked().last().cloned().unwrap();
        assert!(last.starts_with(asked) && last.ends_with("asked: Asked { by: \"Ada\", why: \"x\" } }"), "{last}");
    }
    // What a stranger wrote is asked about once more, with the commit that is meant.
    let fields = format!("what=web%2317&to={head}&by=Ada&why=looked&back=%2Fchecks");
    let before = server.brain.asked().len();
    let sure = server.form("/act/ok-to-test", &fields).await;
    assert!(sure.words().contains(&format!("Allow the check of web#17 at {head}?")), "{}", sure.words());
    assert_eq!((sure.status, server.brain.asked().len()), (200, before));
    assert_eq!(server.form("/act/ok-to-test", &format!("{fields}&sure=yes")).await.status, 303);
    let last = server.brain.asked().last().cloned().unwrap();
    assert!(last.starts_with(&format!("check ok CheckRequest {{ check: \"web#17\", tests: [], commit: Some(\"{head}\")")), "{last}");
}

#[tokio::test]
async fn a_run_and_a_namespace_lead_to_the_pull_request_that_they_are_for() {
    let mut run = sample::failed_run();
    run.subject = ("check".into(), "shop#6".into());
    run.run.kind = "check".into();
    run.run.subject = "pull request shop#6".into();
    run.run.message = Some("failed in step smoke (target), by the fault of the pull request itself: 500".into());
    let namespace = NamespaceView {
        name: "checks-3f9a".into(),
        pool: "checks".into(),
        cluster: "laptop".into(),
        state: "reserved".into(),
        since: Timestamp::from_millis(0),
        waits: String::new(),
        reservation: Some("for-check".into()),
        requester: Some("shop".into()),
        purpose: "shop#6".into(),
        run: Some(sample::run_id("check-shop-6")),
        until: None,
        apps: None,
    };
    let pool = serde_json::from_value(serde_json::json!({
        "name": "checks", "cluster": "laptop", "app": null, "environment": null, "size": 1, "limit": 2, "each": null, "lease": "1h",
        "longest": "2h", "operator": null, "ready": 0, "making": 0, "reserved": 1, "ending": 0, "waiting": 0, "trouble": null,
    }));
    let shown = Shown {
        run_detail: Some(run),
        pull: Some(detail(pull("shop", 6, "failed", 0))),
        namespaces: vec![namespace],
        pools: vec![pool.unwrap()],
        ..Shown::default()
    };
    let server = server(ANY, shown).await;
    let said = server.page("/runs/check-shop-6").await;
    assert!(said.body.contains("href=\"/checks/shop%236\"") && said.words().contains("check shop#6 Charge cards once"), "{}", said.words());
    assert!(said.words().contains("by the fault of the pull request itself: 500"), "{}", said.words());
    assert!(server.page("/namespaces").await.body.contains("<a href=\"/checks/shop%236\">shop#6</a>"));
    // A pull request that is closed by now leaves its runs behind.
    server.brain.show(|shown| shown.pull = None);
    assert_eq!(server.page("/runs/check-shop-6").await.status, 200);
}
