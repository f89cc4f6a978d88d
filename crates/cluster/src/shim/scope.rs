//! Paths within an unpacked image, as if its root were `/`. An image is foreign: its links must not lead out.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux itself follows.
const LINKS_MAX: usize = 40;

/// The host's path of `path` within `root`, links followed within the root. Components that are not there are taken as they are.
/// `None` when links go in circles.
pub(crate) fn resolve(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut left: VecDeque<OsString> = words(path);
    let mut done = PathBuf::new();
    let mut links = 0;
    while let Some(word) = left.pop_front() {
        if word == ".." {
            done.pop();
            continue;
        }
        let here = root.join(&done).join(&word);
        match fs::read_link(&here) {
            Ok(target) => {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                if target.is_absolute() {
                    done = PathBuf::new();
                }
                for word in words(&target).into_iter().rev() {
                    left.push_front(word);
                }
            }
            Err(_) => done.push(word),
        }
    }
    Some(if done.as_os_str().is_empty() { root.to_owned() } else { root.join(done) })
}

fn words(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(word) => Some(word.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_within_the_root_and_never_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/busybox"), "").unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        symlink("/usr/bin/busybox", root.join("usr/bin/sh")).unwrap();
        symlink("../../../../../../etc", root.join("out")).unwrap();
        symlink("a", root.join("b")).unwrap();
        symlink("b", root.join("a")).unwrap();
        let within = |path: &str| resolve(root, Path::new(path));
        assert_eq!(within("/bin/sh"), Some(root.join("usr/bin/busybox")));
        assert_eq!(within("/out/passwd"), Some(root.join("etc/passwd")));
        assert_eq!(within("../../etc/passwd"), Some(root.join("etc/passwd")));
        assert_eq!(within("/"), Some(root.to_owned()));
        assert_eq!(within("/not/there"), Some(root.join("not/there")));
        assert_eq!(within("/a"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_path_leaves_the_root(path in "[a./]{0,30}") {
            let root = Path::new("/nonexistent-root");
            proptest::prop_assert!(resolve(root, Path::new(&path)).unwrap().starts_with(root));
        }
    }
}
