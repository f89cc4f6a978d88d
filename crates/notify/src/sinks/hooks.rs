//! Incoming webhooks: Slack's, Mattermost's, and those of Teams' workflows. Their address is their secret.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::hidden::Secret;
use crate::message::Message;
use crate::render::{mattermost, slack, teams};
use crate::sink::{DeliveryError, Sink, Telling};

use super::http::Http;

/// Whose webhook it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookKind {
    /// Slack's.
    Slack,
    /// Mattermost's, and a channel other than its own.
    Mattermost(Option<String>),
    /// That of a Teams workflow.
    Teams,
}

/// A webhook that takes one message after the other.
#[derive(Debug, Clone)]
pub struct Hook {
    name: String,
    kind: HookKind,
    url: Secret,
    http: Http,
}

impl Hook {
    /// A sink of this name that posts to `url`.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: HookKind, url: Secret, http: Http) -> Self {
        Self { name: name.into(), kind, url, http }
    }

    fn body(&self, message: &Message) -> Value {
        match &self.kind {
            HookKind::Slack => {
                let body = slack::message(message);
                json!({ "text": body.text, "blocks": body.blocks })
            }
            HookKind::Mattermost(channel) => mattermost::message(message, channel.as_deref()),
            HookKind::Teams => teams::message(message),
        }
    }

    async fn post(&self, message: &Message) -> Result<(), DeliveryError> {
        let url = self.url.get().await.map_err(|why| DeliveryError::passing(format!("the webhook's address cannot be had: {why}")))?;
        self.http.ask(self.http.post(url.expose_secret()).json(&self.body(message))).await?;
        Ok(())
    }
}

impl Sink for Hook {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(&'a self, message: &'a Message) -> Telling<'a> {
        Box::pin(self.post(message))
    }
}
