//! Changes that people open: merged as Towpath's own are, but for their branches, which are theirs and may be in a fork.

use towpath_domain::{ChangeId, CommitId, FailureClass};
use towpath_git::{GitError, Merged, PushOutcome, RefUpdate};

use super::Hosted;
use super::api::Api;
use crate::{ForgeError, MergeOrder, MergeOutcome, MergeResult, Number, Pull, PullState};

impl<A: Api> Hosted<A> {
    pub(super) async fn merged_pull(&self, number: Number, head: CommitId, onto: Option<CommitId>) -> Result<MergeResult, ForgeError> {
        let now = match self.api.pull(number).await? {
            Some(pull) if pull.state == PullState::Open => Some(pull.head),
            _ => None,
        };
        let mirror = self.plain.mirror();
        let base = match onto {
            Some(base) => base,
            None => {
                mirror.fetch().await?;
                self.plain.config_head().await?
            }
        };
        self.have_theirs(head).await?;
        if mirror.is_ancestor(head, base).await? {
            return Ok(MergeResult::Merged { base });
        }
        if now != Some(head) {
            return Ok(MergeResult::HeadMoved { now });
        }
        Ok(match self.plain.make_merge(&id(number)?, base, head).await? {
            Merged::Commit(commit) => MergeResult::Clean { base, commit },
            Merged::Conflict { paths } => MergeResult::Conflict { base, paths },
        })
    }

    pub(super) async fn merge_pull(&self, number: Number, order: &MergeOrder) -> Result<MergeOutcome, ForgeError> {
        self.have_theirs(order.head).await?;
        self.plain.verify(order).await?;
        let (mirror, branch) = (self.plain.mirror(), self.plain.branch());
        mirror.fetch().await?;
        let config = mirror.resolve(branch).await?;
        let pull = self.api.pull(number).await?;
        if self.plain.holds(order.commit).await? {
            return self.finish(order, pull.as_ref()).await;
        }
        let Some(pull) = pull else { return Ok(MergeOutcome::HeadMoved { now: None }) };
        match pull.state {
            PullState::Merged { commit } if pull.head == order.head => return self.merged_by_forge(order, &pull, commit).await,
            PullState::Merged { .. } | PullState::Closed => return Ok(MergeOutcome::HeadMoved { now: None }),
            PullState::Open if pull.head != order.head => return Ok(MergeOutcome::HeadMoved { now: Some(pull.head) }),
            PullState::Open => {}
        }
        let protection = self.protection().await?;
        if config != Some(order.base) && !protection.queue {
            return Ok(MergeOutcome::Moved { now: config });
        }
        if protection.no_direct_push || protection.queue {
            return self.merge_through(order, &pull, &protection, None).await;
        }
        let update = RefUpdate { branch: branch.clone(), new: Some(order.commit), expected: Some(order.base) };
        match mirror.push(&[update]).await {
            Ok(PushOutcome::Done) => {
                tracing::info!(change = number.0, commit = %order.commit, "merged");
                self.finish(order, Some(&pull)).await
            }
            Ok(PushOutcome::Stale { now, .. }) => Ok(MergeOutcome::Moved { now }),
            Err(GitError::Refused { why, .. }) => self.refused(order, &pull, &why).await,
            Err(error) => Err(error.into()),
        }
    }

    /// The branch does not take the push: what it demands may have changed a moment ago, or the forge does not show all of it.
    async fn refused(&self, order: &MergeOrder, pull: &Pull, push: &str) -> Result<MergeOutcome, ForgeError> {
        self.forget_protection();
        let protection = self.protection().await?;
        Ok(match self.merge_through(order, pull, &protection, None).await? {
            MergeOutcome::Refused { why } => MergeOutcome::Refused { why: format!("the push was refused ({push}); {why}") },
            outcome => outcome,
        })
    }

    /// Makes sure that a person's commit is in the mirror; no branch of the repository may hold it.
    async fn have_theirs(&self, head: CommitId) -> Result<(), ForgeError> {
        let mirror = self.plain.mirror();
        if mirror.has_commit(head).await? || mirror.fetch_commit(head).await? {
            return Ok(());
        }
        let why = format!("the repository does not give the commit {head}; it may have been pushed over a moment ago");
        Err(self.error("reading a person's change", why, FailureClass::Environment))
    }
}

/// By what name a person's change is merged.
fn id(number: Number) -> Result<ChangeId, ForgeError> {
    let id = format!("pull-{}", number.0);
    ChangeId::new(id.clone()).map_err(|error| ForgeError::BadId { id, why: error.to_string() })
}
