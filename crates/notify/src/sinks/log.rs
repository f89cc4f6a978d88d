//! Tells the log.

use std::pin::Pin;

use crate::message::{Message, Weight};
use crate::sink::{DeliveryError, Sink};

/// Writes each message to Towpath's own log, failures as warnings.
#[derive(Debug, Clone)]
pub struct LogSink {
    name: String,
}

impl LogSink {
    /// A sink of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Sink for LogSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(&'a self, message: &'a Message) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        let (key, title, body) = (&message.key, &message.title, &message.body);
        if message.kind.weight() == Weight::Failure {
            tracing::warn!(key, body, "{title}");
        } else {
            tracing::info!(key, body, "{title}");
        }
        Box::pin(std::future::ready(Ok(())))
    }
}
