//! The built-in forge: nothing but a Git repository.
//!
//! A change is the branch `towpath/<id>`. Each step is one push that the repository carries out only if its branches are what they are
//! expected to be, so two Towpaths, or a Towpath and people, never undo each other's work. All commits are made from their cause alone,
//! the merge commit's date included, so a step that is done again makes the same commit and finds it there.
//!
//! People's changes are the branches `pull/<number>` and `pull/<number>-<words>`, for as long as they hold something that is not merged.

pub(crate) mod message;
mod pulls;
mod pushes;
mod steps;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use towpath_domain::{BranchName, ChangeId, CommitId};
use towpath_git::{CommitInfo, GitError, MergeRequest, Merged, Mirror, PushOutcome, RefUpdate};

use pushes::Pushes;

use crate::{
    Abilities, Answer, Change, CloseOutcome, Forge, ForgeError, Identity, MergeOrder, MergeOutcome, MergeResult, Number, Proposal,
    Proposed, Pull,
};

/// A forge on plain Git.
#[derive(Debug, Clone)]
pub struct PlainGit {
    mirror: Mirror,
    branch: BranchName,
    made: Arc<Mutex<VecDeque<MergeOrder>>>,
    pushes: Pushes,
}

/// How many merges are remembered as made here, so that they need not be made again to be believed.
const MADE_KEPT: usize = 512;

impl PlainGit {
    /// Changes on the repository of `mirror`, to be merged into its branch `branch`: the config branch.
    #[must_use]
    pub fn new(mirror: Mirror, branch: BranchName) -> Self {
        Self { mirror, branch, made: Arc::default(), pushes: Pushes::default() }
    }

    /// The mirror that it works in.
    #[must_use]
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    fn identity(&self) -> &Identity {
        &self.mirror.git().settings().identity
    }

    async fn propose(&self, proposal: &Proposal) -> Result<Proposed, ForgeError> {
        let prepared = self.prepare(proposal).await?;
        // Merging deletes the branch. To make it again would propose what is merged already.
        if prepared.merged { Ok(Proposed::Merged { head: prepared.head }) } else { self.offer(&proposal.id, &prepared).await }
    }

    async fn find(&self, id: &ChangeId) -> Result<Option<Change>, ForgeError> {
        let branch = change_branch(id)?;
        self.mirror.fetch().await?;
        let Some(head) = self.mirror.resolve(&branch).await? else { return Ok(None) };
        let info = self.mirror.commit_info(head).await?;
        let base = match self.mirror.resolve(&self.branch).await? {
            Some(config) => self.mirror.merge_base(config, head).await?,
            None => None,
        };
        Ok(Some(Change { id: id.clone(), head, base, by_towpath: self.is_ours(&info), title: info.subject }))
    }

    async fn merged_result(&self, id: &ChangeId, head: CommitId) -> Result<MergeResult, ForgeError> {
        self.mirror.fetch().await?;
        let base = self.config_head().await?;
        self.merged_onto(id, head, base).await
    }

    /// As [`merged_result`](Self::merged_result), onto any commit, by what the last look saw.
    async fn merged_onto(&self, id: &ChangeId, head: CommitId, base: CommitId) -> Result<MergeResult, ForgeError> {
        // Asked first: a merged change's branch is gone, which must not look as if people had closed it.
        if self.mirror.has_commit(head).await? && self.mirror.is_ancestor(head, base).await? {
            return Ok(MergeResult::Merged { base });
        }
        let now = self.mirror.resolve(&change_branch(id)?).await?;
        if now != Some(head) {
            return Ok(MergeResult::HeadMoved { now });
        }
        Ok(match self.make_merge(id, base, head).await? {
            Merged::Commit(commit) => MergeResult::Clean { base, commit },
            Merged::Conflict { paths } => MergeResult::Conflict { base, paths },
        })
    }

    /// All in one push, where nothing moved; else one by one, for each to hear what became of it.
    async fn merge_all(&self, orders: &[MergeOrder]) -> Result<Vec<MergeOutcome>, ForgeError> {
        if let ([first, .., last], true) = (orders, orders.iter().zip(orders.iter().skip(1)).all(|(one, next)| next.base == one.commit)) {
            for order in orders {
                self.verify(order).await?;
            }
            let mut updates = vec![RefUpdate { branch: self.branch.clone(), new: Some(last.commit), expected: Some(first.base) }];
            for order in orders {
                updates.push(RefUpdate { branch: change_branch(&order.id)?, new: None, expected: Some(order.head) });
            }
            if self.mirror.push(&updates).await? == PushOutcome::Done {
                tracing::info!(changes = orders.len(), commit = %last.commit, "merged");
                return Ok(orders.iter().map(|order| MergeOutcome::Merged { commit: order.commit }).collect());
            }
        }
        let mut outcomes: Vec<MergeOutcome> = Vec::with_capacity(orders.len());
        for order in orders {
            let outcome = match outcomes.last() {
                None | Some(MergeOutcome::Merged { .. }) => self.merge(order).await?,
                Some(_) => MergeOutcome::Moved { now: None },
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn merge(&self, order: &MergeOrder) -> Result<MergeOutcome, ForgeError> {
        let branch = change_branch(&order.id)?;
        self.verify(order).await?;
        let updates = [
            RefUpdate { branch: self.branch.clone(), new: Some(order.commit), expected: Some(order.base) },
            RefUpdate { branch: branch.clone(), new: None, expected: Some(order.head) },
        ];
        let merged = MergeOutcome::Merged { commit: order.commit };
        if self.mirror.push(&updates).await? == PushOutcome::Done {
            tracing::info!(change.id = %order.id, commit = %order.commit, "merged");
            return Ok(merged);
        }
        let standing = self.standing(order, Some(&branch)).await?;
        if standing == Some(merged) {
            // Merged earlier, and the config branch went on. A branch of the change that is there again holds nothing new.
            let _left_to_the_next_time = self.push_one(&branch, None, Some(order.head)).await;
        }
        // It was stale a moment ago and may be as ordered now. Whoever moved it back and forth, the next try will see.
        Ok(standing.unwrap_or(MergeOutcome::Moved { now: Some(order.base) }))
    }

    async fn close(&self, id: &ChangeId, head: CommitId, why: &str) -> Result<CloseOutcome, ForgeError> {
        let outcome = match self.delete(id, head).await? {
            PushOutcome::Done | PushOutcome::Stale { now: None, .. } => CloseOutcome::Closed,
            PushOutcome::Stale { now: Some(now), .. } => CloseOutcome::HeadMoved { now },
        };
        tracing::info!(change.id = %id, why, ?outcome, "closed");
        Ok(outcome)
    }

    /// The merge of `head` into `base`. Its names, message and date come from the two commits and the id alone.
    async fn make_merge(&self, id: &ChangeId, base: CommitId, head: CommitId) -> Result<Merged, ForgeError> {
        let (into, merged) = (self.mirror.commit_info(base).await?, self.mirror.commit_info(head).await?);
        let request = MergeRequest {
            base,
            head,
            message: message::of_merge(id, &merged.subject),
            who: self.identity().clone(),
            // Not before either parent, so that histories sorted by date stay in order.
            at: into.committed_at.max(merged.committed_at),
        };
        let merged = self.mirror.merge_commit(&request).await?;
        if let Merged::Commit(commit) = merged {
            let order = MergeOrder { id: id.clone(), base, head, commit };
            let mut made = self.made();
            if !made.contains(&order) {
                made.push_back(order);
                if made.len() > MADE_KEPT {
                    made.pop_front();
                }
            }
        }
        Ok(merged)
    }

    fn made(&self) -> MutexGuard<'_, VecDeque<MergeOrder>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn push_one(&self, branch: &BranchName, new: Option<CommitId>, expected: Option<CommitId>) -> Result<PushOutcome, ForgeError> {
        Ok(self.mirror.push(&[RefUpdate { branch: branch.clone(), new, expected }]).await?)
    }

    pub(crate) async fn config_head(&self) -> Result<CommitId, ForgeError> {
        self.mirror.resolve(&self.branch).await?.ok_or_else(|| {
            ForgeError::Git(GitError::NotFound {
                what: format!("the config branch {}", self.branch),
                place: self.mirror.url().to_string(),
                why: "the repository has no such branch".to_owned(),
            })
        })
    }

    /// Makes sure that a commit is in the mirror, which may be newer than the commit or made anew.
    async fn have(&self, commit: CommitId) -> Result<(), ForgeError> {
        if !self.mirror.has_commit(commit).await? {
            self.mirror.fetch().await?;
            // What still lacks is told by whoever reads it.
            self.mirror.fetch_commit(commit).await?;
        }
        Ok(())
    }

    /// The same of a commit that may be on no branch of the repository, and of a server that shows it by this ref alone.
    pub(crate) async fn have_by(&self, commit: CommitId, name: &str) -> Result<(), ForgeError> {
        self.have(commit).await?;
        // Whether it came is told by whoever reads it, here too.
        self.mirror.fetch_commit_by(commit, name).await?;
        Ok(())
    }

    async fn commit_info(&self, commit: CommitId) -> Result<CommitInfo, ForgeError> {
        self.have(commit).await?;
        Ok(self.mirror.commit_info(commit).await?)
    }

    /// Whether Towpath made this commit. Wrong only for people who commit under Towpath's own name, and then to their own loss.
    fn is_ours(&self, commit: &CommitInfo) -> bool {
        let ours = self.identity();
        commit.committer_name == ours.name() && commit.committer_email == ours.email() && commit.parents.len() == 1
    }
}

impl Forge for PlainGit {
    fn name(&self) -> &str {
        "plain git"
    }

    fn propose<'a>(&'a self, proposal: &'a Proposal) -> Answer<'a, Proposed> {
        Box::pin(self.propose(proposal))
    }

    fn find<'a>(&'a self, id: &'a ChangeId) -> Answer<'a, Option<Change>> {
        Box::pin(self.find(id))
    }

    fn merged_result<'a>(&'a self, id: &'a ChangeId, head: CommitId) -> Answer<'a, MergeResult> {
        Box::pin(self.merged_result(id, head))
    }

    fn merged_onto<'a>(&'a self, id: &'a ChangeId, head: CommitId, base: CommitId) -> Answer<'a, MergeResult> {
        Box::pin(self.merged_onto(id, head, base))
    }

    fn merge_all<'a>(&'a self, orders: &'a [MergeOrder]) -> Answer<'a, Vec<MergeOutcome>> {
        Box::pin(self.merge_all(orders))
    }

    fn merge<'a>(&'a self, order: &'a MergeOrder) -> Answer<'a, MergeOutcome> {
        Box::pin(self.merge(order))
    }

    fn close<'a>(&'a self, id: &'a ChangeId, head: CommitId, why: &'a str) -> Answer<'a, CloseOutcome> {
        Box::pin(self.close(id, head, why))
    }

    fn abilities(&self) -> Abilities {
        Abilities { pulls: true, ..Abilities::default() }
    }

    fn open_pulls(&self) -> Answer<'_, Vec<Pull>> {
        Box::pin(self.open_pulls())
    }

    fn pull(&self, number: Number) -> Answer<'_, Option<Pull>> {
        Box::pin(self.pull(number))
    }

    fn merged_pull(&self, number: Number, head: CommitId, onto: Option<CommitId>) -> Answer<'_, MergeResult> {
        Box::pin(self.merged_pull(number, head, onto))
    }
}

/// The branch of a change.
pub(crate) fn change_branch(id: &ChangeId) -> Result<BranchName, ForgeError> {
    let bad = |why: &str| ForgeError::BadId { id: id.to_string(), why: why.to_owned() };
    let name = format!("towpath/{id}");
    if name.parse::<towpath_domain::GitRef>().is_err() {
        return Err(bad("it holds what Git does not allow in a branch name; see git-check-ref-format(1)"));
    }
    BranchName::new(name).map_err(|error| bad(&error.to_string()))
}
