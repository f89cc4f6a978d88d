//! What is waited out, and what is sent again.

use tokio::net::TcpSocket;
use tokio::time::Instant;
use towpath_domain::FailureClass;

use super::server::{Act, Server, say};
use super::*;

fn seconds(since: Instant) -> u64 {
    since.elapsed().as_secs()
}

#[tokio::test]
async fn whoever_is_asked_to_come_back_later_comes_back_then() {
    for (status, later) in [(429, "retry-after: 30"), (403, "retry-after: 30"), (503, "retry-after: 30")] {
        let server = Server::start([say(status, later, ""), say(201, "", "{}")]).await;
        let begun = Instant::now();
        // It said that it did nothing: even what cannot be repeated is.
        assert_eq!(send(&client(&server), "POST").await.unwrap().status, 201);
        assert!((30..32).contains(&seconds(begun)), "{status}: {}", seconds(begun));
        assert_eq!(server.lines(), ["POST /api/v1/x", "POST /api/v1/x"]);
        assert_eq!(server.asked()[1].body, r#"{"a":1}"#);
    }
}

#[tokio::test]
async fn a_date_to_come_back_at_is_understood_by_the_forges_own_clock() {
    let later = "date: Sun, 06 Nov 1994 08:49:37 GMT\nretry-after: Sun, 06 Nov 1994 08:50:17 GMT";
    let server = Server::start([say(429, later, ""), say(200, "", "{}")]).await;
    let begun = Instant::now();
    assert_eq!(get(&client(&server), "/x").await.unwrap().status, 200);
    assert!((40..42).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test]
async fn a_rest_that_is_longer_than_anybody_waits_is_an_error_that_says_when_it_goes_on() {
    let server = Server::start([say(429, "retry-after: 3600", r#"{"message":"slow down"}"#)]).await;
    let client = client(&server);
    let begun = Instant::now();
    let error = get(&client, "/x").await.unwrap_err();
    assert_eq!((error.class(), seconds(begun)), (FailureClass::Environment, 0));
    assert!(error.to_string().contains("429: slow down; it goes on at 20"), "{error}");
    // The next one is not even sent.
    let error = send(&client, "POST").await.unwrap_err();
    assert!(!error.is_unknown() && error.to_string().contains("it goes on at 20"), "{error}");
    assert_eq!(server.lines(), ["GET /api/v1/x"]);
}

#[tokio::test]
async fn a_spent_budget_is_shown_and_waited_for_before_anything_is_sent() {
    let limits = |left, reset| {
        format!("x-ratelimit-limit: 60\nx-ratelimit-remaining: {left}\nx-ratelimit-reset: {reset}\ndate: Tue, 14 Nov 2023 22:13:20 GMT")
    };
    let server = Server::start([say(200, &limits(0, 1_700_000_050), "{}"), say(200, &limits(59, 1_700_003_600), "{}")]).await;
    let client = client(&server);
    assert_eq!(client.budget(), None);
    let begun = Instant::now();
    get(&client, "/x").await.unwrap();
    assert_eq!((client.budget().map(|budget| (budget.limit, budget.left)), seconds(begun)), (Some((60, 0)), 0));
    get(&client, "/x").await.unwrap();
    assert!((51..53).contains(&seconds(begun)), "{}", seconds(begun));
    assert_eq!(client.budget().map(|budget| budget.left), Some(59));
}

#[tokio::test]
async fn a_secondary_limit_that_is_told_in_words_only_is_waited_out() {
    let limit = r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#;
    let server = Server::start([say(403, "", limit), say(200, "", "{}")]).await;
    let begun = Instant::now();
    assert_eq!(send(&client(&server), "POST").await.unwrap().status, 200);
    assert!((60..62).contains(&seconds(begun)), "{}", seconds(begun));
    // To be forbidden is an answer.
    let server = Server::start([say(403, "", r#"{"message":"Must have admin rights"}"#)]).await;
    let reply = send(&client(&server), "POST").await.unwrap();
    assert_eq!((reply.status, super::super::words(&reply.text).as_str()), (403, "Must have admin rights"));
}

#[tokio::test]
async fn what_does_the_same_again_is_sent_again_after_whatever_passes() {
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let mishaps = [Act::Cut, say(500, "", ""), say(503, "", ""), Act::Hang, say(502, "retry-after: 1", "<html>")];
        let server = Server::start(mishaps).await;
        server.plan(say(200, "", r#"{"done":true}"#));
        let client = client(&server);
        let reply = if method == "GET" { get(&client, "/x").await } else { send(&client, method).await };
        assert_eq!(reply.unwrap().body.unwrap()["done"], true, "{method}");
        assert_eq!(server.lines(), vec![format!("{method} /api/v1/x"); 6]);
    }
}

#[tokio::test]
async fn a_post_that_may_have_taken_place_is_not_sent_again_and_the_error_says_so() {
    for act in [Act::Cut, Act::Hang, Act::Flood, say(500, "", ""), say(503, "", ""), say(504, "retry-after: 1", "")] {
        let server = Server::start([act, say(201, "", "{}")]).await;
        let error = send(&client(&server), "POST").await.unwrap_err();
        assert!(error.is_unknown() && error.class() == FailureClass::Environment, "{error:?}");
        assert!(error.to_string().contains("POST /api/v1/x") && error.to_string().contains("unknown whether it took place"), "{error}");
        assert_eq!(server.lines(), ["POST /api/v1/x"]);
    }
}

#[tokio::test]
async fn what_never_came_there_did_not_take_place_and_is_sent_until_patience_ends() {
    // Nobody listens there, and nobody else will.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}", socket.local_addr().unwrap());
    let begun = Instant::now();
    let error = send(&at_once(settings(&base, token())), "POST").await.unwrap_err();
    assert!(!error.is_unknown() && error.class() == FailureClass::Environment, "{error:?}");
    assert!(error.to_string().contains(" times, for at most 1m30s"), "{error}");
    assert!((45..=90).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test]
async fn a_server_that_fails_for_good_is_given_up_once_patience_ends() {
    let server = Server::start((0..100).map(|_| say(500, "", r#"{"message":"oh no"}"#))).await;
    let begun = Instant::now();
    let error = get(&client(&server), "/x").await.unwrap_err();
    assert!(!error.is_unknown() && error.class() == FailureClass::Environment);
    assert!(error.to_string().starts_with("Forge at localhost: GET /api/v1/x: it answered 500: oh no (asked "), "{error}");
    assert!(seconds(begun) <= 90 && (9..20).contains(&server.lines().len()), "{} {:?}", seconds(begun), server.lines().len());
    // A change that failed each time may still have taken place.
    assert!(send(&client(&server), "PUT").await.unwrap_err().is_unknown());
}

#[tokio::test]
async fn changes_go_one_after_another_and_looks_side_by_side() {
    let server = Server::start((0..8).map(|_| Act::Dawdle)).await;
    let client = client(&server);
    let same = client.clone();
    let changes = futures_util::future::join4(send(&client, "POST"), send(&same, "PATCH"), send(&client, "POST"), send(&client, "PUT"));
    let (a, b, c, d) = changes.await;
    assert!([a, b, c, d].iter().all(Result::is_ok));
    assert_eq!(server.most_at_once(), 1);
    let looks = futures_util::future::join(get(&client, "/x"), get(&client, "/y")).await;
    assert!(looks.0.is_ok() && looks.1.is_ok());
    assert_eq!(server.most_at_once(), 2);
}
