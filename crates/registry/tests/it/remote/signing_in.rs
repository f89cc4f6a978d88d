//! Anonymous, basic, tokens, TLS: who is let in, and what is said to who is not.

use towpath_domain::{FailureClass, ImageRef};
use towpath_registry::{RegistryError, TagMove};
use towpath_testbed::{Fate, Proxy, REGISTRY_PASSWORD, Registry};

use super::{empty, packed, remote, settings, signed_in, user};
use crate::support::World;
use towpath_registry::RemoteSettings;

/// What is pushed can be looked up, and pulled.
async fn goes_there_and_back(registry: &Registry, settings: RemoteSettings) {
    let (world, remote) = (World::new(), remote(settings));
    let name = format!("{}/team/web", registry.host);
    let packed = packed(&world, &name, "1", "content");
    remote.examine().await.unwrap();
    remote.push(&world.registry, &name, "1", packed.digest, TagMove::Refuse).await.unwrap();
    let image = ImageRef::tagged(&name, "1").unwrap();
    assert_eq!(remote.resolve(&image).await.unwrap(), Some(packed.digest));
    assert_eq!(remote.tags(&name).await.unwrap(), ["1"]);
    let elsewhere = empty(&world);
    assert_eq!(remote.pull(&elsewhere, &image).await.unwrap(), packed.digest);
    assert_eq!(remote.config(&name, packed.digest).await.unwrap().entrypoint, ["/app/server"]);
}

#[tokio::test]
async fn images_go_there_and_back_without_signing_in() {
    let Some(registry) = Registry::plain() else { return };
    goes_there_and_back(&registry, settings(&registry.host)).await;
}

#[tokio::test]
async fn images_go_there_and_back_with_user_and_password() {
    let Some(registry) = Registry::basic() else { return };
    goes_there_and_back(&registry, signed_in(&registry)).await;
}

#[tokio::test]
async fn images_go_there_and_back_with_tokens_and_few_are_needed() {
    let Some(registry) = Registry::token(300) else { return };
    goes_there_and_back(&registry, signed_in(&registry)).await;
    assert_eq!(registry.tokens_given(), 3, "one to examine, one to pull, one to push");
}

#[tokio::test]
async fn tokens_that_hardly_last_are_asked_for_again_and_again() {
    let Some(registry) = Registry::token(1) else { return };
    goes_there_and_back(&registry, signed_in(&registry)).await;
}

#[tokio::test]
async fn images_go_there_and_back_over_tls_with_an_authority_of_its_own() {
    let Some(registry) = Registry::tls() else { return };
    goes_there_and_back(&registry, signed_in(&registry)).await;
    let error = remote(RemoteSettings { ca_file: None, ..signed_in(&registry) }).examine().await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }) && error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_a_refusal_that_does_not_tell_it() {
    for registry in [Registry::basic(), Registry::token(60), Registry::tls()] {
        let Some(registry) = registry else { return };
        let wrong = remote(RemoteSettings { credentials: user("a wrong guess"), ..signed_in(&registry) });
        let image = ImageRef::tagged(&format!("{}/team/web", registry.host), "1").unwrap();
        for error in [wrong.examine().await.unwrap_err(), wrong.resolve(&image).await.unwrap_err()] {
            let text = error.to_string();
            assert!(matches!(error, RegistryError::Refused { .. }), "{text}");
            assert!(text.contains("does not take this user and password") && text.contains("password_file"), "{text}");
            assert!(!text.contains("guess") && !format!("{error:?}{wrong:?}").contains("guess"), "{text}");
            assert_ne!(error.class(), FailureClass::Environment, "asking again does not help");
        }
    }
}

#[tokio::test]
async fn who_does_not_sign_in_may_read_and_no_more_where_tokens_say_so() {
    let Some(registry) = Registry::token(300) else { return };
    let (world, owner, guest) = (World::new(), remote(signed_in(&registry)), remote(settings(&registry.host)));
    let name = format!("{}/team/web", registry.host);
    let packed = packed(&world, &name, "1", "content");
    owner.push(&world.registry, &name, "1", packed.digest, TagMove::Refuse).await.unwrap();
    assert_eq!(guest.resolve(&ImageRef::tagged(&name, "1").unwrap()).await.unwrap(), Some(packed.digest));
    let error = guest.push(&world.registry, &name, "2", packed.digest, TagMove::Refuse).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");

    let Some(basic) = Registry::basic() else { return };
    let error = remote(settings(&basic.host)).examine().await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused { .. }) && error.to_string().contains("wants a user and a password"), "{error}");
}

#[tokio::test]
async fn a_blob_that_lies_elsewhere_is_fetched_there_without_credentials() {
    let Some(registry) = Registry::basic() else { return };
    let (world, owner) = (World::new(), remote(signed_in(&registry)));
    let name = format!("{}/web", registry.host);
    let image = packed(&world, &name, "1", "content");
    owner.push(&world.registry, &name, "1", image.digest, TagMove::Refuse).await.unwrap();

    // A store that gives blobs to anybody who knows the address, and a registry that leads there.
    let blobs = world.registry.folder(&name).unwrap().join("blobs/sha256");
    let store = Proxy::start("127.0.0.1:1", move |head| {
        let file = blobs.join(head.path.rsplit_once("sha256:").unwrap().1);
        Fate::Answer { status: "200 OK".to_owned(), headers: Vec::new(), body: std::fs::read(file).unwrap() }
    });
    let place = store.host.clone();
    let leading = Proxy::start(&registry.host, move |head| {
        let to = format!("http://{place}{}", head.path);
        let is_let_in = head.header("authorization").is_some();
        if head.method == "GET" && head.path.contains("/blobs/") && is_let_in {
            Fate::status("307 Temporary Redirect", &[("location", &to)])
        } else {
            Fate::Pass
        }
    });
    let host = leading.host.clone();
    let through = remote(RemoteSettings { host: host.clone(), ..signed_in(&registry) });
    let there = ImageRef::tagged(&format!("{host}/web"), "1").unwrap();
    assert_eq!(through.pull(&empty(&world), &there).await.unwrap(), image.digest);
    let seen = store.heads();
    assert_eq!(seen.len(), 2, "layer and configuration");
    assert!(seen.iter().all(|head| head.header("authorization").is_none()), "{seen:?}");
}

#[tokio::test]
async fn a_token_service_on_another_host_gets_no_password_without_encryption() {
    let asked = Proxy::start("127.0.0.1:1", |_| {
        Fate::status("401 Unauthorized", &[("www-authenticate", r#"Bearer realm="http://tokens.example.com/token",service="x""#)])
    });
    let error = remote(RemoteSettings { credentials: user(REGISTRY_PASSWORD), ..settings(&asked.host) }).examine().await.unwrap_err();
    assert!(matches!(&error, RegistryError::Refused { why, .. } if why.contains("without encryption")), "{error}");
}

#[test]
fn a_registry_is_a_host_and_nothing_else() {
    towpath_testbed::init();
    for host in ["quay.io/team", "user:secret@quay.io", "", "quay.io?x", "two words"] {
        let error = towpath_registry::RemoteRegistry::new(settings(host), towpath_registry::Limits::default()).unwrap_err();
        assert!(matches!(error, RegistryError::Settings { .. }), "{host}: {error}");
    }
}
