//! Questions, requests and refusals.

use towpath_control::view::Problem;
use towpath_web::fake::Shown;

use crate::harness::server;

const ANY: &str = "127.0.0.1:0";

#[tokio::test]
async fn every_question_reaches_the_brain_as_it_was_asked() {
    let server = server(ANY, Shown::default()).await;
    for (path, asked) in [
        ("/api/v1/status", "status"),
        ("/api/v1/plan", "PlanRequest { branch: None, diff: None }"),
        ("/api/v1/plan?branch=freeze%2Fwinter", "PlanRequest { branch: Some(\"freeze/winter\"), diff: None }"),
        ("/api/v1/plan?diff=", "PlanRequest { branch: None, diff: Some(\"\") }"),
        ("/api/v1/explain?what=web%20stage", "explain \"web stage\""),
        ("/api/v1/runs", "RunFilter { subject: None, state: None, cursor: None, limit: 50 }"),
        (
            "/api/v1/runs?subject=web&state=failed&cursor=9&limit=3",
            "RunFilter { subject: Some(\"web\"), state: Some(\"failed\"), cursor: Some(\"9\"), limit: 3 }",
        ),
        ("/api/v1/runs/b-1/logs?from=7&search=panic", "LogQuery { run: \"b-1\", from: 7, search: Some(\"panic\") }"),
        (
            "/api/v1/history?about=web&since=0&until=1000&steps=true&limit=9",
            "HistoryFilter { about: Some(\"web\"), since: Some(1970-01-01T00:00:00.000Z), until: Some(1970-01-01T00:00:01.000Z), steps: true, kind: None, cursor: None, limit: 9 }",
        ),
        ("/api/v1/doctor", "doctor"),
    ] {
        let said = server.get(path).await;
        assert_eq!((said.status, server.brain.asked().last().map(String::as_str)), (200, Some(asked)), "{path}: {said:?}");
        said.json();
    }
    assert_eq!(server.get("/healthz").await.body, "ok\n");
}

#[tokio::test]
async fn every_request_says_who_asks_and_why() {
    let server = server(ANY, Shown::default()).await;
    for (path, json, asked) in [
        (
            "retry",
            r#"{"what":"web","by":"Ada","why":"flaky"}"#,
            "retry RetryRequest { what: \"web\", asked: Asked { by: \"Ada\", why: \"flaky\" } }",
        ),
        (
            "ack",
            r#"{"what":"web","by":"Ada","why":"looking"}"#,
            "ack RetryRequest { what: \"web\", asked: Asked { by: \"Ada\", why: \"looking\" } }",
        ),
        (
            "cancel",
            r#"{"what":"b-1","by":"Ada","why":"slow"}"#,
            "cancel RetryRequest { what: \"b-1\", asked: Asked { by: \"Ada\", why: \"slow\" } }",
        ),
        (
            "promote",
            r#"{"target":"web","to":"abc","by":"Ada","why":"now"}"#,
            "PromoteRequest { target: \"web\", to: Some(\"abc\"), asked: Asked { by: \"Ada\", why: \"now\" } }",
        ),
        (
            "rollback",
            r#"{"target":"web","by":"Ada","why":"broken"}"#,
            "RollbackRequest { target: \"web\", to: None, asked: Asked { by: \"Ada\", why: \"broken\" } }",
        ),
        (
            "hold",
            r#"{"what":"app/web","by":"Ada","why":"sale"}"#,
            "hold HoldRequest { what: \"app/web\", asked: Asked { by: \"Ada\", why: \"sale\" } }",
        ),
        (
            "release",
            r#"{"what":"app/web","by":"Ada","why":"over"}"#,
            "release HoldRequest { what: \"app/web\", asked: Asked { by: \"Ada\", why: \"over\" } }",
        ),
        ("backup", r#"{"dest":"/tmp/x"}"#, "backup \"/tmp/x\""),
    ] {
        let said = server.post(&format!("/api/v1/{path}"), json).await;
        assert_eq!((said.status, server.brain.asked().last().map(String::as_str)), (202, Some(asked)), "{path}: {said:?}");
        assert_eq!(said.json()["text"], "Accepted.");
    }
    let asked = server.brain.asked().len();
    for json in [r#"{"what":"web","by":" ","why":"x"}"#, r#"{"what":"web","by":"A\nB","why":"x"}"#, r#"{"what":"web","by":"Ada","why":""}"#]
    {
        assert_eq!(server.post("/api/v1/hold", json).await.problem(), "who-and-why", "{json}");
    }
    assert_eq!(server.brain.asked().len(), asked, "a refused request never reaches the brain");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_as_a_problem() {
    let server = server(ANY, Shown::default()).await;
    for (path, status, problem) in [
        ("/", 404, "unknown-path"),
        ("/api/v1/nothing", 404, "unknown-path"),
        ("/api/v1/retry", 405, "wrong-method"),
        ("/api/v1/explain", 400, "bad-query"),
        ("/api/v1/runs?limit=0", 400, "bad-query"),
        ("/api/v1/runs?limit=1001", 400, "bad-query"),
        ("/api/v1/runs?limt=3", 400, "bad-query"),
        ("/api/v1/history?since=yesterday", 400, "bad-query"),
        ("/api/v1/runs/%FF", 400, "bad-path"),
    ] {
        let said = server.get(path).await;
        assert_eq!((said.status, said.problem().as_str()), (status, problem), "{path}");
    }
    for (json, status) in [("", 400), ("{", 400), ("[]", 422), (r#"{"what":"x"}"#, 422)] {
        let said = server.post("/api/v1/retry", json).await;
        assert_eq!((said.status, said.problem().as_str()), (status, "bad-body"), "{json}");
    }
    let form = server.raw("POST /api/v1/retry HTTP/1.1\nhost: localhost\ncontent-type: text/plain", "{}").await;
    assert_eq!((form.status, form.problem().as_str()), (415, "bad-body"), "a form cannot ask for anything");
    let large = format!(r#"{{"what":"{}","by":"Ada","why":"x"}}"#, "x".repeat(70_000));
    assert_eq!(server.post("/api/v1/retry", &large).await.status, 413);
    assert_eq!(server.brain.asked(), [""; 0]);
}

#[tokio::test]
async fn a_refusal_of_the_brain_arrives_word_for_word() {
    let problem = Problem {
        r#type: "unknown-target".into(),
        title: "No such target".into(),
        status: 404,
        detail: "nothing is called \"wbe\"".into(),
        mend: "did you mean \"web\"?".into(),
    };
    let server = server(ANY, Shown { problem: Some(problem.clone()), ..Shown::default() }).await;
    let said = server.get("/api/v1/explain?what=wbe").await;
    assert_eq!(said.problem(), "unknown-target");
    assert_eq!(serde_json::from_str::<Problem>(&said.body).unwrap(), problem);
}

#[tokio::test]
async fn a_page_of_another_site_gets_nothing_and_asks_nothing() {
    let server = server(ANY, Shown::default()).await;
    for head in [
        "GET /api/v1/status HTTP/1.1\nhost: evil.example",
        "GET /api/v1/status HTTP/1.0",
        "GET /api/v1/status HTTP/1.1\nhost: localhost\norigin: https://evil.example",
        "GET /healthz HTTP/1.1\nhost: evil.example",
        "GET /nothing HTTP/1.1\nhost: evil.example",
    ] {
        let said = server.raw(head, "").await;
        assert_eq!((said.status, said.problem().as_str()), (403, "foreign-site"), "{head}");
    }
    assert_eq!(server.brain.asked(), [""; 0]);
}

#[tokio::test]
async fn a_webhook_wakes_whatever_it_says_until_there_are_too_many() {
    let server = server(ANY, Shown::default()).await;
    let through_a_proxy = server.raw("POST /hooks/git HTTP/1.1\nhost: towpath.example", "{ not even JSON").await;
    assert_eq!((through_a_proxy.status, server.brain.asked()), (204, vec!["wake".to_owned()]));
    assert_eq!(server.post("/hooks/registry", "{}").await.status, 204);
    assert!(server.brain.asked().contains(&"wake for images".to_owned()));
    let mut last = server.post("/hooks/git", "").await;
    for _ in 0..200 {
        if last.status == 429 {
            break;
        }
        last = server.post("/hooks/git", "").await;
    }
    assert_eq!(last.problem(), "too-many-hooks");
}

#[tokio::test]
async fn whoever_follows_a_log_gets_each_line_once_and_learns_of_the_end() {
    let server = server(ANY, Shown::default()).await;
    let page = server.get("/api/v1/runs/b-1/logs?from=0&waitMs=0").await.json();
    assert_eq!((page["lines"].as_array().unwrap().len(), &page["next"], &page["done"]), (0, &0.into(), &false.into()));

    let (waited, ()) = tokio::join!(server.get("/api/v1/runs/b-1/logs?from=0&waitMs=30000"), async {
        // The line is written once the server has looked in vain.
        while !server.brain.asked().iter().any(|asked| asked.contains("from: 0")) {
            tokio::task::yield_now().await;
        }
        server.brain.log(5, "build", "compiling");
    });
    let page = waited.json();
    assert_eq!(page["lines"][0]["text"], "compiling");
    assert_eq!(page["next"], 1);

    server.brain.show(|shown| shown.log_done = true);
    let page = server.get("/api/v1/runs/b-1/logs?from=1&waitMs=30000").await.json();
    assert_eq!((page["lines"].as_array().unwrap().len(), &page["done"]), (0, &true.into()));
}
