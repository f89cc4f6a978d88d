//! Busy registries, and connections that break off.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use towpath_domain::{FailureClass, ImageRef};
use towpath_registry::{RegistryError, TagMove};
use towpath_testbed::{Fate, Head, Proxy, Registry};

use super::{empty, packed, remote, settings};
use crate::support::World;

/// Lets the first request that `picks` picks meet `fate`, and all others pass.
fn once(picks: impl Fn(&Head) -> bool + Send + Sync + 'static, fate: Fate) -> impl Fn(&Head) -> Fate + Send + Sync + 'static {
    let met = AtomicUsize::new(0);
    move |head| if picks(head) && met.fetch_add(1, Ordering::SeqCst) == 0 { fate.clone() } else { Fate::Pass }
}

#[tokio::test]
async fn an_image_gets_there_whatever_goes_wrong_once_on_the_way() {
    let Some(registry) = Registry::plain() else { return };
    let faults = [
        ("PUT", "/blobs/uploads/", Fate::CutRequest(1000)),
        ("PUT", "/blobs/uploads/", Fate::CutAnswer(0)),
        ("PUT", "/blobs/uploads/", Fate::status("503 Service Unavailable", &[])),
        ("POST", "/blobs/uploads/", Fate::status("500 Internal Server Error", &[])),
        ("POST", "/blobs/uploads/", Fate::CutAnswer(20)),
        ("HEAD", "/blobs/", Fate::status("429 Too Many Requests", &[("retry-after", "0")])),
        ("PUT", "/manifests/", Fate::status("502 Bad Gateway", &[])),
        ("PUT", "/manifests/", Fate::CutAnswer(0)),
        ("HEAD", "/manifests/", Fate::CutAnswer(0)),
    ];
    let pushes = faults.into_iter().enumerate().map(|(n, (method, part, fate))| {
        let told = format!("{method} {part} {fate:?}");
        let proxy = Proxy::start(&registry.host, once(move |head| head.method == method && head.path.contains(part), fate));
        async move {
            // Whole, so that it lives as long as this.
            let proxy = &proxy;
            let (world, remote) = (World::new(), remote(settings(&proxy.host)));
            let name = format!("{}/web{n}", proxy.host);
            let image = packed(&world, &name, "1", &"content ".repeat(10_000));
            remote.push(&world.registry, &name, "1", image.digest, TagMove::Refuse).await.unwrap_or_else(|e| panic!("{told}: {e}"));
            let found = remote.pull(&empty(&world), &ImageRef::tagged(&name, "1").unwrap()).await.unwrap();
            assert_eq!(found, image.digest, "{told}");
        }
    });
    futures_util::future::join_all(pushes).await;
}

#[tokio::test]
async fn a_blob_that_breaks_off_is_fetched_again() {
    let Some(registry) = Registry::plain() else { return };
    let proxy = Proxy::start(&registry.host, once(|head| head.method == "GET" && head.path.contains("/blobs/"), Fate::CutAnswer(5000)));
    let (world, remote) = (World::new(), remote(settings(&proxy.host)));
    let name = format!("{}/web", proxy.host);
    let image = packed(&world, &name, "1", &"content ".repeat(10_000));
    remote.push(&world.registry, &name, "1", image.digest, TagMove::Refuse).await.unwrap();
    assert_eq!(remote.pull(&empty(&world), &image.image).await.unwrap(), image.digest);
    assert_eq!(proxy.count("GET", "/blobs/"), 3, "the layer twice, the configuration once");
}

#[tokio::test]
async fn a_registry_that_stays_busy_is_given_up_as_the_environments_fault() {
    let busy = Proxy::start("127.0.0.1:1", |_| Fate::status("503 Service Unavailable", &[]));
    let error = remote(settings(&busy.host)).examine().await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }) && error.to_string().contains("503"), "{error}");
    assert_eq!(error.class(), FailureClass::Environment);
    assert_eq!(busy.heads().len(), 4);
}

#[tokio::test]
async fn a_registry_that_says_when_to_come_back_is_believed() {
    let Some(registry) = Registry::plain() else { return };
    let proxy = Proxy::start(&registry.host, once(|_| true, Fate::status("429 Too Many Requests", &[("retry-after", "1")])));
    let begun = Instant::now();
    remote(settings(&proxy.host)).examine().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let gone = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let error = remote(settings(&format!("localhost:{}", gone.port()))).examine().await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_leads_in_circles_is_given_up() {
    let circle = Proxy::start("127.0.0.1:1", |head| Fate::status("307 Temporary Redirect", &[("location", &format!("{}x", head.path))]));
    let error = remote(settings(&circle.host)).examine().await.unwrap_err();
    assert!(error.to_string().contains("without an end"), "{error}");
    assert!(circle.heads().len() < 10);
}
