//! Names and labels of what is made for a task.

use sha2::{Digest as _, Sha256};
use towpath_domain::RunId;

/// The longest label of DNS, and so the longest name that pods can carry as a label.
const NAME_MAX: usize = 63;

/// A run's id ends in a hash of at least as many digits.
const ID_MIN: usize = 8;

/// Hex digits of the hash in a name that was cut.
const HASH_LEN: usize = 8;

/// The label that says of which run something was made.
pub(super) const RUN: &str = "towpath.dev/task-of";
/// The label that says who looks after it.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub(super) const TOWPATH: &str = "towpath";

/// The name of a task: `{what}-{place}-{id}`, as people know it from app-interface's deploys, where the id is the end of the run's own.
/// Each attempt is a run of its own, and so has a name of its own.
///
/// A label of DNS: at most 63 characters; what had to be cut ends in a hash of the whole.
#[must_use]
pub fn task_name(what: &str, place: &str, run: &RunId) -> String {
    let end = format!("-{}", id(run));
    let readable = format!("{what}-{place}");
    let mut name = slug(&readable);
    let room = NAME_MAX - end.len();
    if name.len() > room {
        name.truncate(room - HASH_LEN - 1);
        name = format!("{}-{}", name.trim_end_matches('-'), hash(&readable, HASH_LEN));
    }
    if name.is_empty() { end.trim_start_matches('-').to_owned() } else { name + &end }
}

/// What tells the runs of one subject apart.
fn id(run: &RunId) -> String {
    let last = run.as_str().rsplit('-').next().unwrap_or_default();
    let is_hash = (ID_MIN..=16).contains(&last.len()) && last.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
    if is_hash { last.to_owned() } else { hash(run.as_str(), 10) }
}

fn hash(text: &str, digits: usize) -> String {
    let mut hex: String = Sha256::digest(text.as_bytes()).iter().take(digits.div_ceil(2)).map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}

/// Lower-case letters, digits and single dashes.
fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// The value of [`RUN`] for a run: the id itself where it can be a label.
pub(super) fn run_label(run: &RunId) -> String {
    if is_label(run.as_str()) { run.as_str().to_owned() } else { hash(run.as_str(), 32) }
}

/// Whether a text can be a label's value.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let edge = |c: char| c.is_ascii_alphanumeric();
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(inner) && text.starts_with(edge) && text.ends_with(edge)
}

/// A text as a container is told it: the cluster would read `$(NAME)` and `$$` in commands and environments as its own.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> RunId {
        RunId::new(text).unwrap()
    }

    #[test]
    fn a_name_says_what_and_where_and_ends_in_the_runs_own_hash() {
        let id = run("build-web-5f8f0e1-0123456789");
        assert_eq!(task_name("web", "build", &id), "web-build-0123456789");
        assert_eq!(task_name("Web_API", "insights stage", &id), "web-api-insights-stage-0123456789");
        assert_eq!(task_name("web", "build", &run("run-1")).len(), "web-build-".len() + 10);
    }

    #[test]
    fn long_names_are_labels_and_differ_where_what_was_cut_differs() {
        let (id, long) = (run("build-x-5f8f0e1-0123456789"), "a".repeat(80));
        let names = [
            task_name(&long, "stage", &id),
            task_name(&long, "production", &id),
            task_name(&long, "production", &run("build-x-5f8f0e1-0123456780")),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(name.len() <= 63 && is_label(name), "{name}");
            assert!(!names[..at].contains(name), "{name}");
        }
        assert!(is_label(&task_name("…", "…", &id)));
    }

    #[test]
    fn a_run_is_a_label_whatever_its_id() {
        assert_eq!(run_label(&run("build-web-1")), "build-web-1");
        assert!(is_label(&run_label(&run(&"x".repeat(100)))));
    }
}
