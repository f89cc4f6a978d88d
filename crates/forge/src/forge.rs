//! What every forge can do.

use std::future::Future;
use std::pin::Pin;

use towpath_domain::{ChangeId, CommitId};

use crate::{
    Abilities, Budget, Change, CloseOutcome, Comment, ForgeError, FoundStatus, MergeOrder, MergeOutcome, MergeResult, Number, Proposal,
    Proposed, Protection, Pull, Queued, Reruns, Review, Status,
};

/// A forge's answer, boxed so that forges can be exchanged while Towpath runs.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ForgeError>> + Send + 'a>>;

/// Where changes on the config repository are proposed, merged and closed.
///
/// Every method can be called again after any crash, with the same arguments, and finds done what was done. None overwrites what people
/// did: where they moved something, the outcome says so and nothing was changed.
pub trait Forge: Send + Sync {
    /// What kind of forge it is, for people: `plain git`.
    fn name(&self) -> &str;

    /// Opens a change, or brings Towpath's own open change of this id to this proposal.
    ///
    /// # Errors
    /// [`ForgeError::Git`] when the repository cannot be reached or refuses, [`ForgeError::BadId`].
    fn propose<'a>(&'a self, proposal: &'a Proposal) -> Answer<'a, Proposed>;

    /// The open change of this id, if there is one, as the forge has it now.
    ///
    /// # Errors
    /// [`ForgeError::Git`] when the repository cannot be reached, [`ForgeError::BadId`].
    fn find<'a>(&'a self, id: &'a ChangeId) -> Answer<'a, Option<Change>>;

    /// What merging the change at `head` into the config branch as it is now would give. Nothing is pushed.
    ///
    /// # Errors
    /// [`ForgeError::Git`] when the repository cannot be reached, or has no config branch; [`ForgeError::BadId`].
    fn merged_result<'a>(&'a self, id: &'a ChangeId, head: CommitId) -> Answer<'a, MergeResult>;

    /// Merges exactly what was checked and closes the change, or does nothing.
    ///
    /// # Errors
    /// [`ForgeError::NotTheMerge`] when the order names another commit than the merge; [`ForgeError::Git`] when the repository cannot be
    /// reached or refuses. After an error it may be merged or not: order it again.
    fn merge<'a>(&'a self, order: &'a MergeOrder) -> Answer<'a, MergeOutcome>;

    /// What merging the change at `head` onto `base` would give: `base` is the config branch as it will be once those before this one are
    /// merged, made by [`merged_result`](Self::merged_result) or this. Only what the last look saw is asked; nothing is fetched or pushed.
    ///
    /// # Errors
    /// As [`merged_result`](Self::merged_result); [`ForgeError::Unable`] where changes are merged one at a time.
    fn merged_onto<'a>(&'a self, _id: &'a ChangeId, _head: CommitId, _base: CommitId) -> Answer<'a, MergeResult> {
        unable(self.name(), "to merge onto what is not merged yet")
    }

    /// Merges changes one after another, each onto the merge before it, as [`merge`](Self::merge) merges one. Answers for each in turn; after one
    /// that is not merged, those behind it are [`MergeOutcome::Moved`].
    ///
    /// # Errors
    /// As [`merge`](Self::merge). After an error some may be merged: order them again.
    fn merge_all<'a>(&'a self, orders: &'a [MergeOrder]) -> Answer<'a, Vec<MergeOutcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(orders.len());
            let mut now = None;
            for order in orders {
                if outcomes.last().is_some_and(|last| !matches!(last, MergeOutcome::Merged { .. })) {
                    outcomes.push(MergeOutcome::Moved { now });
                    continue;
                }
                let outcome = self.merge(order).await?;
                if let MergeOutcome::Merged { commit } = outcome {
                    now = Some(commit);
                }
                outcomes.push(outcome);
            }
            Ok(outcomes)
        })
    }

    /// Closes the change at `head` without merging it. `why` is told to people where the forge has a place for it.
    ///
    /// # Errors
    /// [`ForgeError::Git`] when the repository cannot be reached or refuses, [`ForgeError::BadId`].
    fn close<'a>(&'a self, id: &'a ChangeId, head: CommitId, why: &'a str) -> Answer<'a, CloseOutcome>;

    /// What merging a person's change at `head` would give: into the config branch as it is now, or onto this commit, which is that branch as it
    /// will be. Nothing is pushed.
    ///
    /// # Errors
    /// As [`merged_result`](Self::merged_result), and [`ForgeError::Api`].
    fn merged_pull(&self, _number: Number, _head: CommitId, _onto: Option<CommitId>) -> Answer<'_, MergeResult> {
        unable(self.name(), "to merge changes that people open")
    }

    /// Merges exactly what was checked of a person's change, or does nothing. Its branch is left alone: it is theirs.
    ///
    /// # Errors
    /// As [`merge`](Self::merge), and [`ForgeError::Api`].
    fn merge_pull<'a>(&'a self, _number: Number, _order: &'a MergeOrder) -> Answer<'a, MergeOutcome> {
        unable(self.name(), "to merge changes that people open")
    }

    /// What it can do beside that.
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    /// The account that it acts as: its comments and changes are Towpath's own.
    ///
    /// # Errors
    /// [`ForgeError::Api`] when it cannot be asked, [`ForgeError::Unable`] where there are no accounts.
    fn account(&self) -> Answer<'_, String> {
        unable(self.name(), "to say which account it acts as")
    }

    /// All open changes into the config branch, whoever opened them, by number.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn open_pulls(&self) -> Answer<'_, Vec<Pull>> {
        unable(self.name(), "to list changes that people see")
    }

    /// The change of this number, whatever became of it; `None` when there never was one.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn pull(&self, _number: Number) -> Answer<'_, Option<Pull>> {
        unable(self.name(), "to find changes by number")
    }

    /// The change that Towpath opened for this id last, whatever became of it.
    ///
    /// # Errors
    /// As [`account`](Self::account), and [`ForgeError::BadId`].
    fn pull_of<'a>(&'a self, _id: &'a ChangeId) -> Answer<'a, Option<Pull>> {
        unable(self.name(), "to find changes that people see")
    }

    /// What is written on a change, the oldest first.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn comments(&self, _number: Number) -> Answer<'_, Vec<Comment>> {
        unable(self.name(), "comments")
    }

    /// Writes a comment, or brings Towpath's own comment with this `marker` to this text. The marker is a word that stands in the comment where
    /// people do not see it. Nothing is sent when it says so already.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn comment<'a>(&'a self, _number: Number, _marker: &'a str, _body: &'a str) -> Answer<'a, ()> {
        unable(self.name(), "comments")
    }

    /// Gives a change labels and takes others away. Labels that the repository does not have are made.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn label<'a>(&'a self, _number: Number, _add: &'a [String], _remove: &'a [String]) -> Answer<'a, ()> {
        unable(self.name(), "labels")
    }

    /// What people think of a change, the oldest first.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn reviews(&self, _number: Number) -> Answer<'_, Vec<Review>> {
        unable(self.name(), "reviews")
    }

    /// Says something of a commit. Nothing is sent when it was the last thing said under this name.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn set_status<'a>(&'a self, _commit: CommitId, _status: &'a Status) -> Answer<'a, ()> {
        unable(self.name(), "statuses of commits")
    }

    /// What everybody says of a commit, by name; of several under one name, the newest.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn statuses(&self, _commit: CommitId) -> Answer<'_, Vec<FoundStatus>> {
        unable(self.name(), "statuses of commits")
    }

    /// What the config branch demands.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn protection(&self) -> Answer<'_, Protection> {
        unable(self.name(), "to say what a branch demands")
    }

    /// Where a change at `head` stands with the forge's own queue. What became of it otherwise, its [`pull`](Self::pull) tells.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn queued(&self, _number: Number, _head: CommitId) -> Answer<'_, Queued> {
        unable(self.name(), "a queue of its own")
    }

    /// Puts a change at `head` once more into the queue that threw it out. One that is there is left as it is.
    ///
    /// # Errors
    /// As [`account`](Self::account); with whose fault it is when the queue does not take it.
    fn queue_again(&self, _number: Number, _head: CommitId) -> Answer<'_, ()> {
        unable(self.name(), "a queue of its own")
    }

    /// Runs the checks of others again that failed at `head`, the newest commit of this change. What runs already is left to it, so that asking
    /// twice does no harm.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    fn rerun_failed(&self, _number: Number, _head: CommitId) -> Answer<'_, Reruns> {
        unable(self.name(), "to run checks of others again")
    }

    /// How many requests it allows, as it last said; `None` before it said anything, and where there is no limit.
    fn budget(&self) -> Option<Budget> {
        None
    }
}

/// The answer of a forge that has nothing of the kind.
fn unable<T: Send + 'static>(forge: &str, what: &'static str) -> Answer<'static, T> {
    let error = ForgeError::Unable { forge: forge.to_owned(), what };
    Box::pin(std::future::ready(Err(error)))
}
