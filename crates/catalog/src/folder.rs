//! Config repositories that are plain folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::input::{InputFile, is_data_path};

/// Files beyond this size are cut: the catalog refuses them anyway, and reading all of one could fill the memory.
const READ_LIMIT: u64 = 9 << 20;

/// How deep folders may nest below `data/`.
const MAX_DEPTH: usize = 32;

/// Reads `data/**/*.yml` and `*.yaml` below `root`, in the order of their paths. Symbolic links are not followed, as they
/// may lead out of the repository; a file that is one reads as its target's path, just as Git keeps it.
///
/// # Errors
/// What the file system says, with the path it says it of. A missing `data/` is an error, too: an empty catalog would
/// look as if everything had been removed.
pub fn read(root: &Path) -> io::Result<Vec<InputFile>> {
    let mut paths = Vec::new();
    walk(root, "data", 0, &mut paths)?;
    paths.sort_unstable();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let chunk = paths.len().div_ceil(threads).max(1);
    let failed: Mutex<Option<io::Error>> = Mutex::new(None);
    let read_all = |paths: &[String]| -> Vec<InputFile> {
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            match read_file(&root.join(path)) {
                Ok(bytes) => files.push(InputFile::new(path.as_str(), bytes)),
                // A file that went away while the folder was read is as good as one that was never there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    if let Ok(mut failed) = failed.lock() {
                        *failed = Some(told(&root.join(path), &error));
                    }
                    break;
                }
            }
        }
        files
    };
    let files = std::thread::scope(|scope| {
        let parts: Vec<_> = paths.chunks(chunk).map(|paths| scope.spawn(|| read_all(paths))).collect();
        let mut files = Vec::with_capacity(paths.len());
        for part in parts {
            match part.join() {
                Ok(part) => files.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        files
    });
    match failed.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(files),
    }
}

fn walk(root: &Path, folder: &str, depth: usize, paths: &mut Vec<String>) -> io::Result<()> {
    let full = root.join(folder);
    if depth > MAX_DEPTH {
        return Err(told(&full, &io::Error::other(format!("folders nest deeper than {MAX_DEPTH}"))));
    }
    if fs::symlink_metadata(&full).map_err(|error| told(&full, &error))?.file_type().is_symlink() {
        return Err(told(&full, &io::Error::other("it is a symbolic link; the config repository's data/ must be a folder")));
    }
    for entry in fs::read_dir(&full).map_err(|error| told(&full, &error))? {
        let entry = entry.map_err(|error| told(&full, &error))?;
        let kind = entry.file_type().map_err(|error| told(&entry.path(), &error))?;
        // A name that is no UTF-8 can be referred to by nobody.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{folder}/{name}");
        if kind.is_dir() {
            walk(root, &path, depth + 1, paths)?;
        } else if is_data_path(&path) && (kind.is_file() || kind.is_symlink()) {
            paths.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let kind = fs::symlink_metadata(path)?;
    if kind.file_type().is_symlink() {
        let target: PathBuf = fs::read_link(path)?;
        return Ok(target.into_os_string().into_encoded_bytes());
    }
    if kind.len() <= READ_LIMIT {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(READ_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yaml_below_data_is_read_in_the_order_of_paths() {
        let root = tempfile::tempdir().unwrap();
        for path in ["data/b/two.yaml", "data/a/one.yml", "data/a/readme.md", "other/three.yml", "top.yml"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x: 1").unwrap();
        }
        let files = read(root.path()).unwrap();
        assert_eq!(files.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["data/a/one.yml", "data/b/two.yaml"]);
        assert_eq!(&*files[0].bytes, b"x: 1");
    }

    #[test]
    #[cfg(unix)]
    fn links_are_not_followed_out_of_the_repository() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.yml"), "password: hunter2").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.yml"), root.path().join("data/file.yml")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("data/folder")).unwrap();
        let files = read(root.path()).unwrap();
        assert_eq!(files.len(), 1);
        assert!(!String::from_utf8_lossy(&files[0].bytes).contains("hunter2"));
        let loaded = crate::load(files);
        assert_eq!(loaded.diagnostics[0].rule, "missing-schema");
    }

    #[test]
    fn a_missing_data_folder_is_an_error_and_no_empty_catalog() {
        let root = tempfile::tempdir().unwrap();
        let error = read(root.path()).unwrap_err();
        assert!(error.to_string().contains("data"), "{error}");
    }
}
