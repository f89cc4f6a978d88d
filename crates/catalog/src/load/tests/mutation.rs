//! A thousand spoiled trees: nothing panics, nothing hangs, what is broken is told, and what is good still loads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reload::assert_same;
use super::*;
use crate::generate::{Shape, tree_of};
use crate::load::Loader;

/// xorshift64*: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % sides.max(1)
    }
}

/// Spoils one file in one of many ways.
fn spoil(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines: Vec<&str> = text.lines().collect();
    match dice.roll(8) {
        0 => {
            for _ in 0..=dice.roll(3) {
                let at = dice.roll(bytes.len());
                bytes[at] = u8::try_from(dice.roll(256)).unwrap();
            }
            return bytes;
        }
        1 => {
            bytes.truncate(dice.roll(bytes.len()));
            return bytes;
        }
        2 => {
            lines.remove(dice.roll(lines.len()));
        }
        3 => {
            let from = dice.roll(lines.len());
            let until = (from + 1 + dice.roll(6)).min(lines.len());
            let block = lines[from..until].to_vec();
            let at = dice.roll(lines.len());
            lines.splice(at..at, block);
        }
        4 => {
            let (one, two) = (dice.roll(lines.len()), dice.roll(lines.len()));
            lines.swap(one, two);
        }
        5 => {
            let at = dice.roll(lines.len());
            let marks = ["- ", "&a ", "*a", "[", "}", "!!int ", "<<: ", "|\n", "\t", "'", "%", "? "];
            let line = format!("{}{}", lines[at], marks[dice.roll(marks.len())]);
            return [&lines[..at], &[line.as_str()], &lines[at + 1..]].concat().join("\n").into_bytes();
        }
        6 => {
            let at = dice.roll(lines.len());
            let line = format!("{}{}", " ".repeat(dice.roll(4)), lines[at].trim_start());
            return [&lines[..at], &[line.as_str()], &lines[at + 1..]].concat().join("\n").into_bytes();
        }
        _ => {
            let at = dice.roll(text.len());
            let junk = ["null", "99999999999999999999", "true", "../..", "\u{0}", "é", "{{{ resource.x }}}", "${A}", "-", ""];
            let cut = text.floor_char_boundary(at);
            return format!("{}{}{}", &text[..cut], junk[dice.roll(junk.len())], &text[text.ceil_char_boundary(cut + 1)..]).into_bytes();
        }
    }
    lines.join("\n").into_bytes()
}

#[test]
fn a_thousand_spoiled_trees_are_told_and_nothing_more() {
    let good = tree_of(Shape { services: 3, sources: true, seed: 3 });
    let mut loader = Loader::default();
    let usual = load(good.clone());
    for seed in 1..=1000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut files = good.clone();
        let mut spoiled = Vec::new();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(files.len());
            files[at] = InputFile::new(Arc::clone(&files[at].path), spoil(&files[at].bytes, &mut dice));
            spoiled.push(Arc::clone(&files[at].path));
        }
        let start = Instant::now();
        let loaded = loader.load(files.clone());
        assert!(start.elapsed() < Duration::from_secs(30), "seed {seed} took {:?}", start.elapsed());
        if seed % 10 == 0 {
            assert_same(&loaded, &load(files.clone()));
        }
        // Whatever target is missing belongs to a saas file that is told to be broken, or was itself spoiled.
        for (id, target) in &usual.catalog.targets {
            let path = &target.saas_file.place.file;
            let told = spoiled.contains(path) || loaded.catalog.broken_saas_files.iter().any(|broken| broken.path == *path);
            assert!(
                told || loaded.catalog.targets.contains_key(id) || renamed(&loaded, target),
                "seed {seed}: {} is gone without a word",
                target.title()
            );
        }
        // Every file that cannot be used has an error that says why, within the file.
        for file in &files {
            let unreadable = crate::yaml::parse(&file.bytes).is_err();
            let found: Vec<_> = loaded.diagnostics.iter().filter(|found| found.place.file == file.path).collect();
            assert!(
                !unreadable || found.iter().any(|found| found.severity == Severity::Error),
                "seed {seed}: {} has no diagnostic",
                file.path
            );
            for found in found {
                assert!(found.place.start <= found.place.end && found.place.end as usize <= file.bytes.len(), "seed {seed}: {found:?}");
                assert!(!found.message.is_empty() && !found.mend.is_empty(), "seed {seed}: {found:?}");
            }
        }
        let _ = crate::render::terminal(&loaded.diagnostics, |path| loaded.bytes(path), false);
    }
}

/// A spoiled name of a cluster or namespace makes another target of the same entry.
fn renamed(loaded: &Loaded, target: &Target) -> bool {
    loaded.catalog.targets.values().any(|other| other.saas_file.name == target.saas_file.name && other.ref_place == target.ref_place)
}
