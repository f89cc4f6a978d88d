//! Merging: by a push wherever that is allowed, since a push can say which commit, and what must be there before; through the forge
//! where the branch takes nothing else, and then only where the forge's own rules keep out what was not checked.

use towpath_domain::{CommitId, FailureClass};
use towpath_git::{GitError, PushOutcome};

use super::Hosted;
use super::api::{Api, ApiMerge, ApiMerged};
use crate::plain::message;
use crate::{ForgeError, MergeOrder, MergeOutcome, Protection, Pull, PullState};

/// How far back a merge is looked for on the config branch where the forge does not say which commit it was.
const LOOK_BACK: usize = 100;

impl<A: Api> Hosted<A> {
    pub(super) async fn merge(&self, order: &MergeOrder) -> Result<MergeOutcome, ForgeError> {
        self.plain.verify(order).await?;
        let standing = self.plain.standing(order).await?;
        let pull = self.pull_of(&order.id).await?;
        if matches!(standing, Some(MergeOutcome::Merged { .. })) {
            return self.finish(order, pull.as_ref()).await;
        }
        // Closed by people, whatever became of its branch.
        let Some(pull) = pull else { return Ok(MergeOutcome::HeadMoved { now: None }) };
        match pull.state {
            // Where it was squashed the branch holds no trace of it, and the forge's word is all there is.
            PullState::Merged { commit } if pull.head == order.head || self.plain.holds(order.head).await? => {
                return self.merged_by_forge(order, &pull, commit).await;
            }
            PullState::Merged { .. } | PullState::Closed => return Ok(MergeOutcome::HeadMoved { now: None }),
            PullState::Open => {}
        }
        let protection = self.protection().await?;
        let mut refused = None;
        if !protection.no_direct_push && !protection.queue {
            if let Some(moved) = standing {
                return Ok(moved);
            }
            match self.plain.push_merge(order).await {
                Ok(PushOutcome::Done) => {
                    tracing::info!(change.id = %order.id, commit = %order.commit, "merged");
                    return self.finish(order, Some(&pull)).await;
                }
                Ok(PushOutcome::Stale { .. }) => {
                    return match self.plain.standing(order).await? {
                        Some(MergeOutcome::Merged { .. }) => self.finish(order, Some(&pull)).await,
                        Some(moved) => Ok(moved),
                        // It is as ordered again. Whoever moved it back and forth, the next try will see.
                        None => Ok(MergeOutcome::Moved { now: Some(order.base) }),
                    };
                }
                // What the branch demands may have changed a moment ago, or the forge does not show all of it.
                Err(ForgeError::Git(GitError::Refused { why, .. })) => {
                    self.forget_protection();
                    refused = Some(why);
                }
                Err(error) => return Err(error),
            }
        }
        let protection = if refused.is_some() { self.protection().await? } else { protection };
        let outcome = self.merge_through(order, &pull, &protection, standing).await?;
        Ok(match (outcome, refused) {
            (MergeOutcome::Refused { why }, Some(push)) => MergeOutcome::Refused { why: format!("the push was refused ({push}); {why}") },
            (outcome, _) => outcome,
        })
    }

    /// Merges through the forge, where its rules see to it that nothing else than what was checked gets in.
    pub(super) async fn merge_through(
        &self,
        order: &MergeOrder,
        pull: &Pull,
        protection: &Protection,
        standing: Option<MergeOutcome>,
    ) -> Result<MergeOutcome, ForgeError> {
        let branch = self.plain.branch();
        match standing {
            // A queue tests what it merges on top of whatever is there by then.
            Some(MergeOutcome::Moved { .. }) if protection.queue => {}
            Some(moved) => return Ok(moved),
            None => {}
        }
        if !protection.queue {
            if !protection.up_to_date {
                return Ok(MergeOutcome::Refused {
                    why: format!(
                        "{branch} takes no push of Towpath's, and merges changes that do not hold all of it, so what is merged might not be what \
                         was checked; allow Towpath's account to push to {branch}, or let {branch} demand that changes are up to date"
                    ),
                });
            }
            if !self.plain.mirror().is_ancestor(order.base, order.head).await? {
                return Ok(MergeOutcome::Refused {
                    why: format!(
                        "{branch} demands changes that hold all of it, and this one starts before {}; propose it again from there",
                        order.base
                    ),
                });
            }
        }
        let subject = self.plain.mirror().commit_info(order.head).await?.subject;
        let words = message::of_merge(&order.id, &subject);
        let (title, rest) = words.split_once("\n\n").unwrap_or((&words, ""));
        let ask = ApiMerge {
            number: pull.number,
            head: order.head,
            title: title.to_owned(),
            message: rest.trim_end().to_owned(),
            queue: protection.queue,
        };
        match self.api.merge(&ask).await? {
            ApiMerged::Merged { commit } => self.merged_by_forge(order, pull, commit).await,
            ApiMerged::Waits { why } => Ok(MergeOutcome::Waits { why }),
            ApiMerged::Refused { why } => Ok(MergeOutcome::Refused { why }),
            ApiMerged::HeadMoved => Ok(match self.plain.standing(order).await? {
                Some(moved) => moved,
                None => MergeOutcome::Waits { why: format!("{} has not seen {} yet", self.api.name(), order.head) },
            }),
        }
    }

    /// After the forge merged it: which commit that is, whether it is what was checked, and away with the branch.
    pub(super) async fn merged_by_forge(
        &self,
        order: &MergeOrder,
        pull: &Pull,
        told: Option<CommitId>,
    ) -> Result<MergeOutcome, ForgeError> {
        let commit = self.commit_of_merge(order, told).await?;
        let mirror = self.plain.mirror();
        let made = mirror.commit_info(commit).await?;
        // Onto another base it cannot be compared: then it was the queue, or people, who answer for what came of it.
        if made.parents.first() == Some(&order.base) {
            let other = mirror.diff_names(commit, order.commit).await?;
            if !other.is_empty() {
                let files = other.iter().take(20).map(|path| super::escape(path)).collect::<Vec<_>>().join(", ");
                tracing::error!(change.id = %order.id, %commit, checked = %order.commit, ?other, "what was merged is not what was checked");
                let text = format!("**What was merged is not what was checked.** {commit} differs from {} in: {files}.", order.commit);
                self.comment(pull.number, "not-what-was-checked", &text).await?;
            }
        } else {
            tracing::info!(change.id = %order.id, %commit, base = %order.base, "merged onto another base than was checked, by the forge");
        }
        self.delete_branch(order).await?;
        tracing::info!(change.id = %order.id, %commit, "merged by the forge");
        Ok(MergeOutcome::Merged { commit })
    }

    /// The commit by which a change came into the config branch, once the branch shows it.
    async fn commit_of_merge(&self, order: &MergeOrder, told: Option<CommitId>) -> Result<CommitId, ForgeError> {
        let (mirror, branch) = (self.plain.mirror(), self.plain.branch());
        for wait in self.waits() {
            tokio::time::sleep(wait).await;
            mirror.fetch().await?;
            let Some(config) = mirror.resolve(branch).await? else { continue };
            if let Some(told) = told
                && mirror.has_commit(told).await?
                && mirror.is_ancestor(told, config).await?
            {
                return Ok(told);
            }
            let line = mirror.first_parent(config, LOOK_BACK).await?;
            if let Some(merge) =
                line.iter().find(|commit| commit.id == order.head || commit.parents.iter().skip(1).any(|p| *p == order.head))
            {
                return Ok(merge.id);
            }
        }
        let why = format!("it says that change {} is merged, and {branch} does not show it yet; order it again", order.id);
        Err(self.error("merging a change", why, FailureClass::Environment))
    }

    /// After the push: lets the forge see that the change is merged, then deletes its branch.
    pub(super) async fn finish(&self, order: &MergeOrder, pull: Option<&Pull>) -> Result<MergeOutcome, ForgeError> {
        // People's commits that came a moment later are none of what was merged: the change stays open for them.
        let theirs = self.plain.mirror().resolve(&crate::plain::change_branch(&order.id)?).await?.is_some_and(|now| now != order.head);
        if let Some(pull) = pull
            && pull.state == PullState::Open
            && !theirs
        {
            match self.show_merged(order, pull).await {
                Err(error) if error.class().is_retried() => return Err(error),
                Err(error) => tracing::warn!(change.id = %order.id, %error, "it is merged, and the forge does not show it"),
                Ok(()) => {}
            }
        }
        self.delete_branch(order).await?;
        Ok(MergeOutcome::Merged { commit: order.commit })
    }

    /// Waits until the forge has seen it; tells it where it does not see by itself; closes the change with a word where it cannot be told.
    async fn show_merged(&self, order: &MergeOrder, pull: &Pull) -> Result<(), ForgeError> {
        for (look, wait) in self.waits().enumerate() {
            tokio::time::sleep(wait).await;
            if self.api.pull(pull.number).await?.is_none_or(|pull| pull.state != PullState::Open) {
                return Ok(());
            }
            if look == 0
                && let Err(error) = self.api.mark_merged(pull.number, order.commit).await
            {
                tracing::info!(change.id = %order.id, %error, "the forge is not told that it is merged, and may see it by itself");
            }
        }
        self.comment(pull.number, "merged", &format!("Merged into {} as {}.", super::escape(self.plain.branch().as_str()), order.commit))
            .await?;
        self.api.close(pull.number).await
    }

    /// Deletes the branch of a merged change. One that people pushed to is theirs; one that may not be deleted stays.
    async fn delete_branch(&self, order: &MergeOrder) -> Result<(), ForgeError> {
        match self.plain.delete(&order.id, order.head).await {
            Err(ForgeError::Git(GitError::Refused { why, .. })) => {
                tracing::warn!(change.id = %order.id, why, "the branch of a merged change may not be deleted");
                Ok(())
            }
            Err(error) => Err(error),
            Ok(PushOutcome::Done | PushOutcome::Stale { .. }) => Ok(()),
        }
    }
}
