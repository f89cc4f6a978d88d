//! Whose fault a failure is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The class of a failure: it decides whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FailureClass {
    /// The change's own fault: its build, template, configuration or tests are wrong. Never retried by itself.
    Own,
    /// The environment's fault: a server away, a disk full, a node lost. Retried with backoff, within a bound.
    Environment,
    /// A test known to be flaky. Retried within a bound, and counted.
    Flaky,
    /// Nobody can tell. Held, and shown to people.
    Unknown,
}

impl FailureClass {
    /// Whether Towpath may try again by itself.
    #[must_use]
    pub fn is_retried(self) -> bool {
        matches!(self, Self::Environment | Self::Flaky)
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "the change's own fault",
            Self::Environment => "the environment's fault",
            Self::Flaky => "a flaky test",
            Self::Unknown => "of unknown cause",
        })
    }
}
