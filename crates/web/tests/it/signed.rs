//! Webhooks that must show that they may: what they wake, what is refused, and what attackers cost.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use towpath_web::Endpoint;
use towpath_web::fake::Shown;
use towpath_web::hooks::{HookLimits, Keys, NoSecrets, Receiver, Secrets};

use crate::harness::{Said, Server, server_with};

pub const SECRET: &str = "a secret of the right length";
const OTHER: &str = "another one, for the rotation";
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Given(Result<Vec<&'static str>, NoSecrets>);

impl Secrets for Given {
    fn read(&self) -> BoxFuture<'_, Result<Vec<SecretString>, NoSecrets>> {
        let secrets = self.0.clone().map(|all| all.into_iter().map(SecretString::from).collect());
        Box::pin(std::future::ready(secrets))
    }
}

fn keys(secrets: &[&'static str]) -> Keys {
    Receiver::ALL.iter().fold(Keys::default(), |keys, receiver| keys.with(*receiver, Arc::new(Given(Ok(secrets.to_vec())))))
}

/// A server whose receivers all have the secret.
pub async fn checking(limits: HookLimits) -> Server {
    server_with("127.0.0.1:0", Shown::default(), keys(&[SECRET]), limits).await
}

pub fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

async fn send(server: &Server, receiver: &str, headers: &str, body: &str) -> Said {
    let head = format!("POST /hooks/{receiver} HTTP/1.1\nhost: towpath.example.com\ncontent-type: application/json\n{headers}");
    server.raw(head.trim_end(), body).await
}

pub async fn github(server: &Server, event: &str, delivery: &str, body: &str) -> Said {
    let signature = sign(SECRET, body.as_bytes());
    send(
        server,
        "github",
        &format!("x-github-event: {event}\nx-github-delivery: {delivery}\nx-hub-signature-256: sha256={signature}"),
        body,
    )
    .await
}

const REPOSITORY: &str =
    r#"{"ref":"refs/heads/main","repository":{"id":1,"full_name":"org/web","clone_url":"https://github.example.com/org/web.git"}}"#;
const PROJECT: &str = r#"{"object_kind":"push","ref":"refs/heads/main","project":{"id":1,"path_with_namespace":"group/sub/web"}}"#;

#[tokio::test]
async fn a_push_has_its_repository_looked_at_and_whatever_is_said_of_changes_their_changes() {
    let server = checking(HookLimits::default()).await;
    let (commits, changes) = (Some("wake for commits of org/web"), Some("wake for changes of org/web"));
    let mut wanted = Vec::new();
    let mut told = 0;
    for (event, wakes) in [
        ("push", commits),
        ("create", commits),
        ("pull_request", changes),
        ("issue_comment", changes),
        ("pull_request_review", changes),
        ("status", changes),
        ("check_run", changes),
        ("check_suite", changes),
        ("merge_group", changes),
        ("registry_package", Some("wake for images")),
        ("ping", None),
        ("star", None),
    ] {
        told += 1;
        let said = github(&server, event, &format!("d{told}"), REPOSITORY).await;
        assert_eq!((said.status, said.body.as_str()), (if wakes.is_some() { 202 } else { 204 }, ""), "{event}");
        wanted.extend(wakes);
        assert_eq!(server.brain.asked(), wanted, "{event}");
    }
    for (name, event, wakes) in [
        ("forgejo", "push", commits),
        ("gitea", "pull_request_comment", changes),
        ("forgejo", "action_run_success", changes),
        ("gitea", "fork", None),
    ] {
        told += 1;
        let headers =
            format!("x-{name}-event: {event}\nx-{name}-delivery: d{told}\nx-{name}-signature: {}", sign(SECRET, REPOSITORY.as_bytes()));
        let said = send(&server, "forgejo", &headers, REPOSITORY).await;
        assert_eq!(said.status, if wakes.is_some() { 202 } else { 204 }, "{event}");
        wanted.extend(wakes);
        assert_eq!(server.brain.asked(), wanted, "{event}");
    }
    for (kind, wakes) in [
        ("push", Some("wake for commits of group/sub/web")),
        ("merge_request", Some("wake for changes of group/sub/web")),
        ("note", Some("wake for changes of group/sub/web")),
        ("pipeline", Some("wake for changes of group/sub/web")),
        ("wiki_page", None),
    ] {
        let body = PROJECT.replace("\"push\"", &format!("\"{kind}\""));
        let said = send(&server, "gitlab", &format!("x-gitlab-event: System Hook\nx-gitlab-token: {SECRET}"), &body).await;
        assert_eq!(said.status, if wakes.is_some() { 202 } else { 204 }, "{kind}");
        wanted.extend(wakes);
        assert_eq!(server.brain.asked(), wanted, "{kind}");
    }
    assert_eq!(send(&server, "registry", &format!("authorization: Bearer {SECRET}"), "{}").await.status, 202);
    wanted.push("wake for images");
    assert_eq!(server.brain.asked(), wanted);
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_refused_and_wakes_nobody() {
    let server = checking(HookLimits::default()).await;
    let good = sign(SECRET, REPOSITORY.as_bytes());
    let refused = [
        ("github", String::new(), "unsigned"),
        ("github", format!("x-hub-signature: sha1={}", &good[..40]), "unsigned"),
        ("github", format!("x-hub-signature-256: {good}"), "unsigned"),
        ("github", format!("x-hub-signature-256: sha256={good}\nx-hub-signature-256: sha256={good}"), "unsigned"),
        ("github", format!("x-hub-signature-256: sha256={}", sign(OTHER, REPOSITORY.as_bytes())), "bad-signature"),
        ("github", format!("x-hub-signature-256: sha256={}", sign(SECRET, b"another body")), "bad-signature"),
        ("github", format!("x-hub-signature-256: sha256={}", sign("", REPOSITORY.as_bytes())), "bad-signature"),
        ("github", format!("x-gitlab-token: {SECRET}"), "unsigned"),
        ("forgejo", format!("x-hub-signature-256: sha256={good}"), "unsigned"),
        ("forgejo", format!("x-forgejo-signature: {}", "0".repeat(64)), "bad-signature"),
        ("gitlab", format!("x-gitlab-token: {OTHER}"), "bad-signature"),
        ("gitlab", "x-gitlab-token:".to_owned(), "bad-signature"),
        ("gitlab", format!("webhook-signature: v1,xx\nwebhook-id: 1\nwebhook-timestamp: 1\nx-gitlab-token: {SECRET}"), "unsigned"),
        ("registry", String::new(), "unsigned"),
        ("registry", format!("authorization: Bearer {OTHER}"), "bad-signature"),
    ];
    for (receiver, headers, problem) in refused {
        let said = send(&server, receiver, &headers, REPOSITORY).await;
        assert_eq!((said.status, said.problem().as_str()), (401, problem), "{receiver}: {headers}");
        assert!(!said.body.contains(SECRET) && !said.body.contains(&good), "{said:?}");
    }
    assert_eq!(server.brain.asked(), [""; 0]);
    assert_eq!(server.raw("GET /hooks/github HTTP/1.1\nhost: localhost", "").await.status, 405);
}

#[tokio::test]
async fn two_secrets_count_while_one_takes_the_place_of_the_other() {
    let server = server_with("127.0.0.1:0", Shown::default(), keys(&[SECRET, OTHER, SIGNING]), HookLimits::default()).await;
    for secret in [SECRET, OTHER] {
        let headers = format!("x-github-event: push\nx-hub-signature-256: sha256={}", sign(secret, REPOSITORY.as_bytes()));
        assert_eq!(send(&server, "github", &headers, REPOSITORY).await.status, 202);
        assert_eq!(send(&server, "gitlab", &format!("x-gitlab-token: {secret}"), PROJECT).await.status, 202);
    }
    let key = base64::prelude::BASE64_STANDARD.decode(&SIGNING[6..]).unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(format!("id-1.1790000000.{PROJECT}"));
    let signature = base64::prelude::BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let headers = format!("webhook-id: id-1\nwebhook-timestamp: 1790000000\nwebhook-signature: v1,{signature}");
    assert_eq!(send(&server, "gitlab", &headers, PROJECT).await.status, 202);
    assert_eq!(send(&server, "gitlab", &format!("x-gitlab-token: {SIGNING}"), PROJECT).await.status, 401, "a signing token is never sent");
}

#[tokio::test]
async fn without_a_secret_or_with_a_bad_one_nothing_is_taken() {
    for (keys, status, problem) in [
        (Keys::default(), 404, "no-receiver"),
        (keys(&[]), 503, "no-secret"),
        (keys(&[""]), 503, "no-secret"),
        (keys(&["short"]), 503, "no-secret"),
        (keys(&[SECRET, "short"]), 503, "no-secret"),
        (Keys::default().with(Receiver::GitHub, Arc::new(Given(Err(NoSecrets("no such file".into()))))), 503, "no-secret"),
    ] {
        let server = server_with("127.0.0.1:0", Shown::default(), keys, HookLimits::default()).await;
        for secret in ["", "short", SECRET] {
            let headers = format!("x-github-event: push\nx-hub-signature-256: sha256={}", sign(secret, REPOSITORY.as_bytes()));
            let said = send(&server, "github", &headers, REPOSITORY).await;
            assert_eq!((said.status, said.problem().as_str()), (status, problem), "{secret}");
        }
        assert_eq!(server.brain.asked(), [""; 0]);
    }
}

#[tokio::test]
async fn a_delivery_that_comes_twice_wakes_once() {
    let server = checking(HookLimits::default()).await;
    for (delivery, status) in [("one", 202), ("one", 204), ("two", 202), ("one", 204)] {
        assert_eq!(github(&server, "push", delivery, REPOSITORY).await.status, status);
    }
    assert_eq!(server.brain.asked(), ["wake for commits of org/web"; 2]);
    // One that was refused was not taken: the forge sends it again.
    let headers = "x-github-event: push\nx-github-delivery: three\nx-hub-signature-256: sha256=";
    assert_eq!(send(&server, "github", &format!("{headers}{}", "0".repeat(64)), REPOSITORY).await.status, 401);
    assert_eq!(github(&server, "push", "three", REPOSITORY).await.status, 202);
}

#[tokio::test]
async fn what_cannot_be_read_or_names_no_repository_has_everything_looked_at() {
    let server = checking(HookLimits { kept: 200, ..HookLimits::default() }).await;
    let long = REPOSITORY.replace("refs/heads/main", &"x".repeat(300));
    let strange = [
        "",
        "[",
        "null",
        "{}",
        "payload=%7B%7D",
        r#"{"repository":{"full_name":"../../etc"}}"#,
        r#"{"repository":{"full_name":"web"}}"#,
        &long,
    ];
    for (n, body) in strange.iter().enumerate() {
        assert_eq!(github(&server, "push", &format!("d{n}"), body).await.status, 202, "{body}");
    }
    assert_eq!(server.brain.asked(), ["wake"; 8]);
}

#[tokio::test]
async fn ten_thousand_garbage_bodies_wake_nobody_and_every_one_is_answered() {
    let server = Arc::new(checking(HookLimits::default()).await);
    let Endpoint::Tcp(address) = server.endpoint.clone() else { panic!("a port") };
    let answered = Arc::new(AtomicUsize::new(0));
    let tasks = (0..8u64).map(|task| {
        let answered = Arc::clone(&answered);
        tokio::spawn(async move {
            let mut dice = 0x9E37_79B9_7F4A_7C15 ^ (task + 1);
            let mut roll = move || {
                dice ^= dice >> 12;
                dice ^= dice << 25;
                dice ^= dice >> 27;
                dice.wrapping_mul(0x2545_F491_4F6C_DD1D)
            };
            for _ in 0..1250 {
                let mut byte = || if roll() % 2 == 0 { b"{}[]\",:0ax\\"[(roll() % 11) as usize] } else { (roll() % 256) as u8 };
                let body: Vec<u8> = (0..byte()).map(|_| byte()).collect();
                let hex: String = (0..64).map(|_| char::from(b"0123456789abcdef"[(roll() % 16) as usize])).collect();
                let (receiver, claim) = match roll() % 7 {
                    0 => ("github", format!("x-hub-signature-256: sha256={hex}")),
                    1 => ("github", format!("x-hub-signature-256: {}", &hex[..(roll() % 64) as usize])),
                    2 => ("forgejo", format!("x-gitea-signature: {hex}")),
                    3 => ("gitlab", format!("x-gitlab-token: {hex}")),
                    4 => ("gitlab", format!("webhook-signature: v1,{hex}\r\nwebhook-id: {hex}\r\nwebhook-timestamp: 0")),
                    5 => ("registry", format!("authorization: Basic {hex}")),
                    _ => ("gitlab", "x-other: 1".to_owned()),
                };
                let length = body.len();
                let head = format!("POST /hooks/{receiver} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-github-event: push\r\n{claim}\r\ncontent-length: {length}\r\n\r\n");
                // One that is refused before its body was read may be cut off before the answer is read: then once more.
                for _ in 0..20 {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                    let mut answer = Vec::new();
                    let _ = stream.read_to_end(&mut answer).await;
                    if answer.starts_with(b"HTTP/1.1 401") {
                        answered.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(server.brain.asked(), [""; 0]);
    assert_eq!(answered.load(Ordering::Relaxed), 10_000);
    assert_eq!(github(&server, "push", "after", REPOSITORY).await.status, 202, "it still listens");
}

#[tokio::test]
async fn garbage_that_is_signed_wakes_at_a_bounded_pace_and_breaks_nothing() {
    let server = checking(HookLimits::default()).await;
    let deep = format!("{{\"repository\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let strange = [
        deep.as_str(),
        r#"{"repository":{"full_name":1}}"#,
        r#"{"repository":{"full_name":"a/b","full_name":"c/d"}}"#,
        r#"{"repository":"a/b","project":[]}"#,
        "{\"repository\":{\"full_name\":\"a\\u0000/b\"}}",
        "\u{0}\u{1}",
        "1e999999",
    ];
    for (n, body) in strange.into_iter().enumerate() {
        assert_eq!(github(&server, "push", &format!("d{n}"), body).await.status, 202, "{}", &body[..body.len().min(60)]);
    }
    assert_eq!(server.brain.asked(), ["wake"; 7]);
}

#[tokio::test]
async fn those_who_know_the_secret_are_slowed_down_as_well_and_what_was_not_taken_may_come_again() {
    let refill = Duration::from_millis(700);
    let server = checking(HookLimits { burst: 2, refill, ..HookLimits::default() }).await;
    let begun = Instant::now();
    for (delivery, status) in [("a", 202), ("a", 204)] {
        assert_eq!(github(&server, "push", delivery, REPOSITORY).await.status, status, "one that comes twice takes a turn, too");
    }
    let said = github(&server, "push", "b", REPOSITORY).await;
    if begun.elapsed() < refill {
        assert_eq!((said.status, said.problem().as_str()), (429, "too-many-hooks"));
        assert!(said.head.contains("retry-after"));
        while github(&server, "push", "b", REPOSITORY).await.status != 202 {
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
    }
    assert_eq!(server.brain.asked(), ["wake for commits of org/web"; 2]);
}

/// A connection that has sent a head, and what `body` says.
async fn begun(server: &Server, head: &str, body: &[u8]) -> TcpStream {
    let Endpoint::Tcp(address) = &server.endpoint else { panic!("a port") };
    let mut stream = TcpStream::connect(address).await.unwrap();
    let signature = "0".repeat(64);
    let head = format!("POST /hooks/github HTTP/1.1\r\nhost: x\r\nx-hub-signature-256: sha256={signature}\r\n{head}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn slow_senders_lose_their_places_and_those_that_find_none_are_told_to_come_again() {
    let server = checking(HookLimits { at_once: 4, time: Duration::from_millis(400), ..HookLimits::default() }).await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(begun(&server, "content-length: 1000", b"{").await);
    }
    // Until the last one has its place: then there is none.
    let begun_at = Instant::now();
    let full = loop {
        let said = github(&server, "push", "x", "{}").await;
        if said.status == 503 {
            break said;
        }
        assert!(begun_at.elapsed() < Duration::from_secs(5), "{said:?}");
    };
    assert_eq!(full.problem(), "too-many-hooks");
    assert!(full.head.contains("retry-after: 10"), "{full:?}");
    for stream in slow {
        assert!(answer(stream).await.starts_with("HTTP/1.1 408"));
    }
    assert_eq!(github(&server, "push", "y", REPOSITORY).await.status, 202);
}

#[tokio::test]
async fn bodies_that_are_too_large_or_never_end_are_given_up() {
    let server = checking(HookLimits { body: 10_000, ..HookLimits::default() }).await;
    assert!(answer(begun(&server, "content-length: 10001", b"").await).await.starts_with("HTTP/1.1 413"), "before its body is read");
    let mut endless = begun(&server, "transfer-encoding: chunked", b"").await;
    let mut sent = 0usize;
    while sent < 1 << 20 && endless.write_all(b"400\r\n").await.is_ok() {
        if endless.write_all(&[b'x'; 1024]).await.is_err() || endless.write_all(b"\r\n").await.is_err() {
            break;
        }
        sent += 1024;
    }
    assert!(sent < 1 << 20 || answer(endless).await.starts_with("HTTP/1.1 413"));
    drop(begun(&server, "content-length: 5000", b"half").await);
    assert!(answer(begun(&server, "transfer-encoding: chunked", b"zz\r\nnonsense").await).await.starts_with("HTTP/1.1 400"));
    assert_eq!(server.brain.asked(), [""; 0]);
    assert_eq!(github(&server, "push", "after", REPOSITORY).await.status, 202);
}
