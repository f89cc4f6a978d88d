//! The registry on disk: tags, lists, and what happens when the disk or its content is bad.

use std::fs;

use towpath_domain::{FailureClass, ImageRef};
use towpath_registry::{LayoutRegistry, Registry, RegistryError, TagMove};

use crate::support::{COMMIT_TIME, World, listing, pack_of};

fn image(text: &str) -> ImageRef {
    text.parse().unwrap()
}

#[test]
fn a_tag_stands_for_its_digest_and_only_moves_when_told_to() {
    let world = World::new();
    world.file("a", "1");
    let one = world.pack(&pack_of(&[("a", "/a")]), "1").unwrap();
    world.file("a", "2");
    let two = world.pack(&pack_of(&[("a", "/a")]), "2").unwrap();
    let registry = &world.registry;
    assert_eq!(registry.resolve(&image("app:1")).unwrap(), Some(one.digest));
    assert_eq!(registry.resolve(&image("app:3")).unwrap(), None);
    assert_eq!(registry.resolve(&image("other:1")).unwrap(), None);
    assert_eq!(registry.resolve(&one.image).unwrap(), Some(one.digest));
    let unknown = one.image.pinned(format!("sha256:{}", "7".repeat(64)).parse().unwrap());
    assert_eq!(registry.resolve(&unknown).unwrap(), None, "the digest counts, not the tag");
    assert!(matches!(registry.resolve(&image("app")), Err(RegistryError::Unpinned { .. })));

    registry.put("app", "stable", one.digest, TagMove::Refuse).unwrap();
    registry.put("app", "stable", one.digest, TagMove::Refuse).unwrap();
    let error = registry.put("app", "stable", two.digest, TagMove::Refuse).unwrap_err();
    assert!(matches!(error, RegistryError::TagMoved { from, to, .. } if from == one.digest && to == two.digest));
    registry.put("app", "stable", two.digest, TagMove::Allow).unwrap();
    assert_eq!(registry.resolve(&image("app:stable")).unwrap(), Some(two.digest));
    assert_eq!(registry.tags("app").unwrap(), ["1", "2", "stable"]);

    let missing = format!("sha256:{}", "7".repeat(64)).parse().unwrap();
    assert!(matches!(registry.put("app", "x", missing, TagMove::Allow), Err(RegistryError::NoImage { .. })));
    assert!(matches!(registry.put("none", "x", missing, TagMove::Allow), Err(RegistryError::NoImage { .. })));
    assert!(!world.path("registry/none").exists(), "a refusal leaves no empty layout");
}

#[test]
fn an_image_whose_tag_moved_on_is_still_there_by_its_digest() {
    let world = World::new();
    world.file("a", "1");
    let one = world.pack(&pack_of(&[("a", "/a")]), "1").unwrap();
    world.file("a", "2");
    let two = world.pack(&pack_of(&[("a", "/a")]), "2").unwrap();
    world.registry.put("app", "1", two.digest, TagMove::Allow).unwrap();
    let (images, errors) = world.registry.list();
    assert!(errors.is_empty(), "{errors:?}");
    let shown: Vec<_> = images.iter().map(|image| (image.tag.as_deref(), image.digest)).collect();
    assert_eq!(shown, [(None, one.digest), (Some("1"), two.digest), (Some("2"), two.digest)]);
    assert_eq!((images[0].name.as_str(), images[0].size, images[0].created), ("app", one.size, Some(COMMIT_TIME)));
    // Once it has a tag again, the untagged entry is needless.
    world.registry.put("app", "old", one.digest, TagMove::Refuse).unwrap();
    assert_eq!(world.registry.list().0.len(), 3);
}

#[test]
fn images_within_images_names_with_ports_and_odd_names_do_not_get_in_each_others_way() {
    let world = World::new();
    world.file("a", "1");
    let pack = pack_of(&[("a", "/a")]);
    let names = ["app", "app/blobs", "app/blobs/sha256", "app/index.json", "localhost:5000/app", "localhost:5000/.git"];
    for name in names {
        let checkout = world.path("checkout");
        towpath_registry::pack(&crate::support::request(&pack, &checkout), &world.registry, name, "1").unwrap();
    }
    let (images, errors) = world.registry.list();
    assert!(errors.is_empty(), "{errors:?}");
    let mut found: Vec<_> = images.iter().map(|image| image.name.as_str()).collect();
    found.sort_unstable();
    let mut names = names.to_vec();
    names.sort_unstable();
    assert_eq!(found, names);
}

#[test]
fn damage_is_found_named_and_hides_nothing_else() {
    let world = World::new();
    world.file("a", "1");
    let good = world.pack(&pack_of(&[("a", "/a")]), "1").unwrap();
    let bad = world.path("registry/bad");
    fs::create_dir_all(bad.join("blobs/sha256")).unwrap();
    fs::write(bad.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(bad.join("index.json"), "{").unwrap();
    let (images, errors) = world.registry.list();
    assert_eq!(images.len(), 1);
    assert!(errors.len() == 1 && errors[0].to_string().contains("bad/index.json"), "{errors:?}");

    let manifest = world.path("registry/app/blobs/sha256").join(good.digest.hex());
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[20] ^= 1;
    fs::write(&manifest, bytes).unwrap();
    let error = world.registry.manifest("app", good.digest).unwrap_err();
    assert!(matches!(&error, RegistryError::Damaged { path, .. } if *path == manifest), "{error}");
    assert_eq!(error.class(), FailureClass::Unknown);

    // A deleted blob comes back with the next build of the same commit.
    fs::remove_file(&manifest).unwrap();
    assert_eq!(world.pack(&pack_of(&[("a", "/a")]), "1").unwrap(), good);
    assert!(world.registry.manifest("app", good.digest).is_ok());
}

#[test]
fn a_damaged_layer_is_the_registrys_fault_and_not_the_images() {
    let world = World::new();
    world.file("a", "content");
    let packed = world.pack(&pack_of(&[("a", "/a")]), "1").unwrap();
    let layer = world.registry.manifest("app", packed.digest).unwrap().layers[0].digest;
    let path = world.path("registry/app/blobs/sha256").join(layer.hex());
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    let error = towpath_registry::unpack(&world.registry, &packed.image, &world.path("cache")).unwrap_err();
    assert!(matches!(&error, RegistryError::Damaged { path: found, .. } if *found == path), "{error}");
    assert!(listing(&world.path("cache")).is_empty());
}

#[test]
fn a_registry_where_no_folder_can_be_is_the_environments_fault() {
    let world = World::new();
    fs::write(world.path("file"), "").unwrap();
    let error = LayoutRegistry::open(world.path("file/registry")).unwrap_err();
    assert_eq!(error.class(), FailureClass::Environment);
    assert!(error.to_string().contains("file/registry"), "{error}");
}

#[tokio::test]
async fn the_registry_is_asked_through_its_interface() {
    let world = World::new();
    world.file("a", "1");
    let packed = world.pack(&pack_of(&[("a", "/a")]), "1").unwrap();
    let registry: Box<dyn Registry> = Box::new(world.registry.clone());
    assert_eq!(registry.resolve(&image("app:1")).await.unwrap(), Some(packed.digest));
    assert_eq!(registry.tags("app").await.unwrap(), ["1"]);
    assert_eq!(registry.manifest("app", packed.digest).await.unwrap().layers.len(), 1);
    assert_eq!(registry.config("app", packed.digest).await.unwrap().workdir, "/app");
    let unpacked = registry.unpack(&image("app:1"), &world.path("cache")).await.unwrap();
    assert_eq!(listing(&unpacked.rootfs), ["a = 1"]);
    assert!(matches!(registry.unpack(&image("app:2"), &world.path("cache")).await, Err(RegistryError::NoImage { .. })));
}

#[test]
fn a_foreign_tools_facts_in_the_index_are_kept() {
    let world = World::new();
    world.file("a", "1");
    let packed = world.pack(&pack_of(&[("a", "/a")]), "1").unwrap();
    let path = world.path("registry/app/index.json");
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    index["annotations"] = serde_json::json!({"made.by": "hand"});
    index["manifests"][0]["artifactType"] = "x/y".into();
    fs::write(&path, index.to_string()).unwrap();
    world.registry.put("app", "2", packed.digest, TagMove::Refuse).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!((&index["annotations"]["made.by"], &index["manifests"][0]["artifactType"]), (&"hand".into(), &"x/y".into()));
}
