//! Other people's tools as judges of what the registry writes: skopeo and umoci.

use std::fs;
use std::path::Path;
use std::process::Command;

use towpath_registry::{TagMove, unpack};

use crate::support::{Image, Packing, Tar, World, listing, pack_of};

/// Whether the tools are there. On CI they must be.
fn have(tools: &[&str]) -> bool {
    for tool in tools {
        if Command::new(tool).arg("--version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "{tool} is missing, and this is CI: install the package {tool}");
            eprintln!("SKIPPED: {tool} is not installed; install the package {tool} to run this test");
            return false;
        }
    }
    true
}

fn run(tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool).args(arguments).output().unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn packed_world() -> (World, towpath_registry::Packed) {
    let world = World::new();
    world.file("bin/server", "#!/bin/sh\n");
    world.file("bin/data/deep", &"x".repeat(100_000));
    world.file(&format!("bin/{}", "long".repeat(40)), "long");
    std::os::unix::fs::symlink("data/deep", world.path("checkout/bin/link")).unwrap();
    Image { packing: Packing::Gzip, ..Image::of([Tar::default().folder("etc/").file("etc/base", "yes")]) }
        .write(&world.path("registry/base"), "1");
    let mut pack = pack_of(&[("bin", "/app")]);
    pack.base = Some("base:1".to_owned());
    let packed = world.pack(&pack, "5f8f0e1").unwrap();
    (world, packed)
}

fn oci(folder: &Path, tag: &str) -> String {
    format!("oci:{}:{tag}", folder.display())
}

#[test]
fn skopeo_reads_tag_digest_labels_and_layers() {
    if !have(&["skopeo"]) {
        return;
    }
    let (world, packed) = packed_world();
    let folder = world.registry.folder("app").unwrap();
    let text = run("skopeo", &["inspect", &oci(&folder, "5f8f0e1")]);
    let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(seen["Digest"], packed.digest.to_string());
    assert_eq!(seen["Labels"]["org.opencontainers.image.revision"], "5f8f0e1");
    assert_eq!((&seen["Architecture"], &seen["Created"]), (&"amd64".into(), &"2023-11-14T22:13:20Z".into()));
    assert_eq!(seen["Layers"].as_array().unwrap().len(), 2);
}

#[test]
fn skopeo_copies_an_image_and_what_it_wrote_is_imported_with_the_same_digest() {
    if !have(&["skopeo"]) {
        return;
    }
    let (world, packed) = packed_world();
    let folder = world.registry.folder("app").unwrap();
    run("skopeo", &["--insecure-policy", "copy", &oci(&folder, "5f8f0e1"), &oci(&world.path("layout"), "out")]);
    let digest = world.import("again").unwrap().digest;
    // skopeo may compress the layers on its way; then it is another image with the same files.
    let cache = world.path("cache");
    let theirs = unpack(&world.registry, &format!("app@{digest}").parse().unwrap(), &cache).unwrap();
    let ours = unpack(&world.registry, &packed.image, &cache).unwrap();
    assert_eq!(listing(&theirs.rootfs), listing(&ours.rootfs));
    assert_eq!(theirs.config, ours.config);
}

#[test]
fn umoci_lists_and_unpacks_what_was_packed() {
    if !have(&["umoci"]) {
        return;
    }
    let (world, packed) = packed_world();
    world.registry.put("app", "second", packed.digest, TagMove::Refuse).unwrap();
    let folder = world.registry.folder("app").unwrap();
    let tags = run("umoci", &["ls", "--layout", folder.to_str().unwrap()]);
    assert_eq!(tags.split_whitespace().collect::<Vec<_>>(), ["5f8f0e1", "second"]);
    let bundle = world.path("bundle");
    let image = format!("{}:second", folder.display());
    run("umoci", &["unpack", "--rootless", "--image", &image, bundle.to_str().unwrap()]);
    let ours = unpack(&world.registry, &packed.image, &world.path("cache")).unwrap();
    assert_eq!(listing(&bundle.join("rootfs")), listing(&ours.rootfs));
}

#[test]
fn what_umoci_built_is_imported_and_umoci_may_collect_garbage_beside_us() {
    if !have(&["umoci"]) {
        return;
    }
    let (world, packed) = packed_world();
    let layout = world.path("layout");
    let layout_text = layout.to_str().unwrap();
    run("umoci", &["init", "--layout", layout_text]);
    run("umoci", &["new", "--image", &format!("{layout_text}:built")]);
    fs::create_dir_all(world.path("files/etc")).unwrap();
    fs::write(world.path("files/etc/hello"), "hello").unwrap();
    let files = world.path("files/etc");
    run("umoci", &["insert", "--rootless", "--image", &format!("{layout_text}:built"), files.to_str().unwrap(), "/etc"]);
    run("umoci", &["config", "--image", &format!("{layout_text}:built"), "--architecture", "amd64", "--os", "linux"]);
    let imported = world.import("built").unwrap();
    let unpacked = unpack(&world.registry, &imported.image, &world.path("cache")).unwrap();
    assert_eq!(listing(&unpacked.rootfs), ["etc/", "etc/hello = hello"]);

    // The image whose tag moves on must not be garbage to others.
    world.registry.put("app", "5f8f0e1", imported.digest, TagMove::Allow).unwrap();
    let folder = world.registry.folder("app").unwrap();
    run("umoci", &["gc", "--layout", folder.to_str().unwrap()]);
    assert!(unpack(&world.registry, &packed.image, &world.path("cache2")).is_ok());
    world.registry.put("app", "back", packed.digest, TagMove::Refuse).unwrap();
}
