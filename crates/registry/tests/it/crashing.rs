//! Several processes at once, processes that are killed, and disks that are full.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use towpath_domain::FailureClass;
use towpath_registry::{LayoutRegistry, instantiate, unpack};

use crate::support::{World, listing, pack_of, request};

const CHILD: &str = "TOWPATH_TEST_CHILD";

/// Not a test of its own: what the other processes of the tests below do, in this very executable.
#[test]
fn child() {
    let Some(task) = std::env::var_os(CHILD) else { return };
    let task = task.into_string().unwrap();
    let mut words = task.split('|');
    let (root, prefix, count): (&Path, &str, usize) =
        (Path::new(words.next().unwrap()), words.next().unwrap(), words.next().unwrap().parse().unwrap());
    let registry = LayoutRegistry::open(root.join("registry")).unwrap();
    let checkout = root.join(format!("checkout-{prefix}"));
    std::fs::create_dir_all(&checkout).unwrap();
    let pack = pack_of(&[("a", "/a")]);
    for number in 0..count {
        std::fs::write(checkout.join("a"), format!("{prefix}{number}").repeat(5000)).unwrap();
        let tag = format!("{prefix}{number}");
        let packed = towpath_registry::pack(&request(&pack, &checkout), &registry, "app", &tag).unwrap();
        let unpacked = unpack(&registry, &packed.image, &root.join("cache")).unwrap();
        instantiate(&unpacked, &root.join("instances").join(&tag)).unwrap();
        println!("DONE {tag}");
    }
}

fn spawn(world: &World, prefix: &str, count: usize) -> Child {
    let task = format!("{}|{prefix}|{count}", world.dir.path().display());
    Command::new(std::env::current_exe().unwrap())
        .args(["crashing::child", "--exact", "--nocapture"])
        .env(CHILD, task)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .process_group(0)
        .spawn()
        .unwrap()
}

/// The tags that the child says are done, as it says so.
fn done(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.split_once("DONE ").map(|(_, tag)| tag.to_owned()))
}

#[test]
fn two_processes_write_one_image_and_no_tag_is_lost() {
    let world = World::new();
    let mut children = [spawn(&world, "a", 15), spawn(&world, "b", 15)];
    let tags: Vec<String> = children.iter_mut().flat_map(done).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(tags.len(), 30);
    let mut wanted = tags;
    wanted.sort();
    assert_eq!(world.registry.tags("app").unwrap(), wanted);
    let (images, errors) = world.registry.list();
    assert!(images.len() == 30 && errors.is_empty(), "{errors:?}");
}

#[test]
fn many_threads_write_one_image_and_no_tag_is_lost() {
    let world = World::new();
    world.file("a", "1");
    let pack = pack_of(&[("a", "/a")]);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (world, pack) = (&world, &pack);
            scope.spawn(move || world.pack(pack, &format!("t{number}")).unwrap());
        }
    });
    assert_eq!(world.registry.tags("app").unwrap().len(), 16);
}

#[test]
fn a_process_killed_at_any_instant_loses_nothing_that_it_said_was_done() {
    let world = World::new();
    let mut promised = Vec::new();
    // Each one dies a little later in its work than the one before it.
    for round in 0..12_u32 {
        let prefix = format!("r{round}-");
        let mut child = spawn(&world, &prefix, 1000);
        let mut lines = done(&mut child);
        promised.extend(lines.by_ref().take(1));
        let spin = Instant::now();
        while spin.elapsed() < Duration::from_micros(u64::from(round) * 700) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        promised.extend(lines);
    }
    let (images, errors) = world.registry.list();
    assert!(errors.is_empty(), "{errors:?}");
    let tags: Vec<_> = images.iter().filter_map(|image| image.tag.clone()).collect();
    assert!(promised.len() >= 12 && promised.iter().all(|tag| tags.contains(tag)), "{promised:?} {tags:?}");
    for image in images {
        let tag = image.tag.unwrap();
        let unpacked = unpack(&world.registry, &format!("app:{tag}").parse().unwrap(), &world.path("cache")).unwrap();
        instantiate(&unpacked, &world.path("instances").join(&tag)).unwrap();
        assert_eq!(listing(&world.path("instances").join(&tag)), [format!("a = {}", tag.repeat(5000))]);
    }
    // The next writer clears what the killed ones left.
    world.file("a", "last");
    world.pack(&pack_of(&[("a", "/a")]), "last").unwrap();
    assert_eq!(std::fs::read_dir(world.path("registry/app/.towpath")).unwrap().count(), 1, "only the lock is left");
}

/// A file system of one megabyte, as long as this lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_the_environments_fault_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: no disk can be mounted here; run as root to run this test");
        return;
    };
    let world = World::new();
    let registry = LayoutRegistry::open(disk.0.path().join("registry")).unwrap();
    let (checkout, pack) = (world.path("checkout"), pack_of(&[("a", "/a")]));
    world.file("a", "small");
    let small = towpath_registry::pack(&request(&pack, &checkout), &registry, "app", "small").unwrap();
    world.file("a", &"x".repeat(2 << 20));
    let error = towpath_registry::pack(&request(&pack, &checkout), &registry, "app", "large").unwrap_err();
    assert_eq!(error.class(), FailureClass::Environment);
    assert!(error.to_string().contains("Free some space"), "{error}");
    assert_eq!(registry.tags("app").unwrap(), ["small"]);

    let large = towpath_registry::pack(&request(&pack, &checkout), &world.registry, "app", "large").unwrap();
    let cache = disk.0.path().join("cache");
    let error = unpack(&world.registry, &large.image, &cache).unwrap_err();
    assert_eq!(error.class(), FailureClass::Environment);
    assert!(listing(&cache).is_empty(), "the disk is not kept full");
    // As for every failure of this class, trying again helps. (Space comes back a moment late when another test starts a
    // process just then: until that runs its own program, it has all our files open, removed ones too.)
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = unpack(&registry, &small.image, &cache) {
        assert_eq!(error.class(), FailureClass::Environment);
        assert!(Instant::now() < deadline, "{error}");
        std::thread::yield_now();
    }
}
