//! Which `towpath.toml` is meant.

use std::path::{Path, PathBuf};

use super::FILE_NAME;
use crate::exit::Exit;
use crate::failure::Failure;

/// The file: the one that was named, else the nearest in `from` or a folder above it.
///
/// # Errors
/// A failure that says where was looked.
pub fn locate(named: Option<&Path>, from: &Path) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        let file = if named.is_dir() { named.join(FILE_NAME) } else { named.to_owned() };
        if file.is_file() {
            return Ok(from.join(file));
        }
        let message = format!("there is no file {}", file.display());
        return Err(Failure::new(Exit::Usage, message).help("name a towpath.toml with --config FILE, or make one with `towpath init`"));
    }
    match from.ancestors().map(|folder| folder.join(FILE_NAME)).find(|file| file.is_file()) {
        Some(file) => Ok(file),
        None => {
            let message = format!("there is no {FILE_NAME} in {} or above it", from.display());
            Err(Failure::new(Exit::Usage, message).help("make one with `towpath init`, or name one with --config FILE"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_is_meant_unless_one_is_named() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let missing = locate(None, &deep).unwrap_err();
        assert_eq!(missing.exit, Exit::Usage);
        std::fs::write(top.path().join(FILE_NAME), "").unwrap();
        assert_eq!(locate(None, &deep).unwrap(), top.path().join(FILE_NAME));
        std::fs::write(deep.join(FILE_NAME), "").unwrap();
        assert_eq!(locate(None, &deep).unwrap(), deep.join(FILE_NAME));
        assert_eq!(locate(Some(top.path()), &deep).unwrap(), top.path().join(FILE_NAME));
        assert!(locate(Some(Path::new("/nowhere/towpath.toml")), &deep).is_err());
    }
}
