//! What a promotion tells people: what moves, where to, who vouches for it, and which commits come with it.
//!
//! It is told as it is; whoever shows it makes links of it. None of it is part of what a change is called.

use serde::{Deserialize, Serialize};
use towpath_domain::{Channel, ClusterName, CommitId, GitRef, NamespaceName, RepoUrl, RunId, TargetId, Timestamp};

use crate::event::CommitInfo;
use crate::group::Member;
use crate::ids;
use crate::review::text::code;

/// Commits that are told of one move; the others are counted.
pub(crate) const COMMITS_TOLD_MAX: usize = 50;

/// Targets that go to one commit of one repository, for which the same channels vouch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The repository, without credentials.
    pub repository: RepoUrl,
    /// Where they go.
    pub to: CommitId,
    /// The targets, in the order of their ids.
    pub targets: Vec<MovedTarget>,
    /// Who vouches for it.
    pub vouchers: Vec<Vouched>,
    /// The commits that the target gets that is furthest behind, newest first; at most 50.
    pub commits: Vec<CommitInfo>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: usize,
}

/// A target that moves: what will be deployed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedTarget {
    /// Which.
    pub target: TargetId,
    /// As people call it.
    pub title: String,
    /// The cluster that it is on.
    pub cluster: ClusterName,
    /// Its namespace there.
    pub namespace: NamespaceName,
    /// Where it is now.
    pub from: GitRef,
}

/// A publisher that vouches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vouched {
    /// As people call it.
    pub title: String,
    /// The publisher.
    pub target: TargetId,
    /// For which channel.
    pub channel: Channel,
    /// The run that succeeded.
    pub run: RunId,
    /// Since when it is well.
    pub since: Timestamp,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// What is told of `members`, those together that move together, in the order in which they come.
pub(crate) fn moved(members: &[Member<'_>]) -> Vec<Moved> {
    let mut all: Vec<(&str, Moved)> = Vec::new();
    for member in members {
        let note = member.note;
        let known = all.iter().position(|(together, _)| *together == note.together.as_str());
        let at = known.unwrap_or_else(|| {
            let (repository, to) = (note.repository.clone(), note.to);
            all.push((note.together.as_str(), Moved { repository, to, targets: vec![], vouchers: vec![], commits: vec![], more: 0 }));
            all.len() - 1
        });
        let Some((_, moved)) = all.get_mut(at) else { continue };
        moved.targets.push(MovedTarget {
            target: member.target.clone(),
            title: note.title.clone(),
            cluster: note.cluster.clone(),
            namespace: note.namespace.clone(),
            from: note.from.clone(),
        });
        moved.vouchers.extend(note.vouchers.iter().cloned());
        // Targets of one group may come from different commits; the longest list holds all the others.
        if note.commits.len() + note.more > moved.commits.len() + moved.more {
            (moved.commits, moved.more) = (note.commits.clone(), note.more);
        }
    }
    let mut all: Vec<Moved> = all.into_iter().map(|(_, moved)| moved).collect();
    for moved in &mut all {
        moved.vouchers.sort();
        moved.vouchers.dedup();
    }
    all
}

/// The same as a text, for the commit's message. What people wrote stands as code: it mentions nobody, and commands nothing.
pub(crate) fn text(all: &[Moved]) -> String {
    let mut text = String::from("Targets:\n");
    for (moved, target) in all.iter().flat_map(|moved| moved.targets.iter().map(move |target| (moved, target))) {
        let from = match &target.from {
            GitRef::Commit(commit) => ids::short(*commit),
            GitRef::Branch(branch) => branch.to_string(),
        };
        let place = format!("namespace {} of cluster {}", target.namespace, target.cluster);
        text.push_str(&format!("- {}: {from} to {}, in {place}\n", target.title, ids::short(moved.to)));
    }
    let mut vouchers: Vec<&Vouched> = all.iter().flat_map(|moved| &moved.vouchers).collect();
    vouchers.sort();
    vouchers.dedup();
    if !vouchers.is_empty() {
        text.push_str("\nVouched for by:\n");
    }
    for Vouched { title, channel, run, since, .. } in vouchers {
        text.push_str(&format!("- {title} for channel {channel}, run {run}, well since {since}\n"));
    }
    for moved in all.iter().filter(|moved| !moved.commits.is_empty()) {
        let of = if all.len() > 1 { format!(" of {}", moved.repository) } else { String::new() };
        text.push_str(&format!("\nCommits{of}, newest first:\n"));
        for commit in &moved.commits {
            text.push_str(&format!("- {} {} by {}\n", ids::short(commit.id), code(&commit.subject), code(&commit.author)));
        }
        if moved.more > 0 {
            text.push_str(&format!("- and {} more\n", moved.more));
        }
    }
    text
}
