//! What one hosted forge's API does, call by call.

use std::future::Future;

use towpath_domain::CommitId;

use crate::{Abilities, Budget, Comment, ForgeError, FoundStatus, Number, Protection, Pull, Queued, Reruns, Review, Status};

/// A change to open on a hosted forge; its branch is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewPull {
    /// The branch that it is on.
    pub(crate) branch: String,
    /// The branch that it is to be merged into.
    pub(crate) into: String,
    /// One line.
    pub(crate) title: String,
    /// The rest, as Markdown.
    pub(crate) body: String,
}

/// An order to merge through the forge, for branches that nobody pushes to directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiMerge {
    /// The change.
    pub(crate) number: Number,
    /// What it must still be: sent along, so that the forge itself refuses anything else.
    pub(crate) head: CommitId,
    /// The merge commit's first line.
    pub(crate) title: String,
    /// The rest of its message.
    pub(crate) message: String,
    /// The branch demands the forge's own queue or train.
    pub(crate) queue: bool,
}

/// How merging through the forge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiMerged {
    /// It is merged, by this call or an earlier one.
    Merged {
        /// By this commit on the branch, where the forge says so.
        commit: Option<CommitId>,
    },
    /// The change has another head by now.
    HeadMoved,
    /// The forge's queue has it, or it merges by itself once all is there.
    Waits {
        /// For what, for people.
        why: String,
    },
    /// It does not merge it: its rules are not fulfilled, it conflicts, or its queue has thrown it out.
    Refused {
        /// Why, in its words.
        why: String,
    },
}

/// One hosted forge's API for one repository, call by call. [`Hosted`](super::Hosted) makes a [`Forge`](crate::Forge) of it: what of all
/// this is done when, and how it is found done when it is done again, is decided there and is the same for all forges.
///
/// Every call waits out what passes (limits, 5xx, timeouts) within the time that a caller can be asked to wait; see [`crate::http`].
/// Errors are [`ForgeError::Api`].
pub(crate) trait Api: Send + Sync + 'static {
    /// What kind of forge it is and where, for people: `GitHub at github.com`.
    fn name(&self) -> &str;

    /// What it can do.
    fn abilities(&self) -> Abilities;

    /// The ref that Git finds the newest commit of a change by: also of one from a fork, which is on no branch of the repository.
    fn pull_ref(&self, number: Number) -> String;

    /// The account that it acts as.
    fn account(&self) -> impl Future<Output = Result<String, ForgeError>> + Send;

    /// Opens a change. `None` when one is open from this branch into that one already: then it is to be found.
    fn create(&self, new: &NewPull) -> impl Future<Output = Result<Option<Pull>, ForgeError>> + Send;

    /// Brings title and description to these.
    fn update(&self, number: Number, title: &str, body: &str) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Closes a change unmerged; one that is closed or merged already is left as it is.
    fn close(&self, number: Number) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Opens a change again that was closed unmerged, where its branch is there again.
    fn reopen(&self, number: Number) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// All open changes into `into`, by number.
    fn open_pulls(&self, into: &str) -> impl Future<Output = Result<Vec<Pull>, ForgeError>> + Send;

    /// The change of this number.
    fn pull(&self, number: Number) -> impl Future<Output = Result<Option<Pull>, ForgeError>> + Send;

    /// The changes from this branch of this repository into `into`, whatever became of them, the newest first.
    fn pulls_from(&self, branch: &str, into: &str) -> impl Future<Output = Result<Vec<Pull>, ForgeError>> + Send;

    /// What is written on a change, the oldest first, without what the forge itself wrote.
    fn comments(&self, number: Number) -> impl Future<Output = Result<Vec<Comment>, ForgeError>> + Send;

    /// Writes a comment.
    fn write_comment(&self, number: Number, body: &str) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Changes a comment of its own account.
    fn edit_comment(&self, number: Number, comment: u64, body: &str) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Gives a change labels and takes others away. Labels that the repository does not have are made.
    fn label(&self, number: Number, add: &[String], remove: &[String]) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// What people think of a change, the oldest first.
    fn reviews(&self, number: Number) -> impl Future<Output = Result<Vec<Review>, ForgeError>> + Send;

    /// Says something of a commit.
    fn set_status(&self, commit: CommitId, status: &Status) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// What everybody says of a commit, by name; of several under one name, the newest.
    fn statuses(&self, commit: CommitId) -> impl Future<Output = Result<Vec<FoundStatus>, ForgeError>> + Send;

    /// What a branch demands.
    fn protection(&self, branch: &str) -> impl Future<Output = Result<Protection, ForgeError>> + Send;

    /// Merges through the forge, or puts into its queue, or asks how it went there.
    fn merge(&self, order: &ApiMerge) -> impl Future<Output = Result<ApiMerged, ForgeError>> + Send;

    /// Where a change at this head stands with the forge's queue.
    fn queued(&self, number: Number, head: CommitId) -> impl Future<Output = Result<Queued, ForgeError>> + Send;

    /// Puts a change at this head into the queue, whether or not that threw it out before.
    fn queue_again(&self, number: Number, head: CommitId) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Runs checks of others again that failed at this head.
    fn rerun_failed(&self, number: Number, head: CommitId) -> impl Future<Output = Result<Reruns, ForgeError>> + Send;

    /// Tells the forge that a change was merged by a push of this commit, where it does not see that by itself.
    fn mark_merged(&self, number: Number, commit: CommitId) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// How many requests it allows, as it last said.
    fn budget(&self) -> Option<Budget>;
}
