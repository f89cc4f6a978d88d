//! What is checked: the pull request merged into its branch as it is now, or its head alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use towpath_domain::{CommitId, FailureClass};
use towpath_engine::check::Blame;
use towpath_forge::{MergeResult, Number};

use super::{Check, blame};
use crate::journal::Stop;

/// How long it may take until a pull request is looked at again.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// The most files in conflict that are named.
const NAMED: usize = 10;

/// What is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Merged {
    /// The commit that is built, deployed and tested.
    pub(super) commit: CommitId,
    /// The branch's head that it is merged into, or would be; none where nothing is to be merged.
    pub(super) base: Option<CommitId>,
    /// The commit's tree: the same for the same files.
    pub(super) tree: String,
}

impl Merged {
    /// Whether it is a merge that is on this machine only.
    pub(super) fn is_only_here(&self, head: CommitId) -> bool {
        self.commit != head
    }
}

/// Finds out what is checked.
pub(super) async fn merge(check: &Check<'_>) -> Result<Merged, Stop> {
    let Check { world, journal, work, source, .. } = check;
    let (commit, base) = match work.number {
        Some(number) => pulled(check, number).await?,
        None => (work.head, None),
    };
    let git = |error: towpath_git::GitError| blame::on(&Blame::Environment, Stop::git(&error));
    let mirror = world.mirrors.with_commit(&source.url, commit).await.map_err(git)?;
    let tree = mirror.tree_of(commit).await.map_err(git)?;
    match base {
        Some(base) if commit != work.head => {
            journal.note(format!("{} merged into {} at {} is {}", work.head.short(12), source.branch, base.short(12), commit.short(12)));
        }
        _ => journal.note(format!("{} as it is", commit.short(12))),
    }
    Ok(Merged { commit, base, tree })
}

async fn pulled(check: &Check<'_>, number: u64) -> Result<(CommitId, Option<CommitId>), Stop> {
    let Check { work, source, said, .. } = check;
    let head = work.head;
    let result = result(check, number, None).await?;
    if let MergeResult::HeadMoved { .. } = result {
        // The look at pull requests sees it, too, which ends this run at once. To give way before that would only queue the same again.
        check.journal.note("its repository has another commit of it by now; waiting until that is seen");
        tokio::time::sleep(SEEN_WITHIN).await;
    }
    match result {
        MergeResult::HeadMoved { now: Some(now) } => Err(Stop::Superseded { by: format!("a newer push, {}", now.short(12)) }),
        MergeResult::HeadMoved { now: None } => Err(Stop::Superseded { by: "the pull request is no longer open".to_owned() }),
        MergeResult::Clean { base, commit } if said.merged => Ok((commit, Some(base))),
        MergeResult::Conflict { base, paths } if said.merged => Err(blame::source(conflict(source.branch.as_str(), base, &paths))),
        // What the branch holds already, merged or not.
        MergeResult::Merged { base } | MergeResult::Clean { base, .. } | MergeResult::Conflict { base, .. } => Ok((head, Some(base))),
    }
}

async fn result(check: &Check<'_>, number: u64, onto: Option<CommitId>) -> Result<MergeResult, Stop> {
    let Check { world, work, source, .. } = check;
    let stop = |error: towpath_forge::ForgeError| blame::on(&Blame::Environment, Stop::failed(error.class(), error));
    let forge = world.forges.of(&source.url, &source.branch).await.map_err(stop)?;
    forge.merged_pull(Number(number), work.head, onto).await.map_err(stop)
}

/// Sees to it that what is checked is on this machine: a worker that takes the run over may find the mirror made anew.
pub(super) async fn is_here(check: &Check<'_>, merged: &Merged) -> Result<(), Stop> {
    let Check { world, work, source, .. } = check;
    let git = |error: towpath_git::GitError| blame::on(&Blame::Environment, Stop::git(&error));
    let mirror = world.mirrors.get(&source.url).await.map_err(git)?;
    if mirror.has_commit(merged.commit).await.map_err(git)? {
        return Ok(());
    }
    match work.number {
        // Made anew onto the same commit, it is the same.
        Some(number) => drop(result(check, number, merged.base).await?),
        None => drop(world.mirrors.with_commit(&source.url, merged.commit).await.map_err(git)?),
    }
    if mirror.has_commit(merged.commit).await.map_err(git)? {
        return Ok(());
    }
    let message = format!("{} is not on this machine any more, and {} does not have it", merged.commit.short(12), source.url);
    Err(Stop::Blamed { blame: Blame::Environment, class: FailureClass::Environment, message })
}

fn conflict(branch: &str, base: CommitId, paths: &[String]) -> String {
    let mut named: Vec<&str> = paths.iter().take(NAMED).map(String::as_str).collect();
    let more = format!("{} more", paths.len().saturating_sub(NAMED));
    if paths.len() > NAMED {
        named.push(&more);
    }
    format!(
        "it cannot be merged into {branch} at {}: both changed {}; merge {branch} into it, or rebase it",
        base.short(12),
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_names_the_files_and_what_to_do_and_is_bounded() {
        let base = "a".repeat(40).parse().unwrap();
        assert_eq!(
            conflict("main", base, &["a.txt".into(), "b/c.txt".into()]),
            "it cannot be merged into main at aaaaaaaaaaaa: both changed a.txt, b/c.txt; merge main into it, or rebase it"
        );
        let many: Vec<String> = (0..12).map(|n| format!("{n}.txt")).collect();
        assert!(conflict("main", base, &many).contains("9.txt, 2 more;"));
    }
}
