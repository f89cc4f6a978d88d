//! What every forge can do.

use std::future::Future;
use std::pin::Pin;

use towpath_domain::{ChangeId, CommitId};

use crate::{Change, CloseOutcome, ForgeError, MergeOrder, MergeOutcome, MergeResult, Proposal, Proposed};

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

    /// Closes the change at `head` without merging it. `why` is told to people where the forge has a place for it.
    ///
    /// # Errors
    /// [`ForgeError::Git`] when the repository cannot be reached or refuses, [`ForgeError::BadId`].
    fn close<'a>(&'a self, id: &'a ChangeId, head: CommitId, why: &'a str) -> Answer<'a, CloseOutcome>;
}
