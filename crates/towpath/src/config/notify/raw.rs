//! `[notify]` as it is written, and what it comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use towpath_domain::Span;
use towpath_notify::{Route, Topic};

use super::{Escalation, Notify, Pager, Tls, To, Way};
use crate::config::outside::{Credential, SecretRef};

/// `[notify]` as it is written.
#[derive(Deserialize, Default)]
pub struct Raw {
    command: Option<Program>,
    #[serde(default)]
    slack: BTreeMap<String, Slack>,
    #[serde(default)]
    slack_webhook: BTreeMap<String, Hook>,
    #[serde(default)]
    mattermost: BTreeMap<String, Hook>,
    #[serde(default)]
    teams: BTreeMap<String, Hook>,
    #[serde(default)]
    webhook: BTreeMap<String, Webhook>,
    #[serde(default)]
    mail: BTreeMap<String, Mail>,
    #[serde(default)]
    pagerduty: BTreeMap<String, ParsedPager>,
    #[serde(default)]
    opsgenie: BTreeMap<String, ParsedPager>,
    escalation: Option<RawEscalation>,
}

#[derive(Deserialize)]
struct RawEscalation {
    step: Option<Step>,
    #[serde(default)]
    environments: BTreeSet<String>,
    #[serde(default)]
    last: Vec<String>,
}

/// From one rung to the next: long enough for a person to answer.
#[derive(Deserialize)]
#[serde(try_from = "Span")]
struct Step(Span);

impl TryFrom<Span> for Step {
    type Error = String;
    fn try_from(span: Span) -> Result<Self, String> {
        if span < Span::from_secs(1) { Err(format!("{span} is too short: at least 1s")) } else { Ok(Self(span)) }
    }
}

/// Time to answer before the next one is called, when nothing is said.
const STEP: Span = Span::from_secs(15 * 60);

#[derive(Deserialize)]
struct RawPager {
    key_file: Option<PathBuf>,
    key: Option<SecretRef>,
    api: Option<String>,
    ca: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(try_from = "RawPager")]
struct ParsedPager(Pager);

impl TryFrom<RawPager> for ParsedPager {
    type Error = String;
    fn try_from(raw: RawPager) -> Result<Self, String> {
        let key = Credential::of(raw.key_file, raw.key, ("key_file", "key"))?
            .ok_or("it needs `key_file`, the file that holds the service's key, or `key`, its place in the secret store")?;
        let api = raw.api.map(|api| address(&api, "api").map(|api| api.trim_end_matches('/').to_owned())).transpose()?;
        Ok(Self(Pager { key, api, ca: raw.ca }))
    }
}

/// A program and its arguments.
#[derive(Deserialize)]
#[serde(try_from = "Vec<String>")]
struct Program(Vec<String>);

impl TryFrom<Vec<String>> for Program {
    type Error = String;
    fn try_from(words: Vec<String>) -> Result<Self, String> {
        if words.first().is_none_or(String::is_empty) { Err("the command names no program".to_owned()) } else { Ok(Self(words)) }
    }
}

#[derive(Deserialize)]
struct Common {
    events: Option<Vec<Topic>>,
    #[serde(default)]
    apps: Vec<String>,
    #[serde(default)]
    saas_files: Vec<String>,
    #[serde(default)]
    environments: Vec<String>,
    digest: Option<Span>,
    ca: Option<PathBuf>,
}

impl Common {
    /// The way to `to`; without `events`, it is told `usual`.
    fn way(self, usual: &[Topic], to: To) -> Result<Way, String> {
        if self.digest.is_some_and(|span| span < Span::from_secs(10)) {
            return Err("`digest` is at least 10s: what is to be told at once needs none".to_owned());
        }
        if self.events.as_ref().is_some_and(Vec::is_empty) {
            return Err("`events` is empty: then nothing is ever told; leave the table out".to_owned());
        }
        let topics = self.events.map_or_else(|| usual.iter().copied().collect(), |events| events.into_iter().collect());
        let route = Route {
            topics,
            apps: self.apps.into_iter().collect(),
            saas_files: self.saas_files.into_iter().collect(),
            environments: self.environments.into_iter().collect(),
            digest: self.digest,
        };
        Ok(Way { route, ca: self.ca, to })
    }
}

/// All there is: whoever is told by messages that grow hears of everything, as growing makes no noise.
const ALL: [Topic; 8] =
    [Topic::Started, Topic::Built, Topic::Stopped, Topic::Deployed, Topic::Merged, Topic::Promoted, Topic::Failed, Topic::Leases];

#[derive(Deserialize)]
struct RawSlack {
    #[serde(flatten)]
    common: Common,
    workspace: Option<String>,
    token_file: Option<PathBuf>,
    token: Option<SecretRef>,
    channel: Option<String>,
    #[serde(default)]
    start: bool,
    api: Option<String>,
}

#[derive(Deserialize)]
#[serde(try_from = "RawSlack")]
struct Slack(Way);

impl TryFrom<RawSlack> for Slack {
    type Error = String;
    fn try_from(raw: RawSlack) -> Result<Self, String> {
        let token = Credential::of(raw.token_file, raw.token, ("token_file", "token"))?
            .ok_or("a bot needs `token_file`, the file that holds its token, or `token`, its place in the secret store")?;
        if raw.common.digest.is_some() && raw.channel.is_none() {
            return Err("`digest` needs `channel`: what is told together is told in one place".to_owned());
        }
        let api = raw.api.unwrap_or_else(|| "https://slack.com/api".to_owned());
        let api = address(&api, "api")?.trim_end_matches('/').to_owned();
        // The table's name stands in where no workspace is named.
        let workspace = raw.workspace.unwrap_or_default();
        raw.common.way(&ALL, To::Slack { workspace, token, channel: raw.channel, start: raw.start, api }).map(Self)
    }
}

#[derive(Deserialize)]
struct RawHook {
    #[serde(flatten)]
    common: Common,
    url_file: Option<PathBuf>,
    url: Option<SecretRef>,
    channel: Option<String>,
}

/// A webhook whose address is its secret; of which kind it is, its table says.
#[derive(Deserialize)]
#[serde(try_from = "RawHook")]
struct Hook(Way, Option<String>);

impl TryFrom<RawHook> for Hook {
    type Error = String;
    fn try_from(raw: RawHook) -> Result<Self, String> {
        let url = Credential::of(raw.url_file, raw.url, ("url_file", "url"))?.ok_or(
            "the webhook's address is its secret: name `url_file`, the file that holds it, or `url = {secret = …, field = …}`, its place in \
             the secret store",
        )?;
        Ok(Self(raw.common.way(&Topic::USUAL, To::SlackWebhook(url))?, raw.channel))
    }
}

impl Hook {
    /// The same as another kind of webhook.
    fn of(self, kind: impl FnOnce(Credential, Option<String>) -> To) -> Way {
        match self.0.to {
            To::SlackWebhook(url) => Way { to: kind(url, self.1), ..self.0 },
            to => Way { to, ..self.0 },
        }
    }
}

#[derive(Deserialize)]
struct RawWebhook {
    #[serde(flatten)]
    common: Common,
    url: String,
    key_file: Option<PathBuf>,
    key: Option<SecretRef>,
}

#[derive(Deserialize)]
#[serde(try_from = "RawWebhook")]
struct Webhook(Way);

impl TryFrom<RawWebhook> for Webhook {
    type Error = String;
    fn try_from(raw: RawWebhook) -> Result<Self, String> {
        let key = Credential::of(raw.key_file, raw.key, ("key_file", "key"))?
            .ok_or("a webhook is signed: name `key_file`, the file that holds the key, or `key`, its place in the secret store")?;
        let url = address(&raw.url, "url")?.to_owned();
        raw.common.way(&Topic::USUAL, To::Webhook(url, key)).map(Self)
    }
}

#[derive(Deserialize)]
struct RawMail {
    #[serde(flatten)]
    common: Common,
    server: String,
    tls: Option<Tls>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    password: Option<SecretRef>,
    from: String,
    to: Vec<String>,
}

#[derive(Deserialize)]
#[serde(try_from = "RawMail")]
struct Mail(Way);

impl TryFrom<RawMail> for Mail {
    type Error = String;
    fn try_from(raw: RawMail) -> Result<Self, String> {
        let tls = raw.tls.unwrap_or(Tls::Starttls);
        let usual = match tls {
            Tls::Starttls => 587,
            Tls::Always => 465,
            Tls::None => 25,
        };
        let (host, port) = match raw.server.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => {
                (host.to_owned(), port.parse().map_err(|_| format!("{port:?} is no port; write `server` as host:port"))?)
            }
            _ => (raw.server.clone(), usual),
        };
        if host.is_empty() || host.contains('/') {
            return Err(format!("{:?} is no mail server; write `server` as host or host:port", raw.server));
        }
        let password = Credential::of(raw.password_file, raw.password, ("password_file", "password"))?;
        let credentials = match (raw.username, password) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            _ => return Err("`username` goes together with `password_file` or `password`".to_owned()),
        };
        if credentials.is_some() && tls == Tls::None {
            return Err("a password would go over the network in the clear: leave `tls = \"none\"` out".to_owned());
        }
        if raw.to.is_empty() {
            return Err("`to` is empty: name who gets the mail".to_owned());
        }
        raw.common.way(&Topic::USUAL, To::Mail { host, port, tls, credentials, from: raw.from, to: raw.to }).map(Self)
    }
}

/// An address that may be spoken to: encrypted, or on this machine.
fn address<'a>(text: &'a str, field: &str) -> Result<&'a str, String> {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    if text.starts_with("https://") || local.iter().any(|start| text.strip_prefix(start).is_some_and(|rest| rest.starts_with([':', '/']))) {
        Ok(text)
    } else {
        Err(format!("`{field}`: {text:?} does not begin with https://"))
    }
}

impl Raw {
    /// What it comes to, with paths meant from `folder`.
    ///
    /// # Errors
    /// A last rung that is no pager.
    pub fn from(self, folder: &Path) -> Result<Notify, String> {
        let mut pagers = BTreeMap::new();
        for (table, named) in [("pagerduty", self.pagerduty), ("opsgenie", self.opsgenie)] {
            for (name, ParsedPager(pager)) in named {
                let (key, ca) = (pager.key.from(folder), pager.ca.map(|ca| folder.join(ca)));
                pagers.insert(format!("{table}.{name}"), Pager { key, ca, ..pager });
            }
        }
        let escalation = self.escalation.map(|raw| Escalation {
            step: raw.step.map_or(STEP, |step| step.0),
            environments: raw.environments,
            last: raw.last,
        });
        if let Some(unknown) = escalation.iter().flat_map(|all| &all.last).find(|name| !pagers.contains_key(*name)) {
            return Err(format!("[notify.escalation] names {unknown:?}, but there is no [notify.{unknown}]"));
        }
        let mut ways = BTreeMap::new();
        for (name, Slack(mut way)) in self.slack {
            if let To::Slack { workspace, .. } = &mut way.to
                && workspace.is_empty()
            {
                workspace.clone_from(&name);
            }
            ways.insert(format!("slack.{name}"), way);
        }
        let hooks = |table: &str, hooks: BTreeMap<String, Hook>, kind: fn(Credential, Option<String>) -> To| {
            let named = hooks.into_iter().map(|(name, hook)| (format!("{table}.{name}"), hook.of(kind)));
            named.collect::<Vec<_>>()
        };
        ways.extend(hooks("slack_webhook", self.slack_webhook, |url, _| To::SlackWebhook(url)));
        ways.extend(hooks("mattermost", self.mattermost, To::Mattermost));
        ways.extend(hooks("teams", self.teams, |url, _| To::Teams(url)));
        ways.extend(self.webhook.into_iter().map(|(name, Webhook(way))| (format!("webhook.{name}"), way)));
        ways.extend(self.mail.into_iter().map(|(name, Mail(way))| (format!("mail.{name}"), way)));
        let ways = ways.into_iter().map(|(name, way)| (name, way.from(folder))).collect();
        Ok(Notify { command: self.command.map(|program| program.0), ways, pagers, escalation })
    }
}
