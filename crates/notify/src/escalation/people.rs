//! A user group that is called in Slack, and people who get mail.

use std::sync::Arc;

use lettre::message::Mailbox;
use towpath_domain::Timestamp;

use super::{Action, Incident, Pager};
use crate::about::About;
use crate::message::{Kind, Message};
use crate::sink::Telling;
use crate::sinks::{Mail, Slack};

/// A user group that is called in a channel.
#[derive(Debug, Clone)]
pub struct UserGroup {
    /// The workspace.
    pub slack: Arc<Slack>,
    /// The channel.
    pub channel: String,
    /// The group's handle, without `@`.
    pub handle: String,
}

/// People who get mail.
#[derive(Debug, Clone)]
pub struct MailTo {
    mail: Arc<Mail>,
    to: Vec<Mailbox>,
}

impl MailTo {
    /// Sends by `mail` to these.
    ///
    /// # Errors
    /// Which is no address.
    pub fn new(mail: Arc<Mail>, to: &[String]) -> Result<Self, String> {
        let address = |text: &String| text.parse::<Mailbox>().map_err(|error| format!("{text:?} is no mail address: {error}"));
        Ok(Self { mail, to: to.iter().map(address).collect::<Result<_, _>>()? })
    }
}

/// An incident in words.
fn message(action: &Action, incident: &Incident, at: Timestamp) -> Message {
    let (word, kind, title, body) = match action {
        Action::Trigger => {
            ("trigger", Kind::Incident, incident.title.clone(), format!("{}\n`towpath ack` says that you see to it.", incident.detail))
        }
        Action::Acknowledge { by } => ("acknowledge", Kind::Seen, format!("{by} sees to it: {}", incident.title), String::new()),
        Action::Resolve => ("resolve", Kind::Mended, format!("Mended: {}", incident.title), String::new()),
    };
    Message {
        key: format!("{}-{word}", incident.key()),
        kind,
        at,
        title,
        body,
        last_lines: Vec::new(),
        links: incident.links.clone(),
        payload: serde_json::json!({ "incident": incident, "action": word }),
        about: About::default(),
        stage: None,
    }
}

impl Pager for UserGroup {
    fn page<'a>(&'a self, action: &'a Action, incident: &'a Incident, at: Timestamp) -> Telling<'a> {
        Box::pin(async move {
            let called = (*action == Action::Trigger).then_some(self.handle.as_str());
            self.slack.call_group(&self.channel, called, &message(action, incident, at)).await
        })
    }
}

impl Pager for MailTo {
    fn page<'a>(&'a self, action: &'a Action, incident: &'a Incident, at: Timestamp) -> Telling<'a> {
        Box::pin(async move {
            // Nobody needs a mail that says that a colleague read theirs.
            if matches!(action, Action::Acknowledge { .. }) {
                return Ok(());
            }
            self.mail.send(&self.to, &message(action, incident, at)).await
        })
    }
}
