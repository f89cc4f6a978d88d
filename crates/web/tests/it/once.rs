//! Writes that come again.

use towpath_control::view::Problem;
use towpath_web::fake::Shown;

use crate::harness::{Said, Server, server};

const HOLD: &str = r#"{"what":"app/web","by":"Ada","why":"sale"}"#;

async fn write(server: &Server, path: &str, key: &str, body: &str) -> Said {
    server
        .raw(&format!("POST /api/v1/{path} HTTP/1.1\nhost: localhost\ncontent-type: application/json\nidempotency-key: {key}"), body)
        .await
}

fn holds(server: &Server) -> usize {
    server.brain.asked().iter().filter(|asked| asked.starts_with("hold")).count()
}

#[tokio::test]
async fn a_write_that_comes_again_with_its_key_is_answered_the_same_and_does_nothing() {
    let server = server("127.0.0.1:0", Shown::default()).await;
    let first = write(&server, "hold", "k-1", HOLD).await;
    server.brain.show(|shown| shown.accepted.text = "Something else.".into());
    let again = write(&server, "hold", "k-1", HOLD).await;
    assert_eq!((first.status, again.status, again.body.as_str()), (202, 202, first.body.as_str()));
    assert!(again.head.contains("idempotency-replayed: true") && !first.head.contains("idempotency-replayed"));
    assert_eq!(holds(&server), 1);
    assert_eq!(write(&server, "hold", "k-2", HOLD).await.json()["text"], "Something else.");
    assert_eq!(holds(&server), 2);
}

#[tokio::test]
async fn a_key_is_for_one_request_only() {
    let server = server("127.0.0.1:0", Shown::default()).await;
    write(&server, "hold", "k", HOLD).await;
    let other_body = write(&server, "hold", "k", &HOLD.replace("sale", "party")).await;
    let other_path = write(&server, "release", "k", HOLD).await;
    for said in [other_body, other_path] {
        assert_eq!((said.status, said.problem().as_str()), (422, "key-used"));
    }
    assert_eq!(holds(&server), 1);
    for key in ["", "two words", &"k".repeat(256)] {
        let said = write(&server, "hold", key, HOLD).await;
        assert_eq!((said.status, said.problem().as_str()), (400, "bad-header"), "{key:?}");
    }
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_with_its_key_and_what_broke_may_not() {
    let server = server("127.0.0.1:0", Shown::default()).await;
    let refuse = |status: u16| {
        let problem = Problem { r#type: "gate".into(), title: "t".into(), status, detail: "d".into(), mend: "m".into() };
        server.brain.show(|shown| shown.problem = Some(problem));
    };
    refuse(409);
    assert_eq!(write(&server, "hold", "k", HOLD).await.status, 409);
    server.brain.show(|shown| shown.problem = None);
    assert_eq!(write(&server, "hold", "k", HOLD).await.status, 202);

    refuse(500);
    assert_eq!(write(&server, "hold", "broken", HOLD).await.status, 500);
    server.brain.show(|shown| shown.problem = None);
    let said = write(&server, "hold", "broken", HOLD).await;
    assert_eq!((said.status, said.problem().as_str()), (409, "key-unended"), "nobody knows whether it was done");
}
