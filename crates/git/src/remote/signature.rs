//! Tells by file metadata alone whether a repository on this machine changed.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder that a URL leads to, if it is on this machine.
///
/// As Git has it: what has a scheme other than `file`, or a colon before the first slash, is remote.
pub(super) fn local_dir(url: &str) -> Option<PathBuf> {
    if let Some(path) = url.strip_prefix("file://") {
        // A host may stand before the path; Git ignores it.
        return path.find('/').and_then(|at| path.get(at..)).map(PathBuf::from);
    }
    let first = url.split('/').next().unwrap_or_default();
    if url.contains("://") || first.contains(':') {
        return None;
    }
    Some(PathBuf::from(url))
}

/// The signature of the branches of the repository at `dir`, bare or not; `None` if there is none.
pub(super) fn of_repository(dir: &Path) -> Option<u64> {
    let git_dir = git_dir(dir)?;
    let mut hash = DefaultHasher::new();
    for name in ["HEAD", "packed-refs", "reftable/tables.list"] {
        stat(&git_dir.join(name), &mut hash);
    }
    walk(&git_dir.join("refs/heads"), &mut hash, 0);
    Some(hash.finish())
}

/// The folder with the refs: of a bare repository, of one with a work tree, or the common one of a linked work tree.
fn git_dir(dir: &Path) -> Option<PathBuf> {
    let with_suffix = || {
        let mut name = dir.as_os_str().to_owned();
        name.push(".git");
        PathBuf::from(name)
    };
    // The order in which Git itself looks, see enter_repo() in its path.c.
    for candidate in [dir.join(".git"), dir.to_owned(), with_suffix().join(".git"), with_suffix()] {
        if let Ok(text) = fs::read_to_string(&candidate)
            && let Some(target) = text.strip_prefix("gitdir:")
        {
            let target = dir.join(target.trim());
            let common = fs::read_to_string(target.join("commondir")).ok().map(|common| target.join(common.trim()));
            return Some(common.unwrap_or(target));
        }
        if candidate.join("HEAD").is_file() && candidate.join("objects").is_dir() {
            return Some(candidate);
        }
    }
    None
}

fn walk(dir: &Path, hash: &mut DefaultHasher, depth: usize) {
    // Deeper than any branch name that Git takes; a loop of links ends here.
    if depth > 64 {
        return;
    }
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut entries: Vec<_> =
        entries.flatten().map(|entry| (entry.file_name(), entry.file_type().is_ok_and(|kind| kind.is_dir()))).collect();
    entries.sort();
    for (name, is_dir) in entries {
        name.hash(hash);
        let path = dir.join(&name);
        if is_dir { walk(&path, hash, depth + 1) } else { stat(&path, hash) }
    }
}

/// Git replaces a ref's file by renaming a new one over it, so the inode number changes even when size and time do not.
fn stat(path: &Path, hash: &mut DefaultHasher) {
    match fs::metadata(path) {
        Ok(meta) => (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()).hash(hash),
        Err(_) => 0_u8.hash(hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_urls_are_told_from_remote_ones_as_git_does() {
        for (url, dir) in [
            ("/srv/a.git", Some("/srv/a.git")),
            ("./a", Some("./a")),
            ("a/b:c", Some("a/b:c")),
            ("file:///srv/a b", Some("/srv/a b")),
            ("file://localhost/srv/a", Some("/srv/a")),
            ("https://h/a", None),
            ("git@h:a/b", None),
            ("h:a", None),
            ("ssh://h/a", None),
        ] {
            assert_eq!(local_dir(url).as_deref(), dir.map(Path::new), "{url}");
        }
    }
}
