//! What people may do.

use serde::{Deserialize, Serialize};

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// To see it.
    Look,
    /// To try again what failed, to cancel runs, and to say that one sees to a failure.
    Retry,
    /// To hold it, and to lift holds.
    Hold,
    /// To promote to it.
    Promote,
    /// To take it back.
    Rollback,
    /// To approve changes that move it.
    Approve,
    /// To reserve a namespace of a pool.
    Reserve,
    /// To have pull requests checked: again, not at all, those of forks; and to try something by hand.
    Check,
    /// To look after the installation: backups, tokens of others, health.
    Administer,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Look, Self::Retry, Self::Hold, Self::Promote, Self::Rollback, Self::Approve, Self::Reserve, Self::Check, Self::Administer];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Approve => "approve",
            Self::Reserve => "reserve",
            Self::Check => "check",
            Self::Administer => "administer",
        }
    }

    /// The verb that is written so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }
}
