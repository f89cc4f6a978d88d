use std::sync::Arc;

use tokio::sync::watch;
use towpath_control::request::Asked;
use towpath_control::view::Problem;
use towpath_domain::Timestamp;
use towpath_web::fake::{FakeBrain, Shown};
use towpath_web::{Listener, serve};

use super::*;
use crate::exit::Exit;
use crate::failure::Failure;

/// A server over a fake, and a client of it.
async fn server(at: &str, shown: Shown) -> (Client, Arc<FakeBrain>, watch::Sender<bool>) {
    let listener = Listener::bind(&at.parse().unwrap()).await.unwrap();
    let client = Client::at(listener.endpoint().clone());
    let brain = Arc::new(FakeBrain::new(shown));
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(serve(listener, Arc::clone(&brain) as Arc<dyn towpath_web::Brain>, towpath_web::Settings::default(), stopping));
    (client, brain, stop)
}

async fn ask_everything(at: &str) {
    let (client, brain, _stop) = server(at, Shown::default()).await;
    let asked = Asked { by: "Ada".into(), why: "it is time".into() };
    assert_eq!(client.status().await.unwrap().config.branch, "main");
    client.plan(&PlanRequest { branch: Some("a/b".into()), diff: None }).await.unwrap();
    client.explain("web & co").await.unwrap();
    client.runs(&RunFilter { subject: Some("web".into()), limit: 3, ..RunFilter::default() }).await.unwrap();
    client.history(&HistoryFilter { since: Some(Timestamp::from_millis(5)), steps: true, ..HistoryFilter::default() }).await.unwrap();
    client.doctor().await.unwrap();
    client.retry(&RetryRequest { what: "web".into(), asked: asked.clone() }).await.unwrap();
    client.promote(&PromoteRequest { target: "web".into(), to: None, asked: asked.clone() }).await.unwrap();
    client.hold(&HoldRequest { what: "app/web".into(), asked }).await.unwrap();
    assert_eq!(
        brain.asked(),
        [
            "status",
            "PlanRequest { branch: Some(\"a/b\"), diff: None }",
            "explain \"web & co\"",
            "RunFilter { subject: Some(\"web\"), state: None, cursor: None, limit: 3 }",
            "HistoryFilter { about: None, since: Some(1970-01-01T00:00:00.005Z), until: None, steps: true, kind: None, cursor: None, limit: 50 }",
            "doctor",
            "retry RetryRequest { what: \"web\", asked: Asked { by: \"Ada\", why: \"it is time\" } }",
            "PromoteRequest { target: \"web\", to: None, asked: Asked { by: \"Ada\", why: \"it is time\" } }",
            "hold HoldRequest { what: \"app/web\", asked: Asked { by: \"Ada\", why: \"it is time\" } }",
        ]
    );
}

#[tokio::test]
async fn what_is_asked_over_tcp_reaches_the_brain_unchanged() {
    ask_everything("127.0.0.1:0").await;
    ask_everything("[::1]:0").await;
}

#[tokio::test]
async fn what_is_asked_over_a_unix_socket_reaches_the_brain_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    ask_everything(&format!("unix:{}", folder.path().join("s").display())).await;
}

#[tokio::test]
async fn a_refusal_tells_its_reason_and_mend_and_has_its_code() {
    let mut problem = Problem {
        r#type: "not-vouched".into(),
        title: "The promotion is not possible".into(),
        status: 409,
        detail: "the tests failed with 5f8f0e1".into(),
        mend: "mend the tests".into(),
    };
    let (client, brain, _stop) = server("127.0.0.1:0", Shown { problem: Some(problem.clone()), ..Shown::default() }).await;
    let failure = Failure::from(client.status().await.unwrap_err());
    assert_eq!(failure.to_string(), "The promotion is not possible: the tests failed with 5f8f0e1\nhelp: mend the tests");
    assert_eq!(failure.exit, Exit::Failed);
    problem.status = 404;
    brain.show(|shown| shown.problem = Some(problem));
    assert_eq!(Failure::from(client.status().await.unwrap_err()).exit, Exit::Held);
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_from_one_that_never_was() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    let gone = Client(Way::Here(Here { endpoint, pid: Some(7), key: None }));
    drop(listener);
    let failure = Failure::from(gone.status().await.unwrap_err());
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.help.contains("its process was 7"), "{failure}");

    let folder = tempfile::tempdir().unwrap();
    let config = crate::config::parse(&folder.path().join("towpath.toml"), "[config]\nurl = \"c\"").unwrap();
    let failure = Failure::from(Client::find(&config).unwrap_err());
    assert_eq!((failure.exit, failure.help.as_str()), (Exit::Unreachable, "start one with `towpath serve`"));
}

#[tokio::test]
async fn an_answer_of_something_else_is_no_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::at(Endpoint::Tcp(listener.local_addr().unwrap()));
    let other = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n", "SSH-2.0\r\n"]
        {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    assert!(matches!(client.status().await, Err(ClientError::Unreadable { .. })));
    assert!(matches!(client.status().await, Err(ClientError::Unreadable { .. })));
    assert!(matches!(client.status().await, Err(ClientError::Unreachable { .. })));
    other.await.unwrap();
}
