//! The packer.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use towpath_catalog::PackFile;
use towpath_domain::{FailureClass, ImageRef};
use towpath_registry::{RegistryError, unpack};

use crate::support::{Image, Packing, Tar, World, listing, pack_of, request};

fn small_tree(world: &World) {
    fs::set_permissions(world.file("bin/server", "#!/bin/sh\nexec true\n"), fs::Permissions::from_mode(0o755)).unwrap();
    world.file("static/index.html", "<p>hello</p>");
    world.file("static/css/site.css", "p {}");
    symlink("index.html", world.path("checkout/static/start")).unwrap();
}

#[test]
fn a_fixed_tree_has_a_fixed_digest_for_all_time() {
    let world = World::new();
    small_tree(&world);
    let packed = world.pack(&pack_of(&[("bin/server", "/app/server"), ("static", "/app/static")]), "1").unwrap();
    // If this changes, so does the digest of every image that anybody built: find out why before writing a new one here.
    assert_eq!(packed.digest.to_string(), "sha256:c42c82e3383167b0abb58c425645b4330af41fc7e8ba7c9b7fcc4b79cc580b24");
}

#[test]
fn what_was_packed_comes_out_with_normal_permissions_and_one_date() {
    let world = World::new();
    small_tree(&world);
    let mut pack = pack_of(&[("bin/server", "/app/server"), ("static", "/app/static"), ("static/index.html", "/etc/")]);
    pack.files.push(PackFile { from: "static/index.html".into(), to: "/app/secret".into(), mode: Some(0o600) });
    let packed = world.pack(&pack, "1").unwrap();
    let unpacked = unpack(&world.registry, &packed.image, &world.path("cache")).unwrap();
    assert_eq!(
        listing(&unpacked.rootfs),
        [
            "app/",
            "app/secret = <p>hello</p>",
            "app/server = #!/bin/sh\nexec true\n",
            "app/static/",
            "app/static/css/",
            "app/static/css/site.css = p {}",
            "app/static/index.html = <p>hello</p>",
            "app/static/start -> index.html",
            "etc/",
            "etc/index.html = <p>hello</p>",
        ]
    );
    let mode = |path: &str| fs::metadata(unpacked.rootfs.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("app/server"), mode("app/static/index.html"), mode("app/secret"), mode("app")), (0o755, 0o644, 0o600, 0o755));
    let modified = fs::metadata(unpacked.rootfs.join("app/server")).unwrap().modified().unwrap();
    assert_eq!(modified, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    assert_eq!(unpacked.config.entrypoint, ["/app/server"]);
    assert_eq!(unpacked.config.cmd, ["--port", "8080"]);
    assert_eq!((unpacked.config.env["MODE"].as_str(), unpacked.config.workdir.as_str()), ("prod", "/app"));
    assert_eq!(unpacked.config.labels["org.opencontainers.image.revision"], "5f8f0e1");
    assert_eq!(unpacked.config.created, Some(crate::support::COMMIT_TIME));
}

#[test]
fn packing_the_same_commit_again_does_nothing_and_another_content_does_not_move_the_tag() {
    let world = World::new();
    small_tree(&world);
    let pack = pack_of(&[("bin", "/app")]);
    let first = world.pack(&pack, "1").unwrap();
    let before = listing(&world.path("registry"));
    assert_eq!(world.pack(&pack, "1").unwrap(), first);
    assert_eq!(listing(&world.path("registry")), before);

    world.file("bin/server", "other");
    let error = world.pack(&pack, "1").unwrap_err();
    assert!(matches!(&error, RegistryError::TagMoved { from, .. } if *from == first.digest), "{error}");
    assert_eq!(error.class(), FailureClass::Own);
}

#[test]
fn nothing_from_outside_the_checkout_gets_in() {
    let world = World::new();
    small_tree(&world);
    fs::write(world.path("secret"), "secret").unwrap();
    symlink(world.path("secret"), world.path("checkout/absolute")).unwrap();
    symlink("../secret", world.path("checkout/upwards")).unwrap();
    symlink("..", world.path("checkout/parent")).unwrap();
    fs::create_dir(world.path("checkout/links")).unwrap();
    symlink("../../secret", world.path("checkout/links/up")).unwrap();
    for from in ["../secret", "/etc/passwd", "static/../../secret", "absolute", "upwards", "parent/secret", "parent", "", "links"] {
        let error = world.pack(&pack_of(&[(from, "/x")]), "1").unwrap_err();
        assert!(matches!(&error, RegistryError::Pack { why, .. } if why.contains("outside") || why.contains("inside")), "{from}: {error}");
    }
    assert!(!world.path("registry/app/index.json").exists());
}

#[test]
fn what_cannot_be_packed_is_said_with_its_path() {
    let world = World::new();
    small_tree(&world);
    world.file("odd/.wh.gone", "");
    let pipe = world.path("checkout/pipes");
    fs::create_dir(&pipe).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, pipe.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let cases: &[(&str, &str, &str)] = &[
        ("bin/sever", "/x", "does not exist"),
        ("bin/server/x", "/x", "does not exist"),
        ("bin/server", "app", "absolute"),
        ("bin/server", "/a/../b", "upwards"),
        ("bin/server", "/", ""),
        ("odd", "/odd", ".wh."),
        ("pipes", "/p", "neither file"),
    ];
    for (from, to, expected) in cases {
        match world.pack(&pack_of(&[(from, to)]), "t") {
            // A file packed into `/` keeps its name there.
            Ok(_) => assert_eq!(*to, "/"),
            Err(error) => {
                assert!(error.to_string().contains(expected) && !expected.is_empty(), "{from} to {to}: {error}");
                assert_eq!(error.class(), FailureClass::Own);
            }
        }
    }
    let error = world.pack(&pack_of(&[("bin", "/a"), ("static/index.html", "/a/server/x")]), "2").unwrap_err();
    assert!(error.to_string().contains("both a file and a folder"), "{error}");
    let mut setuid = pack_of(&[("bin/server", "/x")]);
    setuid.files[0].mode = Some(0o4755);
    assert!(world.pack(&setuid, "3").unwrap_err().to_string().contains("setuid"));
}

#[test]
fn gits_own_files_are_left_out() {
    let world = World::new();
    world.file("a", "a");
    world.file(".git/config", "credential");
    world.file("module/.git", "gitdir: somewhere");
    world.file("module/b", "b");
    let packed = world.pack(&pack_of(&[(".", "/src")]), "1").unwrap();
    let unpacked = unpack(&world.registry, &packed.image, &world.path("cache")).unwrap();
    assert_eq!(listing(&unpacked.rootfs), ["src/", "src/a = a", "src/module/", "src/module/b = b"]);
    assert!(world.pack(&pack_of(&[(".git/config", "/x")]), "2").unwrap_err().to_string().contains("Git's own"));
}

#[test]
fn a_base_image_comes_first_and_its_configuration_is_inherited() {
    let world = World::new();
    small_tree(&world);
    let base = Tar::default().folder("usr/").folder("usr/bin/").file("usr/bin/sh", "shell").link("bin", "usr/bin").folder("tmp/");
    let base = Image { packing: Packing::Gzip, ..Image::of([base, Tar::default().file("etc/os-release", "tiny")]) };
    base.write(&world.path("registry").join("bases").join("tiny"), "9");

    let mut pack = pack_of(&[("bin/server", "/bin/server"), ("static/index.html", "/tmp/page")]);
    pack.base = Some("bases/tiny:9".to_owned());
    pack.workdir = "/".to_owned();
    let packed = world.pack(&pack, "1").unwrap();
    let unpacked = unpack(&world.registry, &packed.image, &world.path("cache")).unwrap();
    assert_eq!(
        listing(&unpacked.rootfs),
        [
            "bin -> usr/bin",
            "etc/",
            "etc/os-release = tiny",
            "tmp/",
            "tmp/page = <p>hello</p>",
            "usr/",
            "usr/bin/",
            "usr/bin/server = #!/bin/sh\nexec true\n",
            "usr/bin/sh = shell",
        ]
    );
    let config = &unpacked.config;
    assert_eq!(config.entrypoint, ["/app/server"]);
    assert_eq!(config.cmd, ["--port", "8080"]);
    assert_eq!((config.env["PATH"].as_str(), config.env["MODE"].as_str()), ("/usr/bin:/bin", "prod"));
    assert_eq!((config.workdir.as_str(), config.user.as_str(), config.labels["base"].as_str()), ("/srv", "1000", "yes"));
    assert_eq!(world.registry.manifest("app", packed.digest).unwrap().layers.len(), 3);

    pack.cmd.clear();
    let digest = world.pack(&pack, "2").unwrap().digest;
    assert!(world.registry.config("app", digest).unwrap().cmd.is_empty(), "the base's arguments are not for another program");
    pack.entrypoint.clear();
    let digest = world.pack(&pack, "3").unwrap().digest;
    assert_eq!(world.registry.config("app", digest).unwrap().cmd, ["sh"]);

    pack.base = Some("bases/tiny:10".to_owned());
    assert!(matches!(world.pack(&pack, "4"), Err(RegistryError::NoImage { .. })));
}

#[test]
fn long_names_and_odd_links_survive() {
    let world = World::new();
    let long = "x".repeat(200);
    world.file(&format!("d/{long}/{long}"), "deep");
    symlink(format!("./{long}/{long}"), world.path("checkout/d/far")).unwrap();
    symlink("nowhere/", world.path("checkout/d/dangling")).unwrap();
    let packed = world.pack(&pack_of(&[("d", "/d")]), "1").unwrap();
    let rootfs = unpack(&world.registry, &packed.image, &world.path("cache")).unwrap().rootfs;
    assert_eq!(fs::read_to_string(rootfs.join("d/far")).unwrap(), "deep");
    assert_eq!(fs::read_link(rootfs.join("d/dangling")).unwrap(), Path::new("nowhere/"));
}

#[derive(Debug, Clone)]
enum Node {
    File(String, bool),
    Link(String),
}

fn trees() -> impl Strategy<Value = Vec<(String, Node)>> {
    let name = prop::sample::select(vec!["a", "b", "a-b", "B", "ä", "x.y", "-", " "]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let node = prop_oneof![
        4 => ("[a-z]{0,20}", any::<bool>()).prop_map(|(content, executable)| Node::File(content, executable)),
        1 => prop::sample::select(vec!["a", "./b", "a/b", "missing"]).prop_map(|target| Node::Link(target.to_owned())),
    ];
    prop::collection::vec((path, node), 1..10)
}

/// Makes the tree as far as its paths agree with each other; who comes first is decided by name, not by order of making.
fn make(checkout: &Path, tree: &[(String, Node)], late: bool) {
    let mut wanted: Vec<(String, Node)> = Vec::new();
    let mut sorted = tree.to_vec();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    sorted.dedup_by(|a, b| a.0 == b.0);
    for (path, node) in sorted {
        if !wanted.iter().any(|(other, _)| path.starts_with(&format!("{other}/"))) {
            wanted.push((path, node));
        }
    }
    if late {
        wanted.reverse();
    }
    for (path, node) in wanted {
        let path = checkout.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match node {
            Node::Link(target) => symlink(target, &path).unwrap(),
            Node::File(content, executable) => {
                fs::write(&path, content).unwrap();
                // What another umask would have left.
                let mode = if executable { 0o700 } else { 0o600 } | if late { 0o055 } else { 0 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                if late {
                    let moment = UNIX_EPOCH + Duration::from_secs(1_234_567);
                    fs::File::open(&path).unwrap().set_modified(moment).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn one_tree_has_one_digest_wherever_whenever_and_in_whatever_order_it_was_made(tree in trees()) {
        let digests: Vec<_> = [false, true].into_iter().map(|late| {
            let world = World::new();
            let checkout = world.path(if late { "checkout" } else { "somewhere/else/entirely" });
            fs::create_dir_all(&checkout).unwrap();
            make(&checkout, &tree, late);
            let pack = pack_of(&[(".", "/src/app")]);
            let packed = towpath_registry::pack(&request(&pack, &checkout), &world.registry, "app", "1").unwrap();
            let image: ImageRef = packed.image;
            let rootfs = unpack(&world.registry, &image, &world.path("cache")).unwrap().rootfs;
            assert_eq!(listing(&rootfs.join("src/app")), listing(&checkout));
            packed.digest
        }).collect();
        prop_assert_eq!(digests[0], digests[1]);
    }
}
