//! Who is told, and how: `[notify]`. Addresses that are secrets, tokens and passwords stand in files or in the secret store.

mod raw;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use towpath_domain::Span;
use towpath_notify::Route;

use super::outside::Credential;

pub use raw::Raw;
pub use shape::SHAPE;

/// Who is told, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// A program that gets each message as JSON on its standard input.
    pub command: Option<Vec<String>>,
    /// The others, by the sink's name, such as `slack.example`.
    pub ways: BTreeMap<String, Way>,
    /// Who is called for incidents, by the table's name, such as `pagerduty.hub`.
    pub pagers: BTreeMap<String, Pager>,
    /// How incidents climb; they do not, without it.
    pub escalation: Option<Escalation>,
}

/// A service that calls people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pager {
    /// Where its key is.
    pub key: Credential,
    /// The API's address; the service's own when none is named.
    pub api: Option<String>,
    /// Its certificate authority.
    pub ca: Option<PathBuf>,
}

/// How incidents climb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// From one rung to the next.
    pub step: Span,
    /// The environments whose failures are incidents; all when none is named.
    pub environments: BTreeSet<String>,
    /// The last rungs, after those of the app's own policy: names of `pagers`.
    pub last: Vec<String>,
}

/// One way of telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What is told.
    pub route: Route,
    /// The other end's certificate authority.
    pub ca: Option<PathBuf>,
    /// Whom, and how.
    pub to: To,
}

/// Whom to tell, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Slack, by a bot's token.
    Slack {
        /// The workspace's name in the config repository.
        workspace: String,
        /// The token.
        token: Credential,
        /// Where what no saas file claims is told.
        channel: Option<String>,
        /// There, that something begins is told, too.
        start: bool,
        /// The API's address.
        api: String,
    },
    /// An incoming webhook of Slack.
    SlackWebhook(Credential),
    /// An incoming webhook of Mattermost, and a channel other than its own.
    Mattermost(Credential, Option<String>),
    /// A webhook of a Teams workflow.
    Teams(Credential),
    /// A webhook of one's own, and the key that it is signed with.
    Webhook(String, Credential),
    /// Mail.
    Mail {
        /// The server.
        host: String,
        /// Its port.
        port: u16,
        /// How the way there is kept from others' eyes.
        tls: Tls,
        /// User and password.
        credentials: Option<(String, Credential)>,
        /// The sender.
        from: String,
        /// Who gets it.
        to: Vec<String>,
    },
}

/// How the way to a mail server is kept from others' eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// After STARTTLS, which must be offered.
    Starttls,
    /// From the first byte.
    Always,
    /// Not at all.
    None,
}

impl Notify {
    /// The credentials that stand in the secret store, by the table that names them.
    pub fn in_store(&self) -> impl Iterator<Item = &str> {
        let in_store = |way: &Way| matches!(way.credential(), Some(Credential::Secret(_)));
        let ways = self.ways.iter().filter(move |(_, way)| in_store(way)).map(|(name, _)| name.as_str());
        let pagers = self.pagers.iter().filter(|(_, pager)| matches!(pager.key, Credential::Secret(_)));
        ways.chain(pagers.map(|(name, _)| name.as_str()))
    }
}

impl Way {
    fn credential(&self) -> Option<&Credential> {
        match &self.to {
            To::Slack { token, .. } => Some(token),
            To::SlackWebhook(url) | To::Mattermost(url, _) | To::Teams(url) => Some(url),
            To::Webhook(_, key) => Some(key),
            To::Mail { credentials, .. } => credentials.as_ref().map(|(_, password)| password),
        }
    }

    fn from(self, folder: &Path) -> Self {
        let to = match self.to {
            To::Slack { workspace, token, channel, start, api } => To::Slack { workspace, token: token.from(folder), channel, start, api },
            To::SlackWebhook(url) => To::SlackWebhook(url.from(folder)),
            To::Mattermost(url, channel) => To::Mattermost(url.from(folder), channel),
            To::Teams(url) => To::Teams(url.from(folder)),
            To::Webhook(url, key) => To::Webhook(url, key.from(folder)),
            To::Mail { host, port, tls, credentials, from, to } => {
                let credentials = credentials.map(|(name, password)| (name, password.from(folder)));
                To::Mail { host, port, tls, credentials, from, to }
            }
        };
        Self { ca: self.ca.map(|ca| folder.join(ca)), to, ..self }
    }
}
