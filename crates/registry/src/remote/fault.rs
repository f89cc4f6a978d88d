//! What went wrong with a registry over the network, and whose fault it is.

use std::fmt;
use std::time::Duration;

use towpath_domain::{Digest, FailureClass};

use crate::Platform;

/// Why a registry over the network did not do what it was asked.
///
/// Each message names the registry. None holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The settings of the registry cannot be used.
    #[error("the registry {registry} cannot be used: {why}. Correct [registries.\"{registry}\"] in towpath.toml")]
    Settings {
        /// The registry's host.
        registry: String,
        /// What is wrong with them.
        why: String,
    },
    /// The registry has no such image, or part of one.
    #[error("the registry {registry} has no {what}. Build and push it first, or correct the name")]
    Missing {
        /// The registry's host.
        registry: String,
        /// What was asked for, such as `quay.io/org/app:5f8f0e1`.
        what: String,
    },
    /// The registry wants credentials, other ones, or ones that may do more.
    #[error("the registry {registry} refused {doing}: {why}. {mend}")]
    Refused {
        /// The registry's host.
        registry: String,
        /// What was tried, such as `to read quay.io/org/app:1`.
        doing: String,
        /// What it said.
        why: String,
        /// What to set in `towpath.toml`, or whom to ask.
        mend: String,
    },
    /// Nobody answers, or not in time.
    #[error("the registry {registry} could not be asked {doing}: {why}. {mend}")]
    Unreachable {
        /// The registry's host.
        registry: String,
        /// What was tried.
        doing: String,
        /// What the network said.
        why: String,
        /// What to look at.
        mend: &'static str,
    },
    /// The registry is in trouble, or wants to be asked less often.
    #[error("the registry {registry} answered {status} when asked {doing}: {why}{}. It is tried again", Later(*retry_after))]
    Busy {
        /// The registry's host.
        registry: String,
        /// What was tried.
        doing: String,
        /// The HTTP status: 429 or 5xx.
        status: u16,
        /// What it said.
        why: String,
        /// How long it wants to be left alone, where it said so.
        retry_after: Option<Duration>,
    },
    /// The registry understood, and does not want to.
    #[error("the registry {registry} answered {status} when asked {doing}: {why}. Check the image's name, and what the registry allows")]
    Rejected {
        /// The registry's host.
        registry: String,
        /// What was tried.
        doing: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        why: String,
    },
    /// The answer is not what the distribution specification says it must be. The host may be no registry.
    #[error("the answer of {registry} when asked {doing} makes no sense: {why}. Check that {registry} is a container registry")]
    Nonsense {
        /// The registry's host.
        registry: String,
        /// What was tried.
        doing: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The content is not that of its digest.
    #[error("{registry} gave content with the digest {found} for {what}: it is damaged, there or on its way. Nothing of it was kept; push it anew")]
    Altered {
        /// The registry's host.
        registry: String,
        /// What was asked for, with its digest.
        what: String,
        /// The digest of what came.
        found: Digest,
    },
    /// The image is there, but not for this platform.
    #[error("{image} is not there for {wanted}, only for {found}. Build it for {wanted}")]
    WrongPlatform {
        /// The image.
        image: String,
        /// The platform that was looked for.
        wanted: Platform,
        /// The platforms that are there, comma-separated.
        found: String,
    },
}

impl RemoteError {
    /// Whose fault it is, and with that whether Towpath tries again by itself.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Unreachable { .. } | Self::Busy { .. } => FailureClass::Environment,
            Self::Altered { .. } | Self::Nonsense { .. } => FailureClass::Unknown,
            Self::Settings { .. } | Self::Missing { .. } | Self::Refused { .. } | Self::Rejected { .. } | Self::WrongPlatform { .. } => {
                FailureClass::Own
            }
        }
    }

    /// How long the registry wants to be left alone, where it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

struct Later(Option<Duration>);

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, " (it wants to be left alone for {} s)", time.as_secs()),
            None => Ok(()),
        }
    }
}
