//! Pushing, pulling, building upon.

use towpath_catalog::Pack;
use towpath_domain::ImageRef;
use towpath_registry::{LayoutRegistry, Registries, Registry as _, RegistryError, TagMove};
use towpath_testbed::{Fate, Proxy, Registry};

use super::{blob_file, empty, packed, remote, settings};
use crate::support::{Image, Packing, Tar, World, amd64, listing, pack_of};

#[tokio::test]
async fn pushing_again_sends_nothing_and_a_tag_does_not_move_by_itself() {
    let Some(registry) = Registry::plain() else { return };
    let counting = Proxy::start(&registry.host, |_| Fate::Pass);
    let (world, remote) = (World::new(), remote(settings(&counting.host)));
    let name = format!("{}/web", counting.host);
    let first = packed(&world, &name, "1", "first");
    remote.push(&world.registry, &name, "1", first.digest, TagMove::Refuse).await.unwrap();
    let sent = counting.count("PUT", "");
    assert_eq!(sent, 3, "layer, configuration, manifest");
    remote.push(&world.registry, &name, "1", first.digest, TagMove::Refuse).await.unwrap();
    assert_eq!(counting.count("PUT", ""), sent);

    let second = packed(&world, &name, "2", "second");
    let error = remote.push(&world.registry, &name, "1", second.digest, TagMove::Refuse).await.unwrap_err();
    assert!(matches!(error, RegistryError::TagMoved { from, to, .. } if from == first.digest && to == second.digest), "{error}");
    remote.push(&world.registry, &name, "1", second.digest, TagMove::Allow).await.unwrap();
    assert_eq!(remote.resolve(&ImageRef::tagged(&name, "1").unwrap()).await.unwrap(), Some(second.digest));
}

#[tokio::test]
async fn pulling_fetches_what_is_missing_and_asks_nothing_of_what_is_known_by_digest() {
    let Some(registry) = Registry::plain() else { return };
    let counting = Proxy::start(&registry.host, |_| Fate::Pass);
    let (world, remote) = (World::new(), remote(settings(&counting.host)));
    let name = format!("{}/web", counting.host);
    let image = packed(&world, &name, "1", "content");
    remote.push(&world.registry, &name, "1", image.digest, TagMove::Refuse).await.unwrap();

    let elsewhere = empty(&world);
    let tagged = ImageRef::tagged(&name, "1").unwrap();
    remote.pull(&elsewhere, &tagged).await.unwrap();
    assert_eq!(counting.count("GET", "/blobs/"), 2, "layer and configuration");
    remote.pull(&elsewhere, &tagged).await.unwrap();
    assert_eq!(counting.count("GET", "/blobs/"), 2);

    let asked = counting.heads().len();
    let pinned = tagged.pinned(image.digest);
    assert_eq!(remote.pull(&elsewhere, &pinned).await.unwrap(), image.digest);
    assert_eq!(counting.heads().len(), asked, "a pod that starts again needs no registry");

    // Another image that shares a layer: cut short after that one was fetched, and pulled again.
    let half = LayoutRegistry::open(world.path("half")).unwrap();
    remote.pull(&half, &tagged).await.unwrap();
    let manifest = half.manifest(&name, image.digest).unwrap();
    std::fs::remove_file(half.folder(&name).unwrap().join("index.json")).unwrap();
    std::fs::remove_file(blob_file(&half, &name, manifest.config.digest)).unwrap();
    let before = counting.count("GET", "/blobs/");
    remote.pull(&half, &tagged).await.unwrap();
    assert_eq!(counting.count("GET", "/blobs/"), before + 1, "the layer was there");
}

#[tokio::test]
async fn an_image_is_packed_upon_one_of_another_registry_zstd_and_all() {
    let Some(registry) = Registry::plain() else { return };
    let world = World::new();
    let name = format!("{}/base", registry.host);
    let base = Image { packing: Packing::Zstd, ..Image::of([Tar::default().folder("etc/").file("etc/base", "yes")]) };
    let digest = base.write(&world.registry.folder(&name).unwrap(), "12");
    remote(settings(&registry.host)).push(&world.registry, &name, "12", digest, TagMove::Refuse).await.unwrap();

    let elsewhere = empty(&world);
    let registries = Registries::new(elsewhere.clone(), vec![settings(&registry.host)]).unwrap();
    world.file("server", "one");
    let pack = Pack { base: Some(format!("{name}:12")), ..pack_of(&[("server", "/app/server")]) };
    let ready = registries.with_base(&pack).await.unwrap();
    assert_eq!(ready.base.as_deref(), Some(format!("{name}:12@{digest}").as_str()));
    let checkout = world.path("checkout");
    let packed = towpath_registry::pack(&crate::support::request(&ready, &checkout), &elsewhere, "app", "1").unwrap();
    if towpath_registry::Platform::host() == amd64() {
        let unpacked = registries.unpack(&packed.image, &world.path("cache")).await.unwrap();
        assert_eq!(listing(&unpacked.rootfs), ["app/", "app/server = one", "etc/", "etc/base = yes"]);
    }

    // An image of the embedded registry is nothing to fetch; one that is not there is told by its name.
    let own = Pack { base: Some("tiny:1".to_owned()), ..pack.clone() };
    assert_eq!(registries.with_base(&own).await.unwrap(), own);
    let none = Pack { base: Some(format!("{name}:13")), ..pack };
    let error = registries.with_base(&none).await.unwrap_err();
    assert!(matches!(&error, RegistryError::NotThere { image, .. } if image.ends_with("/base:13")), "{error}");
}

#[tokio::test]
async fn a_tag_that_a_failed_push_left_behind_does_not_stand_in_the_way() {
    let Some(registry) = Registry::plain() else { return };
    let world = World::new();
    let registries = Registries::new(world.registry.clone(), vec![settings(&registry.host)]).unwrap();
    let name = format!("{}/web", registry.host);
    // Made, and never sent.
    packed(&world, &name, "1", "first try");
    world.file("server", "second try");
    let (pack, checkout) = (pack_of(&[("server", "/app/server")]), world.path("checkout"));
    let request = towpath_registry::PackRequest {
        tag_move: registries.tag_move_here(&name, TagMove::Refuse),
        ..crate::support::request(&pack, &checkout)
    };
    let second = towpath_registry::pack(&request, &world.registry, &name, "1").unwrap();
    registries.deliver(&second, &name, "1", TagMove::Refuse).await.unwrap();
    assert_eq!(registries.resolve(&ImageRef::tagged(&name, "1").unwrap()).await.unwrap(), Some(second.digest));

    // Once it is there, it stays; and so it does in the embedded registry from the beginning.
    world.file("server", "third try");
    let third = towpath_registry::pack(&request, &world.registry, &name, "1").unwrap();
    let error = registries.deliver(&third, &name, "1", TagMove::Refuse).await.unwrap_err();
    assert!(matches!(error, RegistryError::TagMoved { .. }), "{error}");
    assert_eq!(registries.tag_move_here("web", TagMove::Refuse), TagMove::Refuse);
}
