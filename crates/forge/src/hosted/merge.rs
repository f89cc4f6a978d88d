//! Merging: by a push wherever that is allowed, since a push can say which commit, and what must be there before; through the forge
//! where the branch takes nothing else, and then only where the forge's own rules keep out what was not checked.

use towpath_domain::{BranchName, CommitId, FailureClass};
use towpath_git::{GitError, PushOutcome};

use super::Hosted;
use super::api::{Api, ApiMerge, ApiMerged};
use crate::plain::{change_branch, message};
use crate::{ForgeError, MergeOrder, MergeOutcome, MergeResult, Number, Protection, Pull, PullState};

/// How far back a merge is looked for on the config branch where the forge does not say which commit it was.
const LOOK_BACK: usize = 100;

/// What is to be landed: an order, the pull request that it is about, and where its branch is.
struct Landing<'a> {
    order: &'a MergeOrder,
    pull: &'a Pull,
    /// Its branch, where that is in the config repository.
    branch: Option<BranchName>,
    /// It is Towpath's own: then its branch goes when it is merged.
    own: bool,
}

impl<A: Api> Hosted<A> {
    pub(super) async fn merge(&self, order: &MergeOrder) -> Result<MergeOutcome, ForgeError> {
        self.plain.verify(order).await?;
        let pull = self.pull_of(&order.id).await?;
        let branch = change_branch(&order.id)?;
        // Without one it was closed by people, whatever became of its branch.
        let Some(pull) = pull else {
            return Ok(match self.plain.standing(order, Some(&branch)).await? {
                Some(merged @ MergeOutcome::Merged { .. }) => merged,
                _ => MergeOutcome::HeadMoved { now: None },
            });
        };
        self.land(&Landing { order, pull: &pull, branch: Some(branch), own: true }).await
    }

    /// What merging a person's change would give.
    pub(super) async fn merged_pull(&self, number: Number, head: CommitId, onto: Option<CommitId>) -> Result<MergeResult, ForgeError> {
        self.plain.mirror().fetch().await?;
        let Some(pull) = self.api.pull(number).await? else { return Ok(MergeResult::HeadMoved { now: None }) };
        let base = match onto {
            Some(base) => base,
            None => self.plain.config_head().await?,
        };
        if pull.state == PullState::Open && pull.head != head {
            return Ok(MergeResult::HeadMoved { now: Some(pull.head) });
        }
        self.plain.have_by(head, &self.api.pull_ref(number)).await?;
        let merged = self.plain.merge_of(&number.change_id()?, base, head).await?;
        match (pull.state, merged) {
            (PullState::Open, merged) | (_, merged @ MergeResult::Merged { .. }) => Ok(merged),
            _ => Ok(MergeResult::HeadMoved { now: None }),
        }
    }

    /// Merges a person's change, whose branch is left alone.
    pub(super) async fn merge_pull(&self, number: Number, order: &MergeOrder) -> Result<MergeOutcome, ForgeError> {
        // Its merge was made under the number's name: callers have names of their own for it.
        let order = MergeOrder { id: number.change_id()?, ..order.clone() };
        self.plain.have_by(order.head, &self.api.pull_ref(number)).await?;
        self.plain.verify(&order).await?;
        let Some(pull) = self.api.pull(number).await? else { return Ok(MergeOutcome::HeadMoved { now: None }) };
        let branch = if pull.from_fork { None } else { BranchName::new(pull.branch.as_str()).ok() };
        self.land(&Landing { order: &order, pull: &pull, branch, own: false }).await
    }

    /// Merges changes one after another: by one push where all are as ordered and the branch takes pushes, else one by one.
    pub(super) async fn merge_all(&self, orders: &[MergeOrder]) -> Result<Vec<MergeOutcome>, ForgeError> {
        if orders.len() > 1
            && let Some(outcomes) = self.merge_together(orders).await?
        {
            return Ok(outcomes);
        }
        let mut outcomes = Vec::with_capacity(orders.len());
        for order in orders {
            outcomes.push(match outcomes.last() {
                None | Some(MergeOutcome::Merged { .. }) => self.merge(order).await?,
                Some(_) => MergeOutcome::Moved { now: None },
            });
        }
        Ok(outcomes)
    }

    /// All by one push, or none: `None`, when each must find out by itself what stands in its way.
    async fn merge_together(&self, orders: &[MergeOrder]) -> Result<Option<Vec<MergeOutcome>>, ForgeError> {
        if orders.iter().zip(orders.iter().skip(1)).any(|(one, next)| next.base != one.commit) {
            return Ok(None);
        }
        let protection = self.protection().await?;
        if protection.no_direct_push || protection.queue {
            return Ok(None);
        }
        let mut pulls = Vec::with_capacity(orders.len());
        for order in orders {
            self.plain.verify(order).await?;
            match self.pull_of(&order.id).await? {
                Some(pull) if pull.state == PullState::Open => pulls.push(pull),
                _ => return Ok(None),
            }
        }
        self.plain.mirror().fetch().await?;
        match self.plain.push_merges(orders).await {
            Ok(PushOutcome::Done) => {}
            Ok(PushOutcome::Stale { .. }) | Err(ForgeError::Git(GitError::Refused { .. })) => return Ok(None),
            Err(error) => return Err(error),
        }
        tracing::info!(changes = orders.len(), "merged");
        let mut outcomes = Vec::with_capacity(orders.len());
        for (order, pull) in orders.iter().zip(&pulls) {
            let branch = Some(change_branch(&order.id)?);
            outcomes.push(self.finish(&Landing { order, pull, branch, own: true }).await?);
        }
        Ok(Some(outcomes))
    }

    async fn land(&self, landing: &Landing<'_>) -> Result<MergeOutcome, ForgeError> {
        let Landing { order, pull, branch, .. } = landing;
        let standing = self.plain.standing(order, branch.as_ref()).await?;
        if matches!(standing, Some(MergeOutcome::Merged { .. })) {
            return self.finish(landing).await;
        }
        match pull.state {
            // Where it was squashed the branch holds no trace of it, and the forge's word is all there is.
            PullState::Merged { commit } if pull.head == order.head || self.plain.holds(order.head).await? => {
                return self.merged_by_forge(landing, commit).await;
            }
            PullState::Merged { .. } | PullState::Closed => return Ok(MergeOutcome::HeadMoved { now: None }),
            // What is in a fork moves unseen by Git.
            PullState::Open if branch.is_none() && pull.head != order.head => return Ok(MergeOutcome::HeadMoved { now: Some(pull.head) }),
            PullState::Open => {}
        }
        let protection = self.protection().await?;
        let mut refused = None;
        if !protection.no_direct_push && !protection.queue {
            if let Some(moved) = standing {
                return Ok(moved);
            }
            match self.plain.push_merge(order, branch.as_ref()).await {
                Ok(PushOutcome::Done) => {
                    tracing::info!(change.id = %order.id, change.url = %pull.url, commit = %order.commit, "merged");
                    return self.finish(landing).await;
                }
                Ok(PushOutcome::Stale { .. }) => {
                    return match self.plain.standing(order, branch.as_ref()).await? {
                        Some(MergeOutcome::Merged { .. }) => self.finish(landing).await,
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
        let outcome = self.merge_through(landing, &protection, standing).await?;
        Ok(match (outcome, refused) {
            (MergeOutcome::Refused { why }, Some(push)) => MergeOutcome::Refused { why: format!("the push was refused ({push}); {why}") },
            (outcome, _) => outcome,
        })
    }

    /// Merges through the forge, where its rules see to it that nothing else than what was checked gets in.
    async fn merge_through(
        &self,
        landing: &Landing<'_>,
        protection: &Protection,
        standing: Option<MergeOutcome>,
    ) -> Result<MergeOutcome, ForgeError> {
        let (Landing { order, pull, .. }, branch) = (landing, self.plain.branch());
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
            ApiMerged::Merged { commit } => self.merged_by_forge(landing, commit).await,
            ApiMerged::Waits { why } => Ok(MergeOutcome::Waits { why }),
            ApiMerged::Refused { why } => Ok(MergeOutcome::Refused { why }),
            ApiMerged::HeadMoved => Ok(match self.plain.standing(order, landing.branch.as_ref()).await? {
                Some(moved) => moved,
                None => MergeOutcome::Waits { why: format!("{} has not seen {} yet", self.api.name(), order.head) },
            }),
        }
    }

    /// After the forge merged it: which commit that is, whether it is what was checked, and away with the branch.
    async fn merged_by_forge(&self, landing: &Landing<'_>, told: Option<CommitId>) -> Result<MergeOutcome, ForgeError> {
        let Landing { order, pull, .. } = landing;
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
        self.delete_branch(landing).await?;
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
    async fn finish(&self, landing: &Landing<'_>) -> Result<MergeOutcome, ForgeError> {
        let Landing { order, pull, branch, .. } = landing;
        // People's commits that came a moment later are none of what was merged: the change stays open for them.
        let now = match branch {
            Some(branch) => self.plain.mirror().resolve(branch).await?,
            None => Some(pull.head),
        };
        if pull.state == PullState::Open && now.is_none_or(|now| now == order.head) {
            match self.show_merged(order, pull).await {
                Err(error) if error.class().is_retried() => return Err(error),
                Err(error) => tracing::warn!(change.id = %order.id, %error, "it is merged, and the forge does not show it"),
                Ok(()) => {}
            }
        }
        self.delete_branch(landing).await?;
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

    /// Deletes the branch of a merged change of Towpath's own. One that people pushed to is theirs; one that may not be deleted stays.
    async fn delete_branch(&self, Landing { order, own, .. }: &Landing<'_>) -> Result<(), ForgeError> {
        if !own {
            return Ok(());
        }
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
