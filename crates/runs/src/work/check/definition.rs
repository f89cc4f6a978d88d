//! How a fork's pull request is checked is said by the branch that it is for: its files take the place of the fork's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::paths::Pattern;

/// Deeper than this, folders are a mistake, or lead in a circle.
const DEPTH_MAX: usize = 64;

/// Puts what `base` has at these paths into `checkout`, and takes away what only `checkout` has there. Answers with what was done, for people.
///
/// # Errors
/// When a file cannot be read or written, or a path leads out.
pub(super) fn take_from(base: &Path, checkout: &Path, paths: &[String]) -> io::Result<Vec<String>> {
    let mut done = Vec::with_capacity(paths.len());
    for path in paths {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{path:?} is no path within the checkout"));
        let pattern = Pattern::of(path).ok_or_else(wrong)?;
        let folder = made_plain(checkout, &pattern.folders)?;
        for name in pattern.names_in(&folder)? {
            remove(&folder.join(name))?;
        }
        let from = pattern.folders.iter().fold(base.to_owned(), |at, name| at.join(name));
        let names = pattern.names_in(&from)?;
        for name in &names {
            copy(base, &from.join(name), &folder.join(name), 0)?;
        }
        done.push(match names.is_empty() {
            true => format!("{path} is taken away: the branch that it is for has nothing there"),
            false => format!("{path} is taken from the branch that it is for"),
        });
    }
    Ok(done)
}

/// The folder below `root`, made of folders alone: what stands in the way, such as a link that leads elsewhere, is taken away.
fn made_plain(root: &Path, folders: &[&str]) -> io::Result<PathBuf> {
    let mut at = root.to_owned();
    for name in folders {
        at.push(name);
        match fs::symlink_metadata(&at) {
            Ok(there) if there.is_dir() => {}
            Ok(_) => {
                fs::remove_file(&at)?;
                fs::create_dir(&at)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&at)?,
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Copies a file or folder. A link becomes what it leads to in the base: in the checkout it might lead to what the fork wrote.
fn copy(base: &Path, from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    let real = from.canonicalize()?;
    if !real.starts_with(base.canonicalize()?) || depth > DEPTH_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} leads out of the repository, or in a circle", from.display())));
    }
    if fs::metadata(&real)?.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(&real)? {
            let name = entry?.file_name();
            copy(base, &real.join(&name), &to.join(&name), depth + 1)?;
        }
        return Ok(());
    }
    fs::copy(&real, to).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Given(tempfile::TempDir);

    impl Given {
        fn new(files: &[(&str, &str)]) -> Self {
            let given = Self(tempfile::tempdir().unwrap());
            for (path, text) in files {
                let file = given.at(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            given
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn take(&self, paths: &[&str]) -> io::Result<Vec<String>> {
            take_from(&self.at("base"), &self.at("fork"), &paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())
        }

        fn text(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.at(path)).ok()
        }
    }

    #[test]
    fn what_the_base_says_takes_the_place_of_what_the_fork_says_and_what_only_the_fork_has_goes() {
        let given = Given::new(&[
            ("base/ci/check.sh", "base"),
            ("base/ci/lib/a.sh", "base"),
            ("fork/ci/check.sh", "fork"),
            ("fork/ci/lib/evil.sh", "fork"),
            ("fork/Makefile", "fork"),
            ("fork/src/main.rs", "fork"),
        ]);
        let done = given.take(&["ci", "Make*"]).unwrap();
        assert_eq!(given.text("fork/ci/check.sh").as_deref(), Some("base"));
        assert_eq!(given.text("fork/ci/lib/a.sh").as_deref(), Some("base"));
        assert!(!given.at("fork/ci/lib/evil.sh").exists() && !given.at("fork/Makefile").exists());
        assert_eq!(given.text("fork/src/main.rs").as_deref(), Some("fork"));
        assert!(done[0].contains("is taken from") && done[1].contains("is taken away"), "{done:?}");
    }

    #[test]
    fn no_link_of_the_fork_is_written_through() {
        let given = Given::new(&[("base/ci/check.sh", "base"), ("fork/src/kept.sh", "kept"), ("outside/check.sh", "outside")]);
        symlink("../outside", given.at("fork/ci")).unwrap();
        given.take(&["ci/check.sh"]).unwrap();
        assert_eq!(given.text("outside/check.sh").as_deref(), Some("outside"));
        assert_eq!(given.text("fork/ci/check.sh").as_deref(), Some("base"));
        fs::remove_file(given.at("fork/ci/check.sh")).unwrap();
        symlink("../src/kept.sh", given.at("fork/ci/check.sh")).unwrap();
        given.take(&["ci/check.sh"]).unwrap();
        assert_eq!((given.text("fork/src/kept.sh").as_deref(), given.text("fork/ci/check.sh").as_deref()), (Some("kept"), Some("base")));
    }

    #[test]
    fn a_link_of_the_base_becomes_what_it_leads_to_there() {
        let given = Given::new(&[("base/tools/run.sh", "base"), ("fork/tools/run.sh", "fork")]);
        fs::create_dir_all(given.at("base/ci")).unwrap();
        symlink("../tools/run.sh", given.at("base/ci/check.sh")).unwrap();
        given.take(&["ci"]).unwrap();
        assert_eq!(given.text("fork/ci/check.sh").as_deref(), Some("base"), "and not what the fork has at that place");
        symlink("/etc", given.at("base/ci/etc")).unwrap();
        assert!(given.take(&["ci"]).unwrap_err().to_string().contains("leads out"));
        fs::remove_file(given.at("base/ci/etc")).unwrap();
        symlink(".", given.at("base/ci/again")).unwrap();
        assert!(given.take(&["ci"]).unwrap_err().to_string().contains("circle"));
        assert!(given.take(&["../base/ci"]).is_err());
    }
}
