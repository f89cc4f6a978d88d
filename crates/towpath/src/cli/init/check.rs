//! Whether answers make sense, and what is usual.

use std::path::{Component, Path, PathBuf};

use towpath_domain::ImageRef;

use super::Service;
use crate::exit::Exit;
use crate::failure::Failure;

/// The longest name: a saas file's name has at most 39 characters, and the tests' ends in `-tests`.
const NAME_MAX: usize = 33;

fn refuse(message: String, help: &str) -> Failure {
    Failure::new(Exit::Usage, message).help(help)
}

/// A name from a repository's last path segment, where that makes one.
pub(super) fn usual_name(url: &str) -> Option<String> {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next()?;
    let last = last.strip_suffix(".git").unwrap_or(last).to_lowercase();
    let dashed: String = last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name: String = dashed.trim_matches(|c: char| !c.is_ascii_alphabetic()).chars().take(NAME_MAX).collect();
    let name = name.trim_end_matches('-').to_owned();
    (!name.is_empty()).then_some(name)
}

/// A service's name: a DNS label that begins with a letter, since Kubernetes names objects by it.
pub(super) fn name(name: &str) -> Result<String, Failure> {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let ends = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
    if letters && ends && name.len() <= NAME_MAX {
        return Ok(name.to_owned());
    }
    let message = format!("{name:?} is no name for a service");
    Err(refuse(message, "use small letters, digits and dashes, a letter first, no dash last, at most 33 of them; say it with --name"))
}

/// An image's name without tag or digest.
pub(super) fn image(image: &str) -> Result<String, Failure> {
    match ImageRef::tagged(image, "x") {
        Ok(_) => Ok(image.to_owned()),
        Err(error) => Err(refuse(format!("{image:?} is no image's name without a tag: {error}"), "write it as towpath.local/NAME")),
    }
}

/// A shell command on one line.
pub(super) fn one_line(flag: &str, command: &str) -> Result<String, Failure> {
    let command = command.trim();
    if !command.is_empty() && !command.chars().any(char::is_control) {
        return Ok(command.to_owned());
    }
    Err(refuse(format!("{flag} takes one line"), "put longer commands into a script of the repository, and call that"))
}

/// A path of a URL, plain enough to stand in a shell script.
pub(super) fn health(path: &str) -> Result<String, Failure> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/?=&".contains(&b);
    if path.starts_with('/') && path.bytes().all(plain) {
        return Ok(path.to_owned());
    }
    Err(refuse(format!("{path:?} is no path of a URL"), "write it as /healthz"))
}

/// Where to put things: here, unless here is inside the service's own repository.
pub(super) fn usual_folder(here: &Path, service: &Service) -> PathBuf {
    match &service.folder {
        Some(source) if here.starts_with(source) => source.parent().unwrap_or(source).join(format!("{}-delivery", service.name)),
        _ => here.to_owned(),
    }
}

/// The folder as its own path says it, links and `..` followed. The config repository is one of its own: it does not go into the
/// service's.
pub(super) fn outside(folder: &Path, service: &Service) -> Result<PathBuf, Failure> {
    let folder = resolved(folder);
    let within = service.folder.as_ref().is_some_and(|source| folder.starts_with(source));
    if !within {
        return Ok(folder);
    }
    let message = format!("{} is inside the service's own repository", folder.display());
    Err(refuse(message, "name a folder beside it with --dir"))
}

/// `path`, which begins at the root, without links and `..`. Not all of it need be there.
fn resolved(path: &Path) -> PathBuf {
    let mut real = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                real.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => real.push(part),
        }
        real = std::fs::canonicalize(&real).unwrap_or(real);
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repositorys_name_makes_the_services_where_it_can() {
        for (url, usual) in [
            ("/srv/git/web", Some("web")),
            ("/srv/git/web.git/", Some("web")),
            ("https://git.example/team/My_Web.git", Some("my-web")),
            ("git@git.example:web", Some("web")),
            ("/srv/2048-game", Some("game")),
            ("/srv/123", None),
        ] {
            assert_eq!(usual_name(url).as_deref(), usual, "{url}");
            assert!(usual.is_none_or(|usual| name(usual).is_ok()));
        }
        let long = usual_name(&format!("/{}-{}", "x".repeat(32), "y".repeat(9))).unwrap();
        assert!(name(&long).is_ok(), "{long}");
    }

    #[test]
    fn answers_that_would_break_a_file_are_refused() {
        for bad in ["", "Web", "-web", "web-", "1web", "we b", "w\nb", &"w".repeat(34)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "   ", "a\nb"] {
            assert!(one_line("--start", bad).is_err(), "{bad:?}");
        }
        for bad in ["", "health", "/a b", "/$(reboot)", "/a\"b", "/`x`"] {
            assert!(health(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "web:tag:tag"] {
            assert!(image(bad).is_err(), "{bad:?}");
        }
        assert!(image("towpath.local/web").is_ok());
    }
}
