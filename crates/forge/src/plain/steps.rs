//! The steps of a change, for forges that do something of their own between them.

use towpath_domain::{BranchName, ChangeId, CommitId};
use towpath_git::{CommitRequest, GitError, Merged, PushOutcome, RefUpdate};

use super::{PlainGit, change_branch, message};
use crate::{ForgeError, MergeOrder, MergeOutcome, MergeResult, Proposal, Proposed};

/// How often a change is looked at again when it moves while it is being replaced: more than two Towpaths at work on one change.
const MAX_ROUNDS: usize = 3;

/// A change's commit, made and not pushed yet.
pub(crate) struct Prepared {
    /// The change's branch.
    pub(crate) branch: BranchName,
    /// The commit.
    pub(crate) head: CommitId,
    /// The config branch holds it already.
    pub(crate) merged: bool,
}

impl PlainGit {
    /// Fetches, and makes a proposal's commit.
    pub(crate) async fn prepare(&self, proposal: &Proposal) -> Result<Prepared, ForgeError> {
        let branch = change_branch(&proposal.id)?;
        self.mirror.fetch().await?;
        let head = self
            .mirror
            .commit(&CommitRequest {
                parents: vec![proposal.base],
                base_tree_of: Some(proposal.base),
                edits: proposal.edits.clone(),
                message: message::of_change(proposal),
                author: proposal.author.clone(),
                committer: self.identity().clone(),
                at: proposal.at,
            })
            .await?;
        Ok(Prepared { branch, head, merged: self.holds(head).await? })
    }

    /// Brings the change's branch to its commit, unless people pushed to it.
    pub(crate) async fn offer(&self, id: &ChangeId, Prepared { branch, head, .. }: &Prepared) -> Result<Proposed, ForgeError> {
        let head = *head;
        let mut expected = self.mirror.resolve(branch).await?;
        for _ in 0..MAX_ROUNDS {
            if let Some(there) = expected
                && there != head
                && !self.is_ours(&self.commit_info(there).await?)
            {
                return Ok(Proposed::TakenOver { head: there });
            }
            match self.pushes.push(&self.mirror, RefUpdate { branch: branch.clone(), new: Some(head), expected }).await? {
                PushOutcome::Done => return Ok(Proposed::Open { head }),
                PushOutcome::Stale { now, .. } => expected = now,
            }
        }
        Err(ForgeError::Git(GitError::Failed {
            what: format!("proposing change {id}"),
            why: format!("the branch {branch} moved each time it was looked at; another Towpath works on the same repository"),
        }))
    }

    /// Makes sure that an order names the merge of its two commits, and nothing else.
    ///
    /// # Errors
    /// [`ForgeError::NotTheMerge`] when it does not.
    pub(crate) async fn verify(&self, order: &MergeOrder) -> Result<(), ForgeError> {
        if self.made().contains(order) {
            return Ok(());
        }
        self.have(order.base).await?;
        self.have(order.head).await?;
        let made = self.make_merge(&order.id, order.base, order.head).await?;
        if made == Merged::Commit(order.commit) {
            return Ok(());
        }
        Err(ForgeError::NotTheMerge {
            id: order.id.clone(),
            base: order.base,
            head: order.head,
            asked: order.commit,
            made: match made {
                Merged::Commit(commit) => format!("the commit {commit}"),
                Merged::Conflict { paths } => format!("a conflict in {}", paths.join(", ")),
            },
        })
    }

    /// Fetches, and says what became of a verified order: merged already, or something moved. `None`: it is as ordered, as far as it is known
    /// which branch of this repository the change is on.
    pub(crate) async fn standing(&self, order: &MergeOrder, branch: Option<&BranchName>) -> Result<Option<MergeOutcome>, ForgeError> {
        self.mirror.fetch().await?;
        let config = self.mirror.resolve(&self.branch).await?;
        if let Some(config) = config
            && self.mirror.is_ancestor(order.commit, config).await?
        {
            return Ok(Some(MergeOutcome::Merged { commit: order.commit }));
        }
        if config != Some(order.base) {
            return Ok(Some(MergeOutcome::Moved { now: config }));
        }
        let Some(branch) = branch else { return Ok(None) };
        let change = self.mirror.resolve(branch).await?;
        Ok((change != Some(order.head)).then_some(MergeOutcome::HeadMoved { now: change }))
    }

    /// Pushes a verified merge onto the config branch, and leaves the change's branch where it is.
    pub(crate) async fn push_merge(&self, order: &MergeOrder, branch: Option<&BranchName>) -> Result<PushOutcome, ForgeError> {
        let mut updates = vec![RefUpdate { branch: self.branch.clone(), new: Some(order.commit), expected: Some(order.base) }];
        // This one changes nothing: the push is given up when the change is no longer what was checked.
        updates.extend(branch.map(|branch| RefUpdate { branch: branch.clone(), new: Some(order.head), expected: Some(order.head) }));
        Ok(self.mirror.push(&updates).await?)
    }

    /// Pushes verified merges, each onto the one before it, all or none, and leaves their branches where they are.
    pub(crate) async fn push_merges(&self, orders: &[MergeOrder]) -> Result<PushOutcome, ForgeError> {
        let ([first, ..], [.., last]) = (orders, orders) else { return Ok(PushOutcome::Done) };
        let mut updates = vec![RefUpdate { branch: self.branch.clone(), new: Some(last.commit), expected: Some(first.base) }];
        for order in orders {
            updates.push(RefUpdate { branch: change_branch(&order.id)?, new: Some(order.head), expected: Some(order.head) });
        }
        Ok(self.mirror.push(&updates).await?)
    }

    /// The merge of two commits, as a result; the second may be one that no branch of this repository holds.
    pub(crate) async fn merge_of(&self, id: &ChangeId, base: CommitId, head: CommitId) -> Result<MergeResult, ForgeError> {
        self.have(base).await?;
        self.have(head).await?;
        if self.mirror.is_ancestor(head, base).await? {
            return Ok(MergeResult::Merged { base });
        }
        Ok(match self.make_merge(id, base, head).await? {
            Merged::Commit(commit) => MergeResult::Clean { base, commit },
            Merged::Conflict { paths } => MergeResult::Conflict { base, paths },
        })
    }

    /// Whether the config branch, as last fetched, holds a commit that the mirror has.
    pub(crate) async fn holds(&self, commit: CommitId) -> Result<bool, ForgeError> {
        match self.mirror.resolve(&self.branch).await? {
            Some(config) => Ok(self.mirror.is_ancestor(commit, config).await?),
            None => Ok(false),
        }
    }

    /// Deletes a change's branch, if it is still at `head`.
    pub(crate) async fn delete(&self, id: &ChangeId, head: CommitId) -> Result<PushOutcome, ForgeError> {
        self.push_one(&change_branch(id)?, None, Some(head)).await
    }

    /// The config branch.
    pub(crate) fn branch(&self) -> &BranchName {
        &self.branch
    }
}
