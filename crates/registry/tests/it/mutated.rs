//! A thousand broken and evil images: each is refused with a typed error or is fine, and nothing is touched outside its place.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tar::EntryType;
use towpath_registry::{ImportRequest, LayoutRegistry, Limits, TagMove, import, unpack};

use crate::support::{Image, Packing, Tar, amd64, gzip, listing};

/// Marsaglia's xorshift: enough to choose what to break, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "a/b",
    "a/b/c",
    "l",
    "l/x",
    "l/l/x",
    "h",
    "../x",
    "a/../../x",
    "/x",
    "/../x",
    ".",
    "..",
    "",
    "./a",
    "a//b/",
    ".wh.a",
    "a/.wh.b",
    ".wh..wh..opq",
    "a/.wh..wh..opq",
    "l/.wh..wh..opq",
    "l/.wh.secret",
    ".wh...",
    ".wh.",
    ".wh..wh.x",
    "secret",
    "l/secret",
];
const TARGETS: &[&str] =
    &["a", "..", "../..", "../../..", "../../../..", "/", "/tmp", "a/b", "../secret", "../../secret", "../../../secret", "l", "h", ""];
const KINDS: &[EntryType] = &[
    EntryType::Regular,
    EntryType::Regular,
    EntryType::Directory,
    EntryType::Directory,
    EntryType::Symlink,
    EntryType::Symlink,
    EntryType::Link,
    EntryType::Link,
    EntryType::Char,
    EntryType::Fifo,
    EntryType::GNULongName,
    EntryType::GNULongLink,
    EntryType::XHeader,
    EntryType::XGlobalHeader,
];

/// A tar of entries that each make sense to somebody.
fn evil_tar(dice: &mut Dice) -> Tar {
    let mut tar = Tar::default();
    for _ in 0..1 + dice.roll(6) {
        // The last kinds mostly end a tar; rarer, so that something happens before.
        let kind = KINDS[if dice.roll(4) == 0 { dice.roll(KINDS.len()) } else { dice.roll(8) }];
        let content = match kind {
            EntryType::Regular => dice.pick(&["", "x", "evil"]).to_owned(),
            EntryType::XHeader => dice.pick(&["17 path=../secret\n", "14 linkpath=/x\n", "9 size=9\n", "99 x", "8 path=\n"]).to_owned(),
            EntryType::GNULongName | EntryType::GNULongLink => dice.pick(NAMES).to_owned(),
            _ => String::new(),
        };
        tar = tar.entry(kind, dice.pick(NAMES), dice.pick(TARGETS), content.as_bytes());
    }
    tar
}

/// An image, broken somewhere.
fn broken_image(dice: &mut Dice, layout: &Path) {
    let good = || Tar::default().folder("a/").file("a/b", "content").link("l", "a").hard_link("h", "a/b");
    let mut image = match dice.roll(2) {
        0 => Image::of([good(), evil_tar(dice), evil_tar(dice)]),
        _ => Image::of([good()]),
    };
    image.packing = [Packing::Plain, Packing::Gzip, Packing::Zstd][dice.roll(3)];
    if dice.roll(3) == 0 {
        // Broken before the digests are taken: they are right, and the tar is not.
        flip(dice, &mut image.layers[0]);
    }
    image.write(layout, "1");
    match dice.roll(3) {
        0 => {}
        1 => {
            let mut files: Vec<_> = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.extend([layout.join("index.json"), layout.join("oci-layout")]);
            files.sort();
            let path = &files[dice.roll(files.len())];
            let mut bytes = fs::read(path).unwrap();
            flip(dice, &mut bytes);
            fs::write(path, bytes).unwrap();
        }
        _ => {
            // The documents are changed, and the index points to what they became.
            let entry = image.write_blobs(layout);
            let path = layout.join("blobs/sha256").join(&entry["digest"].as_str().unwrap()[7..]);
            let mut bytes = fs::read(path).unwrap();
            flip(dice, &mut bytes);
            let entry = crate::support::blob(layout, crate::support::MANIFEST, &bytes);
            crate::support::write_index(layout, &[entry]);
        }
    }
    if dice.roll(10) == 0 {
        let bytes = gzip(&vec![0; 1 << 20]);
        crate::support::blob(layout, "x", &bytes);
    }
}

fn flip(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..1 + dice.roll(3) {
        if bytes.is_empty() {
            return;
        }
        let at = dice.roll(bytes.len());
        match dice.roll(5) {
            0 => bytes[at] = dice.roll(256).to_le_bytes()[0],
            1 => bytes[at] ^= 1 << dice.roll(8),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, b'9'),
            _ => drop(bytes.remove(at)),
        }
    }
}

#[test]
fn a_thousand_broken_and_evil_images_do_no_harm() {
    const SEED: u64 = 0x7077_7061_7468_0001;
    let mut dice = Dice(SEED);
    let (mut fine, mut refused) = (0, 0);
    let limits = Limits { unpacked_bytes: 1 << 20, stored_bytes: 1 << 20, entries: 100, ..Limits::default() };
    let dir = tempfile::tempdir().unwrap();
    // Deep enough that the evil paths, which go up a few folders, find the secret.
    let secret = dir.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::create_dir(dir.path().join("x")).unwrap();
    for case in 0..1000 {
        let shown = format!("seed {SEED:#x}, case {case}");
        let place = dir.path().join("place");
        fs::create_dir(&place).unwrap();
        let (layout, root, cache) = (place.join("layout"), place.join("registry"), place.join("cache"));
        broken_image(&mut dice, &layout);
        let began = Instant::now();
        let registry = LayoutRegistry::open(&root).unwrap().with_limits(limits.clone());
        let request = ImportRequest { layout: &layout, platform: amd64(), tag_move: TagMove::Refuse };
        let imported = import(&request, &registry, "app", "1");
        // What import refuses may still be put there by other means.
        let target = if imported.is_ok() {
            root.clone()
        } else {
            fs::create_dir(place.join("other")).unwrap();
            fs::rename(&layout, place.join("other/app")).unwrap();
            place.join("other")
        };
        let registry = LayoutRegistry::open(target).unwrap().with_limits(limits.clone());
        let outcome = unpack(&registry, &"app:1".parse().unwrap(), &cache);
        assert!(began.elapsed() < Duration::from_secs(60), "{shown}: it took {:?}", began.elapsed());
        match outcome {
            Ok(unpacked) => {
                fine += 1;
                for line in listing(&unpacked.rootfs) {
                    assert!(!line.ends_with("= secret"), "{shown}: {line}");
                }
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().len() > 20, "{shown}: {error:?}");
                assert!(!cache.exists() || listing(&cache).is_empty(), "{shown}: {error} left {:?}", listing(&cache));
            }
        }
        fs::remove_dir_all(&place).unwrap();
        assert_eq!(listing(dir.path()), ["secret = secret", "x/"], "{shown}");
        assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1, "{shown}");
    }
    assert!(fine > 50 && refused > 300, "the images are too good or too bad to find anything: {fine} fine, {refused} refused");
}
