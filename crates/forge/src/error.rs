//! What can go wrong with a forge.

use towpath_domain::{ChangeId, CommitId, FailureClass};
use towpath_git::GitError;

/// Why a forge did not do what was asked. That something moved meanwhile is no error but an outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// Git, or the repository, failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The commit to be pushed is not what merging the two named commits gives, so it is not what the checks saw.
    #[error(
        "change {id}: merging {head} into {base} gives {made}, not the commit {asked} that was asked for; \
         ask for the merged result again and check that"
    )]
    NotTheMerge {
        /// The change.
        id: ChangeId,
        /// What is merged into.
        base: CommitId,
        /// What is merged.
        head: CommitId,
        /// The commit that was asked for.
        asked: CommitId,
        /// The merge, or that there is none.
        made: String,
    },
    /// The forge's API refused, or could not be asked.
    #[error("{forge}: {what}: {why}")]
    Api {
        /// The forge, by its host.
        forge: String,
        /// What was asked for.
        what: String,
        /// What it said, or what was in the way, and what to do about it; never a token.
        why: String,
        /// Whose fault it is.
        class: FailureClass,
    },
    /// The forge's API was told to do something, and its answer was lost: it may have been done or not. Look before telling it again.
    #[error("{forge}: {what}: {why}; it is unknown whether it took place")]
    Lost {
        /// The forge, for people.
        forge: String,
        /// What it was told.
        what: String,
        /// What came in place of an answer; never a token.
        why: String,
    },
    /// The forge has nothing of the kind.
    #[error("{forge} cannot do this: {what}")]
    Unable {
        /// The forge, for people.
        forge: String,
        /// What it cannot do.
        what: &'static str,
    },
    /// A change's id cannot be a branch's name.
    #[error("the change id {id:?} cannot be used: {why}")]
    BadId {
        /// The id.
        id: String,
        /// The rule that it breaks.
        why: String,
    },
}

impl ForgeError {
    /// Whose fault it is, and so whether trying again by itself can help.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Git(error) => error.class(),
            Self::NotTheMerge { .. } | Self::Unable { .. } => FailureClass::Unknown,
            Self::Api { class, .. } => *class,
            Self::Lost { .. } => FailureClass::Environment,
            Self::BadId { .. } => FailureClass::Own,
        }
    }

    /// Whether what was asked for may have taken place all the same.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}
