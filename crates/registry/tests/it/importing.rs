//! Layouts that a build's own command left.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use towpath_domain::FailureClass;
use towpath_registry::{Limits, Platform, RegistryError, unpack};

use crate::support::{Image, MANIFEST, Packing, Tar, World, amd64, blob, digest_text, gzip, listing, write_index, zstd};

fn simple() -> Image {
    Image::of([Tar::default().folder("app/").file("app/server", "one"), Tar::default().file("app/config", "two")])
}

fn for_platform(architecture: &str) -> Image {
    Image { platform: Platform { architecture: architecture.to_owned(), os: "linux".to_owned() }, ..simple() }
}

#[test]
fn a_good_layout_is_taken_over_with_its_own_digest() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let world = World::new();
        let digest = Image { packing, ..simple() }.write(&world.path("layout"), "latest");
        let packed = world.import("1").unwrap();
        assert_eq!(packed.digest, digest);
        assert_eq!(world.import("1").unwrap(), packed, "importing again does nothing");
        fs::remove_dir_all(world.path("layout")).unwrap();
        let unpacked = unpack(&world.registry, &packed.image, &world.path("cache")).unwrap();
        assert_eq!(listing(&unpacked.rootfs), ["app/", "app/config = two", "app/server = one"]);
    }
}

#[test]
fn of_several_platforms_the_hosts_is_taken() {
    let world = World::new();
    let layout = world.path("layout");
    let mut nested = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let mut entry = for_platform(architecture).write_blobs(&layout);
        entry["platform"] = json!({"architecture": architecture, "os": "linux", "variant": "v8"});
        nested.push(entry);
    }
    // What BuildKit adds to each image.
    let mut attestation = blob(&layout, MANIFEST, b"{}");
    attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    nested.push(attestation);
    let wanted = nested[1]["digest"].as_str().unwrap().to_owned();
    let index = json!({"schemaVersion": 2, "manifests": nested}).to_string();
    let entry = blob(&layout, "application/vnd.oci.image.index.v1+json", index.as_bytes());
    write_index(&layout, &[entry]);
    assert_eq!(world.import("1").unwrap().digest.to_string(), wanted);
}

#[test]
fn an_image_for_another_platform_only_is_refused_and_both_are_named() {
    let world = World::new();
    for_platform("s390x").write(&world.path("layout"), "latest");
    let error = world.import("1").unwrap_err();
    assert!(matches!(error, RegistryError::WrongPlatform { .. }));
    assert!(error.to_string().contains("linux/amd64") && error.to_string().contains("linux/s390x"), "{error}");
}

#[test]
fn of_several_images_the_tagged_one_is_taken_and_nothing_is_guessed() {
    let world = World::new();
    let layout = world.path("layout");
    let mut entries = Vec::new();
    for tag in ["1", "2"] {
        let mut entry = Image::of([Tar::default().file("version", tag)]).write_blobs(&layout);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        entries.push(entry);
    }
    write_index(&layout, &entries);
    assert_eq!(world.import("2").unwrap().digest.to_string(), entries[1]["digest"].as_str().unwrap());
    let error = world.import("3").unwrap_err();
    assert!(error.to_string().contains("2 images"), "{error}");
}

#[test]
fn a_broken_layout_is_refused_says_why_and_leaves_nothing() {
    type Break = fn(&World);
    let cases: &[(&str, Break)] = &[
        ("it is missing", |world| fs::remove_file(world.path("layout/oci-layout")).unwrap()),
        ("it is missing", |world| fs::remove_file(world.path("layout/index.json")).unwrap()),
        ("imageLayoutVersion", |world| fs::write(world.path("layout/oci-layout"), r#"{"imageLayoutVersion":"2.0"}"#).unwrap()),
        ("expected", |world| fs::write(world.path("layout/index.json"), "nonsense").unwrap()),
        ("no image", |world| write_index(&world.path("layout"), &[])),
        ("is missing", |world| {
            write_index(&world.path("layout"), &[json!({"mediaType": MANIFEST, "digest": digest_text(b"x"), "size": 1})])
        }),
        ("limit", |world| fs::write(world.path("layout/index.json"), " ".repeat(5 << 20)).unwrap()),
        ("regular file", |world| {
            fs::remove_file(world.path("layout/index.json")).unwrap();
            fs::create_dir(world.path("layout/index.json")).unwrap();
        }),
        ("symbolic link", |world| {
            fs::rename(world.path("layout/index.json"), world.path("elsewhere")).unwrap();
            symlink(world.path("elsewhere"), world.path("layout/index.json")).unwrap();
        }),
        ("symbolic link", |world| {
            fs::rename(world.path("layout/blobs"), world.path("blobs")).unwrap();
            symlink("../blobs", world.path("layout/blobs")).unwrap();
        }),
    ];
    for (expected, break_it) in cases {
        let world = World::new();
        simple().write(&world.path("layout"), "latest");
        break_it(&world);
        let error = world.import("1").unwrap_err();
        assert!(error.to_string().contains(expected), "expected {expected:?}: {error}");
        assert_eq!(error.class(), FailureClass::Own, "{error}");
        assert!(listing(&world.path("registry")).is_empty(), "{expected}");
    }
}

#[test]
fn every_single_blob_is_checked() {
    let blobs = {
        let world = World::new();
        simple().write(&world.path("layout"), "latest");
        fs::read_dir(world.path("layout/blobs/sha256")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
    };
    assert_eq!(blobs.len(), 4);
    for name in blobs {
        for damage in ["flip", "cut", "grow", "remove"] {
            let world = World::new();
            simple().write(&world.path("layout"), "latest");
            let path = world.path("layout/blobs/sha256").join(&name);
            let mut bytes = fs::read(&path).unwrap();
            match damage {
                "flip" => bytes[3] ^= 1,
                "cut" => bytes.truncate(bytes.len() - 1),
                _ => bytes.push(b' '),
            }
            fs::write(&path, bytes).unwrap();
            if damage == "remove" {
                fs::remove_file(&path).unwrap();
            }
            let error = world.import("1").unwrap_err();
            assert!(matches!(error, RegistryError::Malformed { .. }), "{damage} {name:?}: {error}");
            assert!(world.registry.list().0.is_empty());
        }
    }
}

/// Writes an image whose documents say what `change` makes of them.
fn written(world: &World, image: &Image, change: impl Fn(&mut serde_json::Value, &mut serde_json::Value)) {
    let layout = world.path("layout");
    let entry = image.write_blobs(&layout);
    let read = |entry: &serde_json::Value| -> serde_json::Value {
        let path = layout.join("blobs/sha256").join(&entry["digest"].as_str().unwrap()[7..]);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let mut manifest = read(&entry);
    let mut config = read(&manifest["config"]);
    change(&mut manifest, &mut config);
    let media_type = manifest["config"]["mediaType"].as_str().unwrap().to_owned();
    manifest["config"] = blob(&layout, &media_type, config.to_string().as_bytes());
    write_index(&layout, &[blob(&layout, MANIFEST, manifest.to_string().as_bytes())]);
}

#[test]
fn what_is_no_plain_image_is_refused_and_told_apart() {
    type Change = fn(&mut serde_json::Value, &mut serde_json::Value);
    let cases: &[(&str, Change)] = &[
        ("not valid", |manifest, _| manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd".into()),
        ("tar+zstd", |manifest, _| manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+lz4".into()),
        ("nondistributable", |manifest, _| {
            manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar".into();
        }),
        ("configuration type", |manifest, _| manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into()),
        ("schemaVersion", |manifest, _| manifest["schemaVersion"] = 1.into()),
        ("mediaType", |manifest, _| manifest["mediaType"] = "text/plain".into()),
        ("diff_ids", |_, config| config["rootfs"]["diff_ids"] = json!([])),
        ("uncompressed it has", |_, config| config["rootfs"]["diff_ids"][1] = digest_text(b"other").into()),
        ("rootfs.type", |_, config| config["rootfs"]["type"] = "blocks".into()),
        ("not a digest", |manifest, _| manifest["layers"][0]["digest"] = "sha256:../../../etc/passwd".into()),
        ("128 layers", |manifest, config| {
            manifest["layers"] = vec![manifest["layers"][0].clone(); 129].into();
            config["rootfs"]["diff_ids"] = vec![config["rootfs"]["diff_ids"][0].clone(); 129].into();
        }),
        ("bytes", |manifest, _| manifest["layers"][0]["size"] = u64::MAX.into()),
    ];
    for (expected, change) in cases {
        let world = World::new();
        written(&world, &simple(), change);
        let error = world.import("1").unwrap_err();
        assert!(error.to_string().contains(expected), "expected {expected:?}: {error}");
        assert_eq!(error.class(), FailureClass::Own);
    }
}

#[test]
fn a_bomb_is_not_blown_up() {
    for packing in [Packing::Gzip, Packing::Zstd] {
        let world = World::new();
        let mut image = Image::of([Tar::default().entry(tar::EntryType::Regular, "zeros", "", &vec![0; 8 << 20])]);
        image.packing = packing;
        let packed = if packing == Packing::Gzip { gzip(&image.layers[0]) } else { zstd(&image.layers[0]) };
        assert!(packed.len() < 100 << 10);
        image.write(&world.path("layout"), "latest");
        let small = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
        let world = World { registry: world.registry.with_limits(small), dir: world.dir };
        let error = world.import("1").unwrap_err();
        assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
        let error = world.unpack_evil(&image).unwrap_err();
        assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
        assert!(listing(&world.path("cache")).is_empty(), "nothing is left of it");
    }
}

#[test]
fn an_index_that_names_itself_many_times_over_ends_soon() {
    let world = World::new();
    let layout = world.path("layout");
    let mut entry = simple().write_blobs(&layout);
    for _ in 0..4 {
        let index = json!({"schemaVersion": 2, "manifests": vec![entry; 100]}).to_string();
        entry = blob(&layout, "application/vnd.oci.image.index.v1+json", index.as_bytes());
    }
    write_index(&layout, &[entry]);
    assert!(matches!(world.import("1"), Err(RegistryError::TooLarge { .. })));
}

#[test]
fn the_hosts_platform_is_one_that_images_are_made_for() {
    let host = Platform::host();
    assert_eq!(host.os, amd64().os);
    assert!(!host.architecture.is_empty() && host.architecture != "x86_64");
}
