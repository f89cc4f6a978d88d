//! Calling a user group.

use serde_json::json;

use super::Slack;
use crate::message::Message;
use crate::render::slack::{called, message};
use crate::sink::DeliveryError;

impl Slack {
    /// Posts a message in a channel, and calls a user group by its handle where one is named.
    ///
    /// # Errors
    /// As [`crate::Sink::deliver`].
    pub async fn call_group(&self, channel: &str, handle: Option<&str>, told: &Message) -> Result<(), DeliveryError> {
        let mut body = message(told);
        if let Some(handle) = handle {
            let handle = handle.trim_start_matches('@');
            called(&mut body, handle, self.group_id(handle).await.as_deref());
        }
        self.post(channel, None, &body, &told.key).await?;
        Ok(())
    }

    /// A user group's id. Without it (the bot lacks `usergroups:read`) the group is named, and not called: better than silence.
    async fn group_id(&self, handle: &str) -> Option<String> {
        match self.look("usergroups.list", &[("include_disabled", "false")]).await {
            Ok(answer) => {
                let found = answer["usergroups"].as_array()?.iter().find(|group| group["handle"] == json!(handle));
                Some(found?["id"].as_str()?.to_owned())
            }
            Err(refusal) => {
                let error = DeliveryError::from(refusal);
                tracing::warn!(sink = self.settings.name, handle, %error, "The user group cannot be called, only named; grant the bot usergroups:read.");
                None
            }
        }
    }
}
