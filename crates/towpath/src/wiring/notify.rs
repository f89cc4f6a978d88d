//! Who is told what, as `towpath.toml` says.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use towpath_domain::Span;
use towpath_notify::sinks::{
    CommandSink, Hook, HookKind, Http, LogSink, Mail, MailSettings, MailTls, Otlp as OtlpSink, Slack, SlackSettings, Webhook,
};
use towpath_notify::{Clock, Hidden, InFile, Listener, Secret, SecretSource, Sink};

use super::incidents::Calls;
use super::outside::Reached;
use crate::config::notify::{Notify, Tls, To, Way};
use crate::config::outside::Credential;
use crate::config::telemetry::Otlp;

/// Everybody who is told (the log, a program of the installation's own, and all that `[notify]` names), and what people are called with.
/// What they are told with is hidden by `hidden`.
///
/// # Errors
/// When one cannot be set up, with its table.
pub fn listeners(
    notify: &Notify,
    environment: &[(String, String)],
    outside: &Reached,
    hidden: &Hidden,
    clock: &Clock,
) -> anyhow::Result<(Vec<Listener>, Calls)> {
    let log: Arc<dyn Sink> = Arc::new(LogSink::new("log"));
    let mut all: Vec<Listener> = vec![log.into()];
    if let Some([program, arguments @ ..]) = notify.command.as_deref() {
        let command: Arc<dyn Sink> = Arc::new(CommandSink {
            name: "command".to_owned(),
            program: PathBuf::from(program),
            arguments: arguments.to_vec(),
            environment: environment.to_vec(),
            timeout: Span::from_secs(30),
        });
        all.push(command.into());
    }
    let secret = |credential: &Credential| secret(credential, outside, hidden);
    let mut calls = Calls { pagers: Calls::pagers(notify, secret)?, ..Calls::default() };
    for (name, way) in &notify.ways {
        let sink = sink(name, way, secret, clock, &mut calls).map_err(|why| anyhow!("[notify.{name}]: {why}"))?;
        all.push(Listener { sink, route: way.route.clone() });
    }
    Ok((all, calls))
}

/// The collector that each run is sent to, as spans of its release's trace.
///
/// # Errors
/// When no client can be made for it.
pub fn traces(otlp: &Otlp, outside: &Reached, hidden: &Hidden) -> anyhow::Result<Listener> {
    let http = Http::new(otlp.ca.as_deref()).map_err(|why| anyhow!("[telemetry.otlp]: {why}"))?;
    let header = otlp.header.as_ref().map(|(name, value)| (name.clone(), secret(value, outside, hidden)));
    let sink: Arc<dyn Sink> = Arc::new(OtlpSink::new(&otlp.endpoint, header, http));
    Ok(sink.into())
}

fn secret(credential: &Credential, outside: &Reached, hidden: &Hidden) -> Secret {
    let source: Arc<dyn SecretSource> = match credential {
        Credential::File(file) => Arc::new(InFile(file.clone())),
        Credential::Secret(secret) => outside.secret_source(secret),
    };
    Secret::new(source, hidden.clone())
}

fn sink(name: &str, way: &Way, secret: impl Fn(&Credential) -> Secret, clock: &Clock, calls: &mut Calls) -> Result<Arc<dyn Sink>, String> {
    let http = || Http::new(way.ca.as_deref());
    let hook = |kind, url: &Credential| Ok::<Arc<dyn Sink>, String>(Arc::new(Hook::new(name, kind, secret(url), http()?)));
    Ok(match &way.to {
        To::Slack { workspace, token, channel, start, api } => {
            let (workspace, channel, api) = (workspace.clone(), channel.clone(), api.clone());
            let settings = SlackSettings { name: name.to_owned(), workspace, token: secret(token), channel, start: *start, api };
            let workspace = settings.workspace.clone();
            let slack = Arc::new(Slack::new(settings, http()?));
            calls.slack.entry(workspace).or_insert_with(|| Arc::clone(&slack));
            slack
        }
        To::SlackWebhook(url) => hook(HookKind::Slack, url)?,
        To::Mattermost(url, channel) => hook(HookKind::Mattermost(channel.clone()), url)?,
        To::Teams(url) => hook(HookKind::Teams, url)?,
        To::Webhook(url, key) => Arc::new(Webhook::new(name, url, secret(key), http()?, Arc::clone(clock))),
        To::Mail { host, port, tls, credentials, from, to } => {
            let tls = match tls {
                Tls::Always => MailTls::Always,
                Tls::Starttls => MailTls::StartTls,
                Tls::None => MailTls::None,
            };
            let credentials = credentials.as_ref().map(|(user, password)| (user.clone(), secret(password)));
            let (name, host, ca, from, to) = (name.to_owned(), host.clone(), way.ca.clone(), from.clone(), to.clone());
            let mail = Arc::new(Mail::new(MailSettings { name, host, port: *port, tls, ca, credentials, from, to })?);
            calls.mail.get_or_insert_with(|| Arc::clone(&mail));
            mail
        }
    })
}
