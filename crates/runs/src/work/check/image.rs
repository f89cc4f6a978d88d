//! The image of what is checked: made by the same code as a release's, under a tag that no release has.

use towpath_cluster::MergeOf;
use towpath_domain::{CommitId, Digest, ImageRef};
use towpath_engine::build_hash;
use towpath_engine::check::Blame;
use towpath_git::MERGE_RULES;
use towpath_registry::TagMove;

use super::merge::Merged;
use super::{Check, blame};
use crate::journal::Stop;
use crate::work::build::{self, Making};

/// An image that was made.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// With its tag.
    pub(super) image: ImageRef,
    /// What it is.
    pub(super) digest: Digest,
}

impl Made {
    /// Its tag.
    pub(super) fn tag(&self) -> &str {
        self.image.tag().unwrap_or_default()
    }
}

/// Makes it, or finds it made.
pub(super) async fn make(check: &Check<'_>, merged: &Merged) -> Result<Made, Stop> {
    let Check { world, journal, work, source, .. } = check;
    if work.from_fork && source.build.push {
        // The engine holds these; whoever asks for one all the same gets no credentials into a fork's hands.
        return Err(blame::said(format!(
            "a fork's image is not built where the build pushes it itself, by credentials that its code could read; have Towpath pack it ({})",
            source.place
        )));
    }
    let merge = match world.builders.executor().filter(|_| source.build.push && merged.is_only_here(work.head)) {
        Some(executor) if executor.can_merge() => Some(merge_of(check, merged).await?),
        Some(executor) => {
            return Err(blame::said(format!(
                "{} cannot build {}: it fetches commits from {}, and this merge is on this machine only; have the head itself checked \
                 (`merged: false` in the `check` of {}), or have Towpath pack the image instead of `push: true`",
                executor.place(),
                merged.commit.short(12),
                source.url,
                source.place
            )));
        }
        None => None,
    };
    let tag = tag(work.number, merged.commit, source.hash_length);
    let image = ImageRef::tagged(&source.image, &tag).map_err(blame::said)?;
    let home = check.home();
    let making = Making {
        source,
        commit: merged.commit,
        image: &image,
        dir: &check.dir.join(super::BUILD),
        trust: check.trust(&home),
        // A merge that is built once more need not give the same bits. What is deployed is named by its digest.
        tag_move: TagMove::Allow,
        by: Some(build_hash(source)),
        merge,
    };
    let pushed = build::image_of(world, journal, &making).await.map_err(|stop| blame::on(&Blame::Source, stop))?;
    Ok(Made { image, digest: pushed.digest })
}

/// What the merge is made of, for who makes it once more.
async fn merge_of(check: &Check<'_>, merged: &Merged) -> Result<MergeOf, Stop> {
    let Check { world, work, source, .. } = check;
    let git = |error: towpath_git::GitError| blame::on(&Blame::Environment, Stop::git(&error));
    let object = world.mirrors.get(&source.url).await.map_err(git)?.commit_object(merged.commit).await.map_err(git)?;
    let base = merged.base.ok_or_else(|| blame::said(format!("{} is a merge into nothing", merged.commit)))?;
    Ok(MergeOf { base, head: work.head, object, rules: MERGE_RULES.map(str::to_owned).to_vec() })
}

/// `pr-17-5f8f0e1`; of what somebody tries by hand, `try-5f8f0e1`.
fn tag(number: Option<u64>, commit: CommitId, hash_length: usize) -> String {
    let short = commit.short(hash_length);
    match number {
        Some(number) => format!("pr-{number}-{short}"),
        None => format!("try-{short}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checks_tag_is_never_a_releases() {
        let commit: CommitId = "5f8f0e1a".repeat(5).parse().unwrap();
        assert_eq!(tag(Some(17), commit, 7), "pr-17-5f8f0e1");
        assert_eq!(tag(None, commit, 12), "try-5f8f0e1a5f8f");
    }
}
