//! Names that follow from their cause: the same decision has the same name in every process, every time.

use sha2::{Digest as _, Sha256};
use towpath_domain::{ChangeId, CommitId, NamespaceName, PoolName, ReservationId, RunId};

use crate::event::{ChangeKind, ChangeSpec, ConfigEdit, DeployWork, OpenChange, Voucher, Work};

/// The longest name: a label of DNS, and the longest name of most Kubernetes objects.
const MAX_LEN: usize = 63;

/// Hex digits of the hash at the end of a name: 40 bits tell apart all that one installation ever does for one subject.
const HASH_LEN: usize = 10;

/// Hex digits of a commit in a name: for people, the hash at the end is what tells names apart.
const COMMIT_LEN: usize = 7;

/// The first [`HASH_LEN`] hex digits of the SHA-256 over `parts`, each with its length before it so that none runs into the next.
pub(crate) fn short_hash<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        let part = part.as_ref().as_bytes();
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut hex: String = hasher.finalize().iter().take(HASH_LEN / 2).map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(HASH_LEN);
    hex
}

/// `readable`, made fit for DNS and cut to fit, then a dash and `hash`.
fn name(readable: &str, hash: &str) -> String {
    let mut name = slug(readable);
    name.truncate(MAX_LEN - HASH_LEN - 1);
    format!("{}-{hash}", name.trim_end_matches('-'))
}

/// Lower-case letters, digits and single dashes, beginning with a letter or digit.
#[must_use]
pub fn slug(text: &str) -> String {
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

/// The id of the run that does `work`, when its subject had `runs` runs before.
///
/// `readable` is what people call the subject: a source's name, or a target's saas file and environment.
#[must_use]
pub(crate) fn run_id(work: &Work, readable: &str, runs: u64) -> RunId {
    let runs = runs.to_string();
    let (readable, hash) = match work {
        Work::Build { source, commit, build_hash } => (
            format!("build-{readable}-{}", commit.short(COMMIT_LEN)),
            short_hash(["build", source.as_str(), &commit.to_string(), build_hash, &runs]),
        ),
        Work::Deploy(work) => (
            format!("deploy-{readable}"),
            short_hash(["deploy", work.target.as_str(), &work.commit.to_string(), &deploy_tried(work), &work.input_hash, &runs]),
        ),
        Work::Delete { target } => (format!("delete-{readable}"), short_hash(["delete", target.as_str(), &runs])),
        // The same commit may be checked twice, with other tests: what tells runs apart is their number.
        Work::Check(work) => (format!("check-{readable}-{}", work.head.short(COMMIT_LEN)), {
            let seen_at = work.seen_at.as_millis().to_string();
            short_hash(["check", work.id.as_str(), &work.head.to_string(), &seen_at, &work.check_hash, &runs])
        }),
        Work::Change(change) => {
            let id = change.id.as_str();
            // A change's id ends in a hash of its own; the run's takes its place.
            let stem = id.len().checked_sub(HASH_LEN + 1).and_then(|end| id.get(..end)).unwrap_or(id);
            (format!("change-{stem}"), short_hash(["change", id, &runs]))
        }
    };
    made(RunId::new(name(&readable, &hash)), "run")
}

/// The name of the namespace that `installation` makes for a pool after `number` others.
#[must_use]
pub fn namespace_name(installation: &str, pool: &PoolName, number: u64) -> NamespaceName {
    let hash = short_hash(["namespace", installation, pool.as_str(), &number.to_string()]);
    made(NamespaceName::new(name(pool.as_str(), &hash)), "namespace")
}

/// The id of the reservation that a run makes.
#[must_use]
pub fn reservation_of_run(run: &RunId) -> ReservationId {
    let hash = short_hash(["reservation", "run", run.as_str()]);
    made(ReservationId::new(name(&format!("for-{run}"), &hash)), "reservation")
}

/// The id of the reservation that a person makes; `nonce` tells it from all others of theirs.
#[must_use]
pub fn reservation_of_person(person: &str, pool: &PoolName, nonce: &str) -> ReservationId {
    let hash = short_hash(["reservation", "person", person, pool.as_str(), nonce]);
    made(ReservationId::new(name(&format!("{pool}-for-{person}"), &hash)), "reservation")
}

/// The id of a change, from what it edits. `readable` comes between the kind and the hash.
#[must_use]
pub fn change_id(kind: ChangeKind, readable: &str, edits: &[ConfigEdit]) -> ChangeId {
    let mut parts: Vec<String> = edits
        .iter()
        .map(|edit| match edit {
            ConfigEdit::SetRef { target, from, to } => format!("ref\0{target}\0{from}\0{to}"),
            ConfigEdit::WriteFile { path, content } => format!("write\0{path}\0{content}"),
            ConfigEdit::RemoveFile { path } => format!("remove\0{path}"),
        })
        .collect();
    parts.sort();
    let kind = match kind {
        ChangeKind::Promotion => "promote",
        ChangeKind::Rollback => "rollback",
        ChangeKind::Hold => "hold",
        ChangeKind::Release => "release",
        ChangeKind::Edit => "edit",
    };
    let hash = short_hash(std::iter::once(kind.to_owned()).chain(parts));
    made(ChangeId::new(name(&format!("{kind}-{readable}"), &hash)), "change")
}

/// What a deploy tries: failing with something else is another matter, and tried anew.
///
/// For a test that is also what it tests: what its vouchers run. And what takes over from others is another try than what does not.
pub(crate) fn tried(fingerprint: &str, vouchers: &[Voucher], only_jobs: bool, takeover: bool) -> String {
    let mut tried = fingerprint.to_owned();
    if only_jobs && !vouchers.is_empty() {
        let tested = vouchers.iter().flat_map(|voucher| [voucher.channel.as_str(), voucher.target.as_str(), &voucher.fingerprint]);
        tried.push('+');
        tried.push_str(&short_hash(tested));
    }
    if takeover {
        tried.push_str("+takeover");
    }
    tried
}

/// [`tried`] of a deploy that was decided on.
pub(crate) fn deploy_tried(work: &DeployWork) -> String {
    tried(&work.fingerprint, &work.vouchers, work.only_jobs, work.takeover)
}

/// What a deletion tries.
pub(crate) const DELETE_TRIED: &str = "delete";

/// A commit as people write it in names and titles.
pub(crate) fn short(commit: CommitId) -> String {
    commit.short(COMMIT_LEN)
}

/// What a change is tried at: the config repository's head, which a change may fail to fit onto, and how it stands on its forge.
pub(crate) fn change_tried(config: Option<CommitId>, open: Option<&OpenChange>) -> String {
    let config = config.map(|commit| commit.to_string()).unwrap_or_default();
    match open {
        Some(open) if !open.stamp.is_empty() => format!("{config} {}", open.stamp),
        _ => config,
    }
}

/// A change that was decided on, complete with its id.
#[must_use]
pub fn change_spec(kind: ChangeKind, readable: &str, edits: Vec<ConfigEdit>, title: String, description: String, by: String) -> ChangeSpec {
    ChangeSpec {
        id: change_id(kind, readable, &edits),
        kind,
        edits,
        title,
        description,
        by,
        pull: None,
        replaces: Vec::new(),
        parts: Vec::new(),
        moved: Vec::new(),
    }
}

/// A name built of slugs and hex is never empty, overlong or holding control characters, so the error branch is never taken;
/// it still gives a name rather than a panic.
fn made<T: std::str::FromStr<Err = E>, E: std::fmt::Debug>(name: Result<T, E>, fallback: &str) -> T {
    match name.or_else(|_| fallback.parse()) {
        Ok(name) => name,
        Err(error) => unreachable!("{fallback:?} is a name: {error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use towpath_domain::{GitRef, TargetId};

    use super::*;

    fn edit(target: &str, to: char) -> ConfigEdit {
        let commit = |digit: char| digit.to_string().repeat(40).parse().unwrap();
        ConfigEdit::SetRef { target: TargetId::new(target).unwrap(), from: GitRef::Commit(commit('a')), to: commit(to) }
    }

    #[test]
    fn a_change_is_named_after_what_it_edits_in_whatever_order() {
        let one = change_id(ChangeKind::Promotion, "web-5f8f0e1", &[edit("t1", 'b'), edit("t2", 'b')]);
        let other = change_id(ChangeKind::Promotion, "web-5f8f0e1", &[edit("t2", 'b'), edit("t1", 'b')]);
        assert_eq!(one, other);
        assert!(one.as_str().starts_with("promote-web-5f8f0e1-"), "{one}");
        assert_ne!(one, change_id(ChangeKind::Promotion, "web-5f8f0e1", &[edit("t1", 'b')]));
        assert_ne!(one, change_id(ChangeKind::Promotion, "web-5f8f0e1", &[edit("t1", 'c'), edit("t2", 'c')]));
        assert_ne!(one.as_str()[8..], change_id(ChangeKind::Rollback, "web-5f8f0e1", &[edit("t1", 'b'), edit("t2", 'b')]).as_str()[9..]);
    }

    #[test]
    fn a_name_fits_dns_whatever_its_subject_is_called() {
        let work = Work::Delete { target: TargetId::new("x").unwrap() };
        for readable in ["web-stage", "", "Über/Straße__", "-".repeat(80).as_str(), "x".repeat(300).as_str(), "a.b_c"] {
            let id = run_id(&work, readable, 3);
            let text = id.as_str();
            assert!(text.len() <= 63 && text.starts_with("delete") && !text.contains("--"), "{text}");
            assert!(text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{text}");
        }
    }

    #[test]
    fn the_next_run_of_the_same_has_another_name() {
        let work = Work::Delete { target: TargetId::new("x").unwrap() };
        assert_ne!(run_id(&work, "web-stage", 0), run_id(&work, "web-stage", 1));
        assert_eq!(run_id(&work, "web-stage", 1), run_id(&work, "web-stage", 1));
    }
}
