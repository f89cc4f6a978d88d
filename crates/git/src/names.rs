//! Checks what people wrote before it reaches an argument list.

use towpath_domain::{BranchName, GitRef};

use crate::GitError;

/// The full name of a branch's ref, `refs/heads/<branch>`.
pub(crate) fn branch_ref(branch: &BranchName) -> Result<String, GitError> {
    let text = branch.as_str();
    if text.parse::<GitRef>().is_err() {
        return Err(GitError::bad(
            format!("the branch name {text:?}"),
            "it begins with a dash or holds what Git does not allow in a branch name; see git-check-ref-format(1)",
        ));
    }
    Ok(format!("refs/heads/{text}"))
}

/// The parts of a path inside a repository.
///
/// Refused are paths that leave the repository, and those that Git itself refuses to have in an index.
pub(crate) fn path_parts(path: &str) -> Result<Vec<&str>, GitError> {
    let refuse = |why: &str| Err(GitError::bad(format!("the path {path:?}"), why));
    if path.is_empty() || path.len() > 4096 {
        return refuse("a path in a repository has 1 to 4096 bytes");
    }
    if path.contains('\0') {
        return refuse("a path cannot hold a NUL");
    }
    let parts: Vec<&str> = path.split('/').collect();
    for part in &parts {
        match *part {
            "" => return refuse("a path in a repository is relative, without empty parts and without a slash at its end"),
            "." | ".." => return refuse("a path in a repository never leaves it: no . and no .. in it"),
            part if part.eq_ignore_ascii_case(".git") => return refuse("nothing named .git can be in a repository"),
            _ => {}
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_branch_never_becomes_an_option_or_a_pattern() {
        assert_eq!(branch_ref(&BranchName::new("release/1.2").unwrap()).unwrap(), "refs/heads/release/1.2");
        for bad in ["-x", "--upload-pack=touch x", "a*", "a..b", "a:b", "a b", "a\\b"] {
            assert!(branch_ref(&BranchName::new(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_never_leaves_the_repository() {
        assert_eq!(path_parts("data/a b/ü\n.yml").unwrap(), ["data", "a b", "ü\n.yml"]);
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a/.git/config", ".GIT", "a\0b"] {
            assert!(path_parts(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_is_the_same_path_again(path in "[a-z./ \\n-]{1,20}") {
            if let Ok(parts) = path_parts(&path) {
                prop_assert_eq!(parts.join("/"), path.clone());
                prop_assert!(!std::path::Path::new(&path).is_absolute());
                prop_assert!(parts.iter().all(|part| !part.is_empty() && *part != "." && *part != ".."));
            }
        }
    }
}
