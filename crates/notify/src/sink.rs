//! What a way of telling people is.

use std::pin::Pin;

use crate::message::Message;

/// One way of telling people. Slack, mail and webhooks are others of the same kind.
pub trait Sink: Send + Sync {
    /// Its name in this installation. The ledger keeps the sink's place under it, so a new name begins anew.
    fn name(&self) -> &str;

    /// Tells people. Dropped when Towpath stops in the middle; then it is called again with the same message later.
    ///
    /// # Errors
    /// [`DeliveryError`]; it is tried again unless the error says that this would not help.
    fn deliver<'a>(&'a self, message: &'a Message) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>>;
}

/// Why people were not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct DeliveryError {
    /// What went wrong, for people; without secrets.
    pub why: String,
    /// Trying again would not help.
    pub permanent: bool,
}

impl DeliveryError {
    /// One that may go away by itself.
    #[must_use]
    pub fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), permanent: false }
    }

    /// One that stays until somebody mends it.
    #[must_use]
    pub fn permanent(why: impl Into<String>) -> Self {
        Self { why: why.into(), permanent: true }
    }
}
