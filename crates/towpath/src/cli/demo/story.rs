//! The story as it happens: what moved, what was held and why, and where production stood.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;
use towpath_control::view::{HistoryLine, StatusView, TargetView};
use towpath_domain::Timestamp;
use towpath_web::HistoryFilter;

use super::page;
use super::repositories::Chapter;
use crate::client::Client;
use crate::output::now;

/// How long a commit may take to where it goes. Far more than it needs: a slow machine is no failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of a commit.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// Its id.
    pub sha: String,
    /// First line of its message.
    pub subject: String,
    /// It ran in production.
    pub reached_production: bool,
    /// From the push to healthy in production, where it got there.
    pub lead_time_ms: Option<u64>,
    /// What held it, where it did not.
    pub held_by: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Happening {
    /// When.
    pub at: String,
    /// What.
    pub text: String,
}

/// Follows the server and tells.
pub struct Story<'a> {
    client: &'a Client,
    begun: Timestamp,
    last_event: i64,
    /// Lines are printed as they come.
    live: Option<&'a crate::output::Out>,
    /// All that was told.
    pub events: Vec<Happening>,
    /// What production runs: short id.
    production: Option<String>,
}

impl<'a> Story<'a> {
    /// A story that begins now; told live when `out` is given.
    pub fn new(client: &'a Client, out: Option<&'a crate::output::Out>) -> Self {
        Self { client, begun: now(), last_event: 0, live: out, events: Vec::new(), production: None }
    }

    /// Tells a line of its own.
    pub fn tell(&mut self, text: &str) {
        self.tell_at(now(), text);
    }

    /// Prints a line that is no event.
    pub fn say(&self, text: &str) {
        if let Some(out) = self.live {
            // A reader that went away ends the printing, not the story.
            let _printed = out.print(text);
        }
    }

    fn tell_at(&mut self, at: Timestamp, text: &str) {
        let offset = at.since(self.begun).as_millis();
        self.say(&format!("  {:>6.2}s  {text}", offset as f64 / 1000.0));
        self.events.push(Happening { at: at.to_string(), text: text.to_owned() });
    }

    /// Follows a commit until it runs in production, or until its test has failed for good.
    pub async fn follow(&mut self, chapter: Chapter, sha: &str) -> anyhow::Result<Commit> {
        let pushed = now();
        let begun = Instant::now();
        loop {
            let status = self.client.status().await.context("the server does not answer")?;
            self.catch_up().await?;
            self.watch_production(&status).await?;
            if let Some(commit) = arrived(&status, chapter, sha, pushed).or_else(|| held(&status, chapter, sha)) {
                return Ok(commit);
            }
            if begun.elapsed() > PATIENCE {
                bail!("{} went neither to production nor to a stop:\n{}", sha, stuck(&status));
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Tells what the ledger has that was not told yet.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let filter = HistoryFilter { limit: 200, ..HistoryFilter::default() };
        let mut lines: Vec<HistoryLine> =
            self.client.history(&filter).await?.items.into_iter().filter(|l| l.id > self.last_event).collect();
        lines.reverse();
        for line in lines {
            self.last_event = line.id;
            if is_told(&line) {
                self.tell_at(line.at, &line.text);
            }
        }
        Ok(())
    }

    async fn watch_production(&mut self, status: &StatusView) -> anyhow::Result<()> {
        let Some(target) = production(status) else { return Ok(()) };
        let Some(current) = &target.current else { return Ok(()) };
        let short = current.commit.id.short(7);
        if self.production.as_ref() == Some(&short) {
            return Ok(());
        }
        // Not taken on trust: the page that production serves must say so itself.
        if let Some(address) = target.endpoints.values().next() {
            let page = page::get(address, "/version").await?;
            if !page.contains(&short) {
                return Ok(());
            }
            self.tell(&format!("production now serves {short} at http://{address}/version"));
        }
        self.production = Some(short);
        Ok(())
    }
}

/// The production target.
pub fn production(status: &StatusView) -> Option<&TargetView> {
    status.targets.iter().find(|t| t.environment == "production")
}

/// Events that people want to hear of; steps and renderings are for `towpath history`.
fn is_told(line: &HistoryLine) -> bool {
    let kind = line.event.get("event").and_then(|kind| kind.as_str()).unwrap_or_default();
    let of_config = line.text.contains("config.git");
    matches!(kind, "branch-seen" | "run-finished" | "branch-unreachable") && !of_config
}

fn arrived(status: &StatusView, chapter: Chapter, sha: &str, pushed: Timestamp) -> Option<Commit> {
    let current = production(status)?.current.as_ref().filter(|current| current.commit.id.to_string() == sha)?;
    Some(Commit {
        sha: sha.to_owned(),
        subject: chapter.subject.to_owned(),
        reached_production: true,
        lead_time_ms: Some(current.at.since(pushed).as_millis()),
        held_by: None,
    })
}

/// The commit's own test or deploy failed and is not tried again: that is as far as it goes.
fn held(status: &StatusView, chapter: Chapter, sha: &str) -> Option<Commit> {
    let is_of = |target: &&TargetView| target.verdict.wanted.as_ref().is_some_and(|wanted| wanted.id.to_string() == sha);
    let stopped = status.targets.iter().filter(is_of).find_map(|target| {
        let hold = target.verdict.holds.iter().find(|hold| hold.reason == "failed")?;
        Some(format!("{}: {}", target.title, hold.text))
    });
    let of_source = status.sources.iter().find_map(|source| {
        let wanted = source.verdict.wanted.as_ref().is_some_and(|wanted| wanted.id.to_string() == sha);
        let hold = source.verdict.holds.iter().find(|hold| hold.reason == "failed" || hold.reason == "build-failed")?;
        wanted.then(|| format!("source {}: {}", source.name, hold.text))
    });
    Some(Commit {
        sha: sha.to_owned(),
        subject: chapter.subject.to_owned(),
        reached_production: false,
        lead_time_ms: None,
        held_by: Some(stopped.or(of_source)?),
    })
}

fn stuck(status: &StatusView) -> String {
    let lines = status.targets.iter().map(|t| format!("  {}: {}", t.title, t.verdict.summary));
    lines.chain(status.sources.iter().map(|s| format!("  source {}: {}", s.name, s.verdict.summary))).collect::<Vec<_>>().join("\n")
}
