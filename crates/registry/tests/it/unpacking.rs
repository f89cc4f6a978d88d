//! Layers laid out as files: what images mean, and what attackers would like them to mean.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Barrier;

use tar::EntryType;
use towpath_domain::FailureClass;
use towpath_registry::{Limits, RegistryError, instantiate, unpack};

use crate::support::{Image, Tar, World, listing, pack_of};

fn laid_out(layers: impl IntoIterator<Item = Tar>) -> Vec<String> {
    let world = World::new();
    listing(&world.unpack_evil(&Image::of(layers)).unwrap())
}

#[test]
fn whiteouts_remove_what_lower_layers_made_and_nothing_else() {
    let lower = || Tar::default().folder("a/").file("a/x", "1").file("a/y", "2").folder("b/").file("b/z", "3");
    assert_eq!(laid_out([lower(), Tar::default().file("a/.wh.x", "")]), ["a/", "a/y = 2", "b/", "b/z = 3"]);
    assert_eq!(laid_out([lower(), Tar::default().file(".wh.a", "").file(".wh.nothing", "")]), ["b/", "b/z = 3"]);
    // The order within a layer must not matter.
    let opaque = Tar::default().file("a/new", "4").file("a/.wh..wh..opq", "");
    assert_eq!(laid_out([lower(), opaque]), ["a/", "a/new = 4", "b/", "b/z = 3"]);
    let opaque = Tar::default().folder("a/").file("a/.wh..wh..opq", "").file("a/new", "4");
    assert_eq!(laid_out([lower(), opaque]), ["a/", "a/new = 4", "b/", "b/z = 3"]);
    let own = Tar::default().file("a/x", "5").file("a/.wh.x", "");
    assert_eq!(laid_out([lower(), own]), ["a/", "a/x = 5", "a/y = 2", "b/", "b/z = 3"]);
}

#[test]
fn a_later_layer_replaces_files_folders_and_links() {
    let lower = Tar::default().file("x", "1").folder("d/").file("d/f", "2").link("l", "x");
    let upper = Tar::default().folder("x/").file("d", "now a file").file("l", "no link");
    assert_eq!(laid_out([lower, upper]), ["d = now a file", "l = no link", "x/"]);
}

#[test]
fn a_file_behind_the_images_own_link_lands_where_the_image_means_it() {
    let lower = || Tar::default().folder("usr/bin/").link("bin", "usr/bin").link("sbin", "/usr/bin").link("up", "../../../usr");
    let upper = Tar::default().file("bin/a", "1").file("sbin/b", "2").file("up/c", "3");
    let expected =
        ["bin -> usr/bin", "sbin -> /usr/bin", "up -> ../../../usr", "usr/", "usr/bin/", "usr/bin/a = 1", "usr/bin/b = 2", "usr/c = 3"];
    assert_eq!(laid_out([lower(), upper]), expected);
}

#[test]
fn an_absolute_link_begins_at_the_images_root_wherever_it_lies() {
    let tar = Tar::default().folder("deep/er/").link("deep/er/abs", "/usr/lib").link("deep/up", "../../..").file("deep/er/abs/x", "1");
    let expected = ["deep/", "deep/er/", "deep/er/abs -> /usr/lib", "deep/up -> ../../..", "usr/", "usr/lib/", "usr/lib/x = 1", "y = 2"];
    assert_eq!(laid_out([tar.file("deep/up/y", "2")]), expected);
}

#[test]
fn hard_links_stay_inside_and_dangerous_bits_are_dropped() {
    let world = World::new();
    let rootfs = world.unpack_evil(&Image::of([Tar::default().file("a", "1").hard_link("b", "a").hard_link("a", "b")])).unwrap();
    let metadata = |name| fs::metadata(rootfs.join(name)).unwrap();
    assert_eq!(metadata("a").ino(), metadata("b").ino());
    assert_eq!(metadata("a").permissions().mode() & 0o7777, 0o755, "the tar said 4755");
}

#[test]
fn nothing_gets_out_of_the_image() {
    let world = World::new();
    fs::write(world.path("secret"), "secret").unwrap();
    let secret = world.path("secret").display().to_string();
    let outside = world.path("checkout").display().to_string();
    let before = listing(&world.path("checkout"));
    let device = |kind| Tar::default().entry(kind, "dev", "", b"");
    let refused: Vec<Tar> = vec![
        Tar::default().file("../evil", "x"),
        Tar::default().file("a/../../evil", "x"),
        Tar::default().folder("../../evil/"),
        Tar::default().link("../evil", "x"),
        Tar::default().hard_link("x", &secret),
        Tar::default().hard_link("x", "../../../secret"),
        Tar::default().link("l", &secret).hard_link("x", "l/.."),
        Tar::default().file("f", "x").file("f/g", "x"),
        Tar::default().link("a", "b").link("b", "a").file("a/x", "loop"),
        Tar::default().folder("d/").hard_link("x", "d"),
        Tar::default().hard_link("x", "missing"),
        Tar::default().file("a/.wh...", ""),
        Tar::default().file(".wh..", ""),
        Tar::default().file(".", "x"),
        device(EntryType::Char),
        device(EntryType::Block),
        device(EntryType::Fifo),
        device(EntryType::GNUSparse),
        device(EntryType::new(b'?')),
    ];
    for (number, tar) in refused.into_iter().enumerate() {
        let error = world.unpack_evil(&Image::of([tar])).unwrap_err();
        assert!(matches!(error, RegistryError::UnsafeEntry { .. }), "case {number}: {error}");
        assert_eq!(error.class(), FailureClass::Own);
        assert!(listing(&world.path("cache")).is_empty(), "case {number} left something");
    }
    // These are taken, but stay inside.
    let kept: Vec<Tar> = vec![
        Tar::default().file("/etc/evil", "x"),
        Tar::default().link("l", &outside).file("l/evil", "x"),
        Tar::default().link("l", "../../../../../../../../..").file("l/tmp/evil", "x"),
        Tar::default().link("l", &secret).file("l", "replaced"),
        Tar::default().link("l", &secret).hard_link("h", "l").file("h", "replaced"),
        Tar::default().link("l", &outside).file(".wh.l", ""),
        Tar::default().link("l", "../../..").file("l/.wh..wh..opq", ""),
        Tar::default().link("l", "../../..").file("l/.wh.secret", ""),
    ];
    for (number, tar) in kept.into_iter().enumerate() {
        world.unpack_evil(&Image::of([tar.clone(), tar])).unwrap_or_else(|error| panic!("case {number}: {error}"));
        assert_eq!(fs::read_to_string(world.path("secret")).unwrap(), "secret", "case {number}");
        assert_eq!(listing(&world.path("checkout")), before, "case {number}");
    }
}

#[test]
fn extended_headers_are_believed_only_so_far() {
    let pax = |key: &str, value: &str| {
        let body = format!(" {key}={value}\n");
        let length = (body.len()..).find(|length| length.to_string().len() + body.len() == *length).unwrap();
        Tar::default().entry(EntryType::XHeader, "pax", "", format!("{length}{body}").as_bytes())
    };
    assert_eq!(laid_out([pax("path", "real").file("fake", "x")]), ["real = x"]);
    assert_eq!(laid_out([pax("linkpath", "target").link("l", "fake")]), ["l -> target"]);
    let world = World::new();
    let refused = [
        pax("path", "../evil").file("good", "x"),
        pax("path", "a\0b").file("good", "x"),
        pax("linkpath", "/../../etc/passwd").hard_link("h", "x"),
        pax("size", "9").file("good", "x"),
        pax("GNU.sparse.major", "1").file("good", "x"),
    ];
    for tar in refused {
        assert!(matches!(world.unpack_evil(&Image::of([tar])), Err(RegistryError::UnsafeEntry { .. })));
    }
    // A long name that would fill the memory.
    let long = Tar::default().entry(EntryType::GNULongName, "././@LongLink", "", &vec![b'a'; 1 << 20]).file("x", "");
    assert!(matches!(world.unpack_evil(&Image::of([long])), Err(RegistryError::Malformed { .. })));
}

#[test]
fn a_tar_without_its_padding_is_read_and_one_that_is_cut_is_not() {
    let world = World::new();
    let whole = Tar::default().file("a", "content").0;
    let end = 512 + "content".len();
    let image = |length: usize| Image { layers: vec![whole[..length].to_vec()], ..Image::of([]) };
    for length in [end - 1, 512, 511, 100] {
        let error = world.unpack_evil(&image(length)).unwrap_err();
        assert!(matches!(error, RegistryError::Malformed { .. }), "{length}: {error}");
    }
    for length in [end, end + 3, 1024] {
        assert_eq!(listing(&world.unpack_evil(&image(length)).unwrap()), ["a = content"], "{length}");
    }
}

#[test]
fn a_path_made_deep_by_links_is_refused_and_a_crowd_of_entries_too() {
    let deep = format!("{}d", "d/".repeat(40));
    let links = Tar::default().folder(&deep).link("l", &deep).folder("l/m").link("m", "l/m");
    let deeper = (0..6).fold(links, |tar, level| {
        let (from, to) = (if level == 0 { "m".to_owned() } else { format!("n{}", level - 1) }, format!("n{level}"));
        let inner = format!("{from}/{deep}");
        tar.folder(&inner).link(&to, &inner)
    });
    let world = World::new();
    assert!(matches!(world.unpack_evil(&Image::of([deeper])), Err(RegistryError::UnsafeEntry { .. })));

    let crowd = (0..200).fold(Tar::default(), |tar, number| tar.file(&format!("f{number}"), ""));
    let registry = world.registry.clone().with_limits(Limits { entries: 100, ..Limits::default() });
    let world = World { registry, ..world };
    let error = world.unpack_evil(&Image::of([crowd])).unwrap_err();
    assert!(error.to_string().contains("100 entries"), "{error}");
}

#[test]
fn a_second_unpack_is_found_ready_and_leftovers_of_a_killed_one_are_cleared_away() {
    let world = World::new();
    world.file("a", "1");
    let packed = world.pack(&pack_of(&[("a", "/a")]), "1").unwrap();
    let cache = world.path("cache");
    let leftover = cache.join(format!(".{}.partial", packed.digest.hex()));
    fs::create_dir_all(leftover.join("rootfs/half")).unwrap();
    let first = unpack(&world.registry, &packed.image, &cache).unwrap();
    assert!(!leftover.exists());
    assert_eq!(listing(&first.rootfs), ["a = 1"]);
    let made = fs::metadata(&first.rootfs).unwrap().ino();
    assert_eq!(unpack(&world.registry, &packed.image, &cache).unwrap(), first);
    assert_eq!(fs::metadata(&first.rootfs).unwrap().ino(), made);
}

#[test]
fn many_threads_want_one_image_and_all_get_the_same() {
    let world = World::new();
    (0..50).for_each(|number| drop(world.file(&format!("d/{number}"), "x")));
    let packed = world.pack(&pack_of(&[("d", "/d")]), "1").unwrap();
    let (cache, barrier) = (world.path("cache"), Barrier::new(8));
    let rootfs: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let unpacked = unpack(&world.registry, &packed.image, &cache).unwrap();
                    listing(&unpacked.rootfs).len()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(rootfs, [51; 8]);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1, "no partial folder is left");
}

#[test]
fn an_instance_is_a_copy_of_its_own_and_survives_being_asked_for_again() {
    let world = World::new();
    let tar = Tar::default().folder("app/").file("app/server", "1").link("app/link", "/etc/passwd").hard_link("app/same", "app/server");
    let digest = Image::of([tar]).write(&world.path("registry").join("app"), "1");
    let unpacked = unpack(&world.registry, &format!("app@{digest}").parse().unwrap(), &world.path("cache")).unwrap();
    let instance = world.path("instances/run-1");
    instantiate(&unpacked, &instance).unwrap();
    assert_eq!(listing(&instance), listing(&unpacked.rootfs));
    assert_eq!(fs::metadata(instance.join("app/server")).unwrap().permissions().mode() & 0o777, 0o755);
    fs::write(instance.join("app/server"), "changed").unwrap();
    fs::write(instance.join("app/data"), "kept").unwrap();
    instantiate(&unpacked, &instance).unwrap();
    assert_eq!(fs::read_to_string(instance.join("app/data")).unwrap(), "kept");
    assert_eq!(fs::read_to_string(unpacked.rootfs.join("app/server")).unwrap(), "1");
    assert_eq!(fs::read_dir(world.path("instances")).unwrap().count(), 1);
}

#[test]
fn what_a_killed_copy_left_is_cleared_away_files_folders_and_links() {
    let world = World::new();
    world.file("a", "1");
    let packed = world.pack(&pack_of(&[("a", "/a")]), "1").unwrap();
    let unpacked = unpack(&world.registry, &packed.image, &world.path("cache")).unwrap();
    let leftover = world.path("instances/.run-1.partial");
    fs::create_dir_all(leftover.join("folder/deep")).unwrap();
    fs::write(leftover.join("a"), "half").unwrap();
    std::os::unix::fs::symlink(world.path("checkout"), leftover.join("link")).unwrap();
    instantiate(&unpacked, &world.path("instances/run-1")).unwrap();
    assert_eq!(listing(&world.path("instances")), ["run-1/", "run-1/a = 1"]);
    assert_eq!(listing(&world.path("checkout")), ["a = 1"], "the link was not followed");
}
