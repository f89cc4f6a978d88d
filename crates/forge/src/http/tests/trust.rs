//! Where the token goes, and who sees it.

use std::collections::VecDeque;
use std::pin::Pin;

use towpath_domain::FailureClass;

use super::super::TokenSource;
use super::server::{Act, Server, say};
use super::*;

/// Has one token after another; the last one for good.
#[derive(Debug)]
struct Changing(std::sync::Mutex<VecDeque<Result<&'static str, &'static str>>>);

impl TokenSource for Changing {
    fn token(&self) -> Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send + '_>> {
        let mut all = self.0.lock().unwrap();
        let token = if all.len() > 1 { all.pop_front().unwrap() } else { all[0] };
        Box::pin(std::future::ready(token.map(SecretString::from).map_err(str::to_owned)))
    }
}

fn changing<const N: usize>(tokens: [Result<&'static str, &'static str>; N]) -> Token {
    Token::Source(Arc::new(Changing(std::sync::Mutex::new(tokens.into()))))
}

fn sent(server: &Server) -> Vec<String> {
    server.asked().iter().map(|request| request.header("authorization").unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_asked_for_anew_once() {
    let unauthorized = || say(401, "", r#"{"message":"Bad credentials"}"#);
    let server = Server::start([say(200, "", "{}"), unauthorized(), say(201, "", "{}"), unauthorized(), unauthorized()]).await;
    let tokens = changing([Ok("first-token"), Ok("second-token"), Ok("third-token"), Ok("fourth-token")]);
    let client = at_once(settings(&server.url(), tokens));
    assert_eq!(get(&client, "/x").await.unwrap().status, 200);
    assert_eq!(send(&client, "POST").await.unwrap().status, 201);
    assert_eq!(sent(&server), ["Bearer first-token", "Bearer first-token", "Bearer second-token"]);
    let reply = get(&client, "/x").await.unwrap();
    assert_eq!((reply.status, reply.body), (401, None), "the caller hears of it");
    assert_eq!(sent(&server)[3..], ["Bearer second-token", "Bearer third-token"]);
}

#[tokio::test]
async fn a_token_that_stays_the_same_is_not_sent_twice() {
    let server = Server::start([say(401, "", ""), say(200, "", "")]).await;
    assert_eq!(get(&client(&server), "/x").await.unwrap().status, 401);
    assert_eq!(sent(&server), [format!("Bearer {TOKEN}")]);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let server = Server::start([]).await;
    let cases = [
        (changing([Err("the store is sealed")]), "the store is sealed", FailureClass::Environment),
        (Token::Value(SecretString::from(" \n")), "it is empty", FailureClass::Own),
        (Token::Value(SecretString::from("hunter2-hunter2\nx: y")), "more than one word", FailureClass::Own),
    ];
    for (token, why, class) in cases {
        let error = get(&at_once(settings(&server.url(), token)), "/x").await.unwrap_err();
        assert!(error.to_string().contains(why) && error.class() == class, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn nobody_is_followed_elsewhere_with_the_token() {
    let other = Server::start([say(200, "", "{}")]).await;
    for status in [301, 302, 307, 308] {
        let server = Server::start([say(status, &format!("location: {}/api/v1/x", other.origin()), "")]).await;
        let error = get(&client(&server), "/x").await.unwrap_err();
        assert!(error.class() == FailureClass::Own && error.to_string().contains(&other.origin()), "{error}");
    }
    // A list that goes on elsewhere.
    let link = format!("link: <{}/api/v1/x?page=2>; rel=\"next\"", other.origin());
    let server = Server::start([say(200, &link, "[1]")]).await;
    let error = client(&server).get_all::<u8>("/x").await.unwrap_err();
    assert!(error.class() == FailureClass::Own && error.to_string().contains("goes on at"), "{error}");
    // An address of somebody else's, and one that leads out of the API.
    let client = client(&server);
    for path in [format!("{}/x", other.origin()), "/../../admin".to_owned(), "/a/%2e%2e/%2e%2e/%2e%2e/admin".to_owned(), "@evil".to_owned()]
    {
        assert!(get(&client, &path).await.unwrap_err().to_string().contains("no address of its API"), "{path}");
    }
    assert!(other.asked().is_empty(), "{:?}", other.asked());
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn within_the_same_place_looks_are_followed_and_changes_are_not() {
    let server = Server::start([say(301, "location: /api/v1/new?a=1", ""), say(200, "", r#"{"new":true}"#)]).await;
    assert_eq!(get(&client(&server), "/x").await.unwrap().body.unwrap()["new"], true);
    assert_eq!(server.lines(), ["GET /api/v1/x", "GET /api/v1/new?a=1"]);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let server = Server::start([say(307, "location: /api/v1/new", ""), say(200, "", "{}")]).await;
        let error = send(&client(&server), method).await.unwrap_err();
        assert!(!error.is_unknown() && error.to_string().contains("/api/v1/new: the repository may have been renamed"), "{error}");
        assert_eq!(server.lines().len(), 1);
    }
    let server = Server::start((0..20).map(|_| say(302, "location: /api/v1/x", ""))).await;
    assert!(get(&client(&server), "/x").await.unwrap_err().to_string().contains("without an end"));
    assert_eq!(server.lines().len(), 6);
}

#[tokio::test]
async fn the_token_is_shown_by_nothing_not_even_by_a_forge_that_says_it_back() {
    let server = Server::start([Act::Echo(422), Act::Echo(500), Act::Echo(429), Act::Echo(200)]).await;
    let client = client(&server);
    let reply = send(&client, "POST").await.unwrap();
    let mut shown = vec![format!("{reply:?}"), super::super::words(&reply.text)];
    assert_eq!(shown[1], "bad header Bearer ***!");
    shown.push(send(&client, "POST").await.unwrap_err().to_string());
    // The answer is no number, and the error says what it is.
    shown.push(client.get::<u8>("/x?token=hunter2-hunter2").await.unwrap_err().to_string());
    shown.push(format!("{client:?} {:?} {:?}", token(), client.budget()));
    assert_eq!(sent(&server), vec![format!("Bearer {TOKEN}"); 4]);
    assert!(shown.iter().all(|text| !text.contains("hunter2")), "{shown:#?}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let wrong = |base: &str| Client::new(settings(base, token())).unwrap_err().to_string();
    for base in ["git.example.com", "ftp://git.example.com", "https://", "https://me:pw@h/api", "https://h/api?x=1", "https://h/#x"] {
        assert!(wrong(base).contains("is not https://HOST and a path"), "{base}: {}", wrong(base));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let with = |file: &std::path::Path| Settings { ca_file: Some(file.to_owned()), ..settings("https://h", token()) };
    let error = Client::new(with(file.path())).unwrap_err().to_string();
    assert!(error.contains("there is none") && error.contains(&file.path().display().to_string()), "{error}");
    assert!(Client::new(with("/nowhere/ca.pem".as_ref())).unwrap_err().to_string().contains("/nowhere/ca.pem"));
}

#[test]
fn a_token_goes_unencrypted_to_no_other_machine() {
    let refused = |url: &str| Client::new(settings(url, token())).err().map(|error| error.to_string());
    for url in ["https://git.example.com/api/v4", "http://127.0.0.1:3000/api/v1", "http://[::1]:3000", "http://localhost/api/v1"] {
        assert_eq!(refused(url), None, "{url}");
    }
    for url in ["http://git.example.com/api/v4", "http://127.0.0.1.example.com", "http://10.0.0.1/api/v4"] {
        assert!(refused(url).unwrap().contains("unencrypted"), "{url}");
    }
    assert!(refused("ftp://git.example.com").unwrap().contains("is not https://HOST"));
}
