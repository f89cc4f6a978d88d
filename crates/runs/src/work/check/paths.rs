//! Paths of a checkout, the last part of which may hold `*`. What a command or a stranger's branch made of the checkout is walked with care: no
//! link is followed.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// A path of a checkout: the folders on the way, and the name or pattern at its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern<'a> {
    pub(super) folders: Vec<&'a str>,
    pub(super) last: &'a str,
}

impl<'a> Pattern<'a> {
    /// The path's parts; none for one that leads out, or names nothing.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let mut folders: Vec<&str> = Vec::new();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => folders.push(name.to_str()?),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        let last = folders.pop()?;
        Some(Self { folders, last })
    }

    /// The names in this folder that are meant, sorted.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub(super) fn names_in(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            // What is no UTF-8 is named by nobody.
            if let Ok(name) = entry?.file_name().into_string()
                && fits(self.last, &name)
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The folder, if it is one below `root`, by no link.
    pub(super) fn folder_below(&self, root: &Path) -> Option<PathBuf> {
        let mut at = root.to_owned();
        for name in &self.folders {
            at.push(name);
            fs::symlink_metadata(&at).ok().filter(fs::Metadata::is_dir)?;
        }
        Some(at)
    }
}

/// Whether a name is as a pattern says, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        for (pattern, name, is) in [
            ("a.xml", "a.xml", true),
            ("a.xml", "a.xml2", false),
            ("*.xml", ".xml", true),
            ("TEST-*.xml", "TEST-a.b.xml", true),
            ("TEST-*.xml", "test-a.xml", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*bc", "abc", false),
        ] {
            assert_eq!(fits(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn a_path_that_leads_out_is_none() {
        assert_eq!(Pattern::of("./a//b/*.xml"), Some(Pattern { folders: vec!["a", "b"], last: "*.xml" }));
        for path in ["../a", "a/../../b", "/etc/passwd", ".", ""] {
            assert_eq!(Pattern::of(path), None, "{path:?}");
        }
    }
}
