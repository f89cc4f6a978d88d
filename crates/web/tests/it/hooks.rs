//! What registries send that can show nothing when an image was pushed: it wakes, whatever it says, and is bounded.

use towpath_web::fake::Shown;

use crate::harness::server;

const ANY: &str = "127.0.0.1:0";

/// One byte more than is read.
const TOO_MANY: usize = (25 << 20) + 1;

/// Bodies of the shape that each registry documents, and the type that it sends them with.
const PUSHES: [(&str, &str, &str); 6] = [
    (
        "Quay",
        "application/json",
        r#"{"name":"web","repository":"team/web","namespace":"team","docker_url":"quay.example.com/team/web",
            "homepage":"https://quay.example.com/repository/team/web","updated_tags":["5f8f0e1"]}"#,
    ),
    (
        "Harbor",
        "application/json",
        r#"{"type":"PUSH_ARTIFACT","occur_at":1790000000,"operator":"robot$ci","event_data":{"resources":[{"digest":"sha256:00",
            "tag":"5f8f0e1","resource_url":"harbor.example.com/team/web:5f8f0e1"}],
            "repository":{"date_created":1780000000,"name":"web","namespace":"team","repo_full_name":"team/web","repo_type":"private"}}}"#,
    ),
    (
        "Docker Hub",
        "application/json",
        r#"{"callback_url":"https://169.254.169.254/u/team/web/hook/1/","push_data":{"pushed_at":1790000000,"pusher":"ada","tag":"5f8f0e1"},
            "repository":{"is_private":true,"name":"web","namespace":"team","repo_name":"team/web","status":"Active"}}"#,
    ),
    (
        "GitHub packages",
        "application/x-www-form-urlencoded",
        "payload=%7B%22action%22%3A%22published%22%2C%22package%22%3A%7B%22name%22%3A%22web%22%2C%22package_type%22%3A%22CONTAINER%22%7D%7D",
    ),
    (
        "Docker's registry",
        "application/vnd.docker.distribution.events.v1+json",
        r#"{"events":[{"id":"1","timestamp":"2026-11-01T10:00:00Z","action":"push","target":{"mediaType":
            "application/vnd.oci.image.manifest.v1+json","digest":"sha256:00","repository":"team/web","tag":"5f8f0e1"}}]}"#,
    ),
    ("anybody", "text/plain", "\u{0}{ not even JSON"),
];

#[tokio::test]
async fn whatever_a_registry_sends_has_images_looked_for_and_is_not_read() {
    let server = server(ANY, Shown::default()).await;
    for (n, (registry, kind, body)) in PUSHES.into_iter().enumerate() {
        let head = format!("POST /hooks/registry HTTP/1.1\nhost: towpath.example.com\ncontent-type: {kind}\nauthorization: Bearer made-up");
        let said = server.raw(&head, body).await;
        assert_eq!((said.status, said.body.as_str()), (204, ""), "{registry}");
        // Nothing of what was said is in what is done.
        assert_eq!(server.brain.asked(), vec!["wake for images"; n + 1], "{registry}");
    }
    assert_eq!(server.raw("GET /hooks/registry HTTP/1.1\nhost: localhost", "").await.status, 405);
}

#[tokio::test]
async fn a_body_without_an_end_is_given_up_and_wakes_nobody() {
    let server = server(ANY, Shown::default()).await;
    let said = server.raw("POST /hooks/registry HTTP/1.1\nhost: localhost", &"x".repeat(TOO_MANY)).await;
    assert_eq!((said.status, said.problem().as_str()), (413, "body-too-large"));
    assert_eq!(server.brain.asked(), [""; 0]);
}
