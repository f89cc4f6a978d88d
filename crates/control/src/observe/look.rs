//! One look at one repository: what it says now, held against what is known.

use std::collections::BTreeSet;

use towpath_domain::{BranchName, CommitId, RepoUrl, Timestamp};
use towpath_engine::{CommitInfo, Event};
use towpath_git::{GitError, Mirror};
use towpath_runs::World;

use super::DEPTH;
use super::schedule::Look;

/// Looks at one repository and records what is new. Answers whether all went well: if not, it is to be looked at again whatever its
/// signature says.
pub(super) async fn look_at(world: &World, look: &Look) -> bool {
    match branches(world, look).await {
        Ok(well) => well,
        Err(error) => {
            away(world, look, &error.to_string()).await;
            false
        }
    }
}

/// Records that none of the branches can be looked at.
pub(super) async fn away(world: &World, look: &Look, error: &str) {
    for branch in &look.branches {
        unreachable(world, &look.url, branch, error).await;
    }
}

async fn branches(world: &World, look: &Look) -> Result<bool, GitError> {
    // What is found counts from here: a push that comes later may be missed by it.
    let begun = world.clock.now();
    if !look.local && nothing_new(world, &look.url, &look.branches).await? {
        return Ok(true);
    }
    let mirror = world.mirrors.get(&look.url).await?;
    mirror.fetch().await?;
    let mut well = true;
    for branch in &look.branches {
        well &= match see(world, &mirror, begun, &look.url, branch).await {
            Ok(recorded) => recorded,
            Err(error) => {
                unreachable(world, &look.url, branch, &error.to_string()).await;
                false
            }
        };
    }
    Ok(well)
}

/// One cheap call tells whether a remote repository's branches are where they are known to be; no mirror is needed for that.
async fn nothing_new(world: &World, url: &RepoUrl, branches: &BTreeSet<BranchName>) -> Result<bool, GitError> {
    let there = world.mirrors.git().ls_remote_branches(url, branches).await?;
    Ok(branches.iter().all(|branch| is_known(world, url, branch, there.get(branch).copied())))
}

fn is_known(world: &World, url: &RepoUrl, branch: &BranchName, head: Option<CommitId>) -> bool {
    let facts = world.ledger.facts();
    let Some(fact) = facts.branches.get(&(url.clone(), branch.clone())) else { return false };
    match (&fact.unreachable, head) {
        (None, Some(head)) => fact.commits.first().is_some_and(|c| c.id == head),
        (Some((_, why)), None) => *why == no_branch(branch),
        _ => false,
    }
}

fn no_branch(branch: &BranchName) -> String {
    format!("it has no branch {branch}")
}

/// Records where the branch is as last fetched, unless that is known. Answers whether the ledger has it.
async fn see(world: &World, mirror: &Mirror, begun: Timestamp, url: &RepoUrl, branch: &BranchName) -> Result<bool, GitError> {
    let head = mirror.resolve(branch).await?;
    if is_known(world, url, branch, head) {
        return Ok(true);
    }
    let Some(head) = head else { return Ok(missing(world, url, branch).await) };
    let commits = mirror.first_parent(head, DEPTH).await?;
    let commits =
        commits.into_iter().map(|c| CommitInfo { id: c.id, subject: c.subject, author: c.author_name, at: c.committed_at }).collect();
    Ok(record(world, begun, Event::BranchSeen { url: url.clone(), branch: branch.clone(), commits }).await)
}

/// Records that a repository has no such branch, as [`unreachable()`] does.
pub(crate) async fn missing(world: &World, url: &RepoUrl, branch: &BranchName) -> bool {
    unreachable(world, url, branch, &no_branch(branch)).await
}

/// Records that a branch cannot be reached, unless that is known already. Answers whether the ledger has it.
pub(crate) async fn unreachable(world: &World, url: &RepoUrl, branch: &BranchName, error: &str) -> bool {
    let known = {
        let facts = world.ledger.facts();
        let fact = facts.branches.get(&(url.clone(), branch.clone()));
        fact.and_then(|fact| fact.unreachable.as_ref()).is_some_and(|(_, known)| known == error)
    };
    if known {
        return true;
    }
    tracing::warn!(%url, %branch, error, "a repository cannot be looked at");
    record(world, world.clock.now(), Event::BranchUnreachable { url: url.clone(), branch: branch.clone(), error: error.to_owned() }).await
}

/// Records an event that happened at `at`. Answers whether the ledger has it; if not, nothing is lost: the next look sees the same again.
async fn record(world: &World, at: Timestamp, event: Event) -> bool {
    let recorded = world.ledger.append(None, "towpath", at, vec![event]).await;
    if let Err(error) = &recorded {
        tracing::error!(%error, "what was seen could not be recorded");
    }
    recorded.is_ok()
}
