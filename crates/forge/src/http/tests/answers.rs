//! What comes back: kept, read, joined, and never too much.

use serde_json::json;
use towpath_domain::FailureClass;

use super::server::{Act, Server, say};
use super::*;

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let link = "link: </api/v1/x?page=2&per_page=2>; rel=\"next\"";
    let acts = [
        say(200, &format!("etag: W/\"one\"\n{link}"), "[1]"),
        say(200, "", "[2]"),
        say(304, "x-ratelimit-limit: 60\nx-ratelimit-remaining: 59\nx-ratelimit-reset: 4000000000", ""),
        say(200, "", "[3]"),
        say(200, "etag: \"two\"", "[4]"),
        say(304, "", ""),
        // A page that has not changed, with one more behind it.
        say(304, link, ""),
        say(200, "", "[5]"),
    ];
    let server = Server::start(acts).await;
    let client = client(&server);
    assert_eq!(client.get_all::<u8>("/x?per_page=2").await.unwrap(), [1, 2]);
    // The first page has not changed and still leads on; the second one had no tag.
    assert_eq!(client.get_all::<u8>("/x?per_page=2").await.unwrap(), [1, 3]);
    assert_eq!(client.budget().unwrap().left, 59, "what is told along is heard");
    assert_eq!(client.get_all::<u8>("/x?per_page=2").await.unwrap(), [4]);
    assert_eq!(client.get_all::<u8>("/x?per_page=2").await.unwrap(), [4]);
    assert_eq!(client.get_all::<u8>("/x?per_page=2").await.unwrap(), [4, 5]);
    let asked: Vec<_> = server.asked().iter().map(|request| request.header("if-none-match").map(str::to_owned)).collect();
    let tag = |text: &str| Some(text.to_owned());
    assert_eq!(asked, [None, None, tag("W/\"one\""), None, tag("W/\"one\""), tag("\"two\""), tag("\"two\""), None]);
}

#[tokio::test]
async fn a_list_that_fills_its_last_page_is_read_whole_each_time() {
    let server = Server::start([say(200, "etag: \"a\"", "[1,2]"), say(200, "etag: \"a\"", "[1,2]")]).await;
    let client = client(&server);
    for _ in 0..2 {
        assert_eq!(client.get_all::<u8>("/x?per_page=2").await.unwrap(), [1, 2]);
    }
    assert!(server.asked().iter().all(|request| request.header("if-none-match").is_none()));
}

#[tokio::test]
async fn only_what_was_good_is_kept() {
    let server = Server::start([say(404, "etag: \"a\"", "{}"), say(200, "etag: \"b\"", "{}"), say(200, "etag: \"c\"", "{}")]).await;
    let client = client(&server);
    assert_eq!(get(&client, "/x").await.unwrap().status, 404);
    send(&client, "PUT").await.unwrap();
    get(&client, "/x").await.unwrap();
    assert!(server.asked().iter().all(|request| request.header("if-none-match").is_none()));
    // A server that says so without having been asked makes no sense.
    let server = Server::start([say(304, "", "")]).await;
    assert!(get(&self::client(&server), "/x").await.unwrap_err().to_string().contains("304"));
}

#[tokio::test]
async fn a_forge_is_told_who_asks_and_what_is_understood() {
    let server = Server::start([say(200, "", "{}"), say(204, "", ""), say(200, "", "")]).await;
    let client = client(&server);
    get(&client, "/a%2Fb?c=d%20e").await.unwrap();
    let nothing = client.send::<_, Value>("DELETE", "/x", &json!(null)).await.unwrap();
    assert_eq!((nothing.status, nothing.body), (204, None));
    assert!(send(&client, "POST").await.unwrap().body.is_none(), "an answer may hold nothing");
    let asked = server.asked();
    assert_eq!(asked[0].line, "GET /api/v1/a%2Fb?c=d%20e");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(asked[0].header("user-agent"), Some(format!("towpath/{version}").as_str()));
    assert_eq!((asked[0].header("accept"), asked[0].header("x-api-version")), (Some("application/json"), Some("7")));
    assert_eq!((asked[1].header("content-type"), asked[1].body.as_str()), (None, ""));
    assert_eq!((asked[2].header("content-type"), asked[2].body.as_str()), (Some("application/json"), r#"{"a":1}"#));
}

#[tokio::test]
async fn an_address_at_the_same_host_is_asked_as_it_is() {
    let server = Server::start([say(200, "", "{}")]).await;
    let path = format!("{}/api/graphql", server.origin());
    client(&server).send::<_, Value>("POST", &path, &json!({})).await.unwrap();
    assert_eq!(server.lines(), ["POST /api/graphql"]);
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_not_read_to_its_end() {
    let long = Act::Say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 17 << 20));
    let server = Server::start([long, Act::Flood]).await;
    let client = client(&server);
    for _ in 0..2 {
        let error = get(&client, "/x").await.unwrap_err();
        assert!(error.class() == FailureClass::Unknown && error.to_string().contains("longer than 16 MiB"), "{error}");
    }
    assert_eq!(server.lines().len(), 2, "it would be as long at the next try");
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error_and_no_shorter_list() {
    let server = Server::start((0..200).map(|_| say(200, "link: <?page=2>; rel=\"next\"", "[1]"))).await;
    let error = client(&server).get_all::<u8>("/x").await.unwrap_err();
    assert!(error.to_string().contains("more than 100 pages"), "{error}");
    assert_eq!(server.lines().len(), 100);
    let large = format!("[\"{}\"]", "x".repeat(15 << 20));
    let server = Server::start((0..9).map(|_| say(200, "link: <?page=2>; rel=\"next\"", &large))).await;
    let error = client(&server).get_all::<String>("/x").await.unwrap_err();
    assert!(error.to_string().contains("more than 64 MiB"), "{error}");
}

#[tokio::test]
async fn a_list_whose_page_cannot_be_had_is_no_shorter_list() {
    let server = Server::start([say(200, "link: <?page=2>; rel=\"next\"", "[1]"), say(404, "", r#"{"message":"Not Found"}"#)]).await;
    let error = client(&server).get_all::<u8>("/x").await.unwrap_err();
    assert!(error.to_string().ends_with("GET /api/v1/x: it answered 404: Not Found") && error.class() == FailureClass::Own, "{error}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_refused() {
    let server = Server::start([say(200, "", "<html>"), say(200, "", r#"{"a":1}"#)]).await;
    let client = client(&server);
    for _ in 0..2 {
        let error = client.get::<Vec<u8>>("/x").await.unwrap_err();
        assert!(error.class() == FailureClass::Unknown && error.to_string().contains("its answer (200) makes no sense"), "{error}");
    }
}
