//! Names and sizes of files, as Ibutsu takes them.

use std::collections::BTreeSet;

/// The longest name, in bytes: with two ids before it, it fits into what every reader of archives can read.
const NAME_MAX: usize = 100;

/// A file of a run or a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Its name: no folder, no sign that means something to anybody.
    pub name: String,
    /// What it holds; never nothing.
    pub content: Vec<u8>,
}

/// The names that are taken in one place.
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The import takes whatever ends so for the run or the result itself.
    reserved: &'static str,
}

impl Names {
    pub(super) fn of_run() -> Self {
        Self { taken: BTreeSet::new(), reserved: "run.json" }
    }

    pub(super) fn of_result() -> Self {
        Self { taken: BTreeSet::new(), reserved: "result.json" }
    }

    /// A name like `wanted` that is free here and that an archive can hold.
    pub(super) fn take(&mut self, wanted: &str) -> String {
        let plain: String = wanted.chars().map(|c| if c.is_ascii_alphanumeric() || "._-+@=, ()[]".contains(c) { c } else { '_' }).collect();
        let plain = plain.trim_matches([' ', '.']);
        let mut plain = if plain.is_empty() { "file".to_owned() } else { plain.to_owned() };
        if plain.ends_with(self.reserved) {
            plain.push_str(".txt");
        }
        if plain.len() > NAME_MAX {
            // The end tells what kind it is.
            plain.drain(NAME_MAX / 2..plain.len() - NAME_MAX / 2);
        }
        let mut name = plain.clone();
        let mut number = 2;
        while !self.taken.insert(name.clone()) {
            name = match plain.rsplit_once('.') {
                Some((stem, end)) if !stem.is_empty() => format!("{stem}-{number}.{end}"),
                _ => format!("{plain}-{number}"),
            };
            number += 1;
        }
        name
    }
}

/// The file with at most `limit` bytes: of a longer text, beginning and end. Nothing where it is empty, since the server refuses that.
///
/// # Errors
/// Why it is left out: half of something that is no text helps nobody.
pub(super) fn bounded(name: String, content: &[u8], limit: usize) -> Result<Option<NamedFile>, String> {
    if content.is_empty() {
        return Ok(None);
    }
    if content.len() <= limit {
        return Ok(Some(NamedFile { name, content: content.to_vec() }));
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(format!("the file {name} was left out: it has {} bytes, and Ibutsu takes {limit}", content.len()));
    };
    Ok(Some(NamedFile { name, content: head_and_tail(text, limit).into_bytes() }))
}

/// Beginning and end of a text that is longer than `limit`, with a line between them that says so.
fn head_and_tail(text: &str, limit: usize) -> String {
    let gap = |left_out: usize| format!("\n… {left_out} bytes were left out here: Ibutsu takes {limit} …\n");
    let room = limit.saturating_sub(gap(text.len()).len());
    let head = text.floor_char_boundary(room / 2);
    let tail = text.ceil_char_boundary(text.len() - (room - room / 2));
    format!("{}{}{}", &text[..head], gap(tail - head), &text[tail..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_that_the_import_neither_splits_nor_takes_for_something_else() {
        let mut names = Names::of_run();
        for (wanted, taken) in [
            ("console.log", "console.log"),
            ("console.log", "console-2.log"),
            ("console.log", "console-3.log"),
            ("logs/pod/console.log", "logs_pod_console.log"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("run.json", "run.json.txt"),
            ("dry-run.json", "dry-run.json.txt"),
            ("result.json", "result.json"),
            ("", "file"),
            ("", "file-2"),
            ("a\nb\u{202e}c", "a_b_c"),
        ] {
            assert_eq!(names.take(wanted), taken, "{wanted:?}");
        }
        assert_eq!(Names::of_result().take("my-result.json"), "my-result.json.txt");
        let long = Names::of_run().take(&format!("{}.png", "x".repeat(300)));
        assert!(long.len() == NAME_MAX && long.ends_with("x.png"), "{long}");
    }

    #[test]
    fn what_is_too_large_and_no_text_is_left_out_and_what_is_empty_is_none() {
        assert_eq!(bounded("a".into(), b"", 10), Ok(None));
        let told = bounded("core.bin".into(), &[0xff; 11], 10).unwrap_err();
        assert_eq!(told, "the file core.bin was left out: it has 11 bytes, and Ibutsu takes 10");
        assert_eq!(bounded("core.bin".into(), &[0xff; 10], 10).unwrap().unwrap().content.len(), 10);
    }

    proptest! {
        #[test]
        fn a_text_never_has_more_than_the_limit_and_keeps_both_ends(text in "[a-zä€😀\n]{0,400}", limit in 120_usize..300) {
            let kept = bounded("t".into(), text.as_bytes(), limit).unwrap().map(|file| String::from_utf8(file.content).unwrap());
            let kept = kept.unwrap_or_default();
            prop_assert!(kept.len() <= limit);
            if text.len() <= limit {
                prop_assert_eq!(kept, text);
            } else {
                let (head, rest) = kept.split_once("\n… ").unwrap();
                let (number, rest) = rest.split_once(' ').unwrap();
                let tail = rest.split_once(" …\n").unwrap().1;
                prop_assert!(text.starts_with(head) && text.ends_with(tail));
                prop_assert_eq!(head.len() + tail.len() + number.parse::<usize>().unwrap(), text.len());
            }
        }
    }
}
