//! What a secret's path may look like, and what lies below what.

use crate::error::{SecretError, SecretErrorKind};

/// The longest path, in bytes.
const LONGEST_PATH: usize = 1024;

/// Checks a secret's path: components divided by single slashes, none of them empty, `.` or `..`, no backslash, no control
/// character, at most 1 KiB. Every store is behind this check: a path cannot climb out of what it seems to lie in.
///
/// # Errors
///
/// Says which rule is broken.
pub fn check_path(path: &str) -> Result<(), SecretError> {
    let refused = |why: &str, mend: &str| Err(SecretError::new(SecretErrorKind::Refused, why, mend).at(path));
    if path.is_empty() {
        return refused("the path of a secret is empty", "name the secret by its path, such as `app/stage/db`");
    }
    if path.len() > LONGEST_PATH {
        return refused("the path is longer than 1024 bytes", "use a shorter one");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return refused("the path contains a backslash or a control character", "divide its components by `/`, in plain text");
    }
    for component in path.split('/') {
        match component {
            "" => return refused("the path begins or ends with a slash, or has two in a row", "remove the slash that is too many"),
            "." | ".." => return refused("the path contains `.` or `..`", "write the path out from its beginning"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether `path` is `folder` or lies below it, compared by whole components (`app` does not contain `apple`). A path that
/// [`check_path`] refuses lies below nothing.
#[must_use]
pub fn is_below(folder: &str, path: &str) -> bool {
    check_path(path).is_ok() && path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_climb_out() {
        for bad in ["", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/..", ".", "a/./b", "a\\..\\b", "a\0b", "a\nb", &"a".repeat(1025)] {
            assert!(check_path(bad).is_err(), "{bad:?} passed");
            assert!(!is_below("a", bad), "{bad:?} lies below a");
        }
        for good in ["a", "a/b", "app-sre/integrations/x.y", "a/..b", "a/b..", "ä/ö", "a b/c%2e"] {
            assert_eq!(check_path(good), Ok(()), "{good:?} was refused");
        }
    }

    #[test]
    fn below_goes_by_whole_components() {
        assert!(is_below("app", "app"));
        assert!(is_below("app", "app/db"));
        assert!(!is_below("app", "apple"));
        assert!(!is_below("app", "app/../other/db"));
        assert!(!is_below("app/db", "app"));
    }
}
