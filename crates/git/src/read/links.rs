//! Whether a symbolic link stays inside its repository.

use std::collections::BTreeMap;

/// As many links on one way as Linux follows.
const MAX_FOLLOWED: usize = 40;

/// Whether the link at `path` leads out of the repository, or round in circles, when it is followed together with all other `links` (their
/// targets by their paths).
///
/// The text of one link is not enough: `a -> deep/up/..` is harmless to read and leaves the repository if `deep/up` is itself a link to
/// `..`.
pub(super) fn leads_outside(path: &str, links: &BTreeMap<String, String>) -> bool {
    let mut followed = 0;
    // The way still to go, the next part last.
    let mut to_go: Vec<&str> = path.split('/').rev().collect();
    let mut at: Vec<&str> = Vec::new();
    while let Some(part) = to_go.pop() {
        match part {
            "" | "." => {}
            ".." => {
                if at.pop().is_none() {
                    return true;
                }
            }
            part => {
                at.push(part);
                if let Some(target) = links.get(&at.join("/")) {
                    followed += 1;
                    if target.starts_with('/') || followed > MAX_FOLLOWED {
                        return true;
                    }
                    at.pop();
                    to_go.extend(target.split('/').rev());
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(links: &[(&str, &str)], path: &str) -> bool {
        leads_outside(path, &links.iter().map(|(at, to)| ((*at).to_owned(), (*to).to_owned())).collect())
    }

    #[test]
    fn links_within_the_repository_are_fine() {
        assert!(!outside(&[("d/l", "../f")], "d/l"));
        assert!(!outside(&[("d/l", "e/./g")], "d/l"));
        assert!(!outside(&[("a", "b"), ("b", "c/d")], "a"));
        assert!(!outside(&[("d/l", "..")], "d/l"), "the root itself is inside");
    }

    #[test]
    fn links_that_leave_it_are_found_even_through_other_links() {
        assert!(outside(&[("l", "/etc/passwd")], "l"));
        assert!(outside(&[("d/l", "../../x")], "d/l"));
        assert!(outside(&[("x/y/up", "../.."), ("l", "x/y/up/..")], "l"), "through a link to the root");
        assert!(outside(&[("a", "b"), ("b", "a")], "a"), "a circle");
        assert!(outside(&[("a", "b/x"), ("b", "/tmp")], "a"));
    }
}
