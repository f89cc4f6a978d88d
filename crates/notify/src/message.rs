//! All that people are told, in words. Nothing else in this crate makes sentences for people.

use serde::Serialize;
use serde_json::json;
use towpath_domain::{CommitId, FailureClass, Timestamp};
use towpath_engine::{ChangeKind, ChangeSpec, DeployWork, Event, Outcome, Subject, Work};
use towpath_ledger::{Recorded, Run};

/// Digits of a commit that are shown; as in a tag of default length.
const COMMIT_DIGITS: usize = 7;

/// The longest part of a failure's text that is told; the rest is a link away.
const MAX_DETAIL_CHARS: usize = 2_000;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A build failed.
    BuildFailed,
    /// Another run failed.
    RunFailed,
    /// A deploy that no promotion led to succeeded.
    Deployed,
    /// A promotion arrived: the target that it moved is healthy.
    Reached,
    /// A change was merged.
    Merged,
}

/// Something to tell people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// The same for the same event, however often it is told: who gets it twice can tell.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// When it happened.
    pub at: Timestamp,
    /// One line.
    pub title: String,
    /// More lines, plain text.
    pub body: String,
    /// The same for machines: the event, its subject, its run, links.
    pub payload: serde_json::Value,
}

/// How people call things that the ledger knows only by their ids.
pub trait Names: Send + Sync {
    /// A subject's title.
    fn title(&self, subject: &Subject) -> Option<String>;

    /// The environment that a target is in.
    fn environment(&self, subject: &Subject) -> Option<String>;
}

/// Knows no names: ids are shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn title(&self, _: &Subject) -> Option<String> {
        None
    }

    fn environment(&self, _: &Subject) -> Option<String> {
        None
    }
}

/// Puts events into words.
pub struct Writer<'a> {
    /// How people call things.
    pub names: &'a dyn Names,
    /// Where this Towpath's pages are, without a slash at the end; none means no links.
    pub base_url: Option<&'a str>,
}

impl Writer<'_> {
    /// What to tell of an event and the run that it ended; `None` when there is nothing to tell.
    #[must_use]
    pub fn write(&self, recorded: &Recorded, run: &Run) -> Option<Message> {
        let Event::RunFinished { outcome, .. } = &recorded.event else { return None };
        let (kind, title, mut lines) = match outcome {
            Outcome::Failed { class, step, message } => self.failed(run, *class, step, message),
            Outcome::Deployed { .. } => self.deployed(run)?,
            Outcome::Merged { commit } => self.merged(run, *commit)?,
            // A build that went well is told by the deploy that follows; what a person or a newer decision stopped, by that.
            Outcome::Built { .. } | Outcome::Opened { .. } | Outcome::Deleted | Outcome::Superseded { .. } | Outcome::Cancelled { .. } => {
                return None;
            }
        };
        if let Some(link) = self.run_link(run) {
            lines.push(link);
        }
        Some(Message {
            key: format!("event-{}", recorded.id),
            kind,
            at: recorded.at,
            title: one_line(&title),
            body: lines.join("\n"),
            payload: self.payload(recorded, run),
        })
    }

    fn failed(&self, run: &Run, class: FailureClass, step: &str, message: &str) -> (Kind, String, Vec<String>) {
        let attempt = if run.spec.attempt > 1 { format!(" (attempt {})", run.spec.attempt) } else { String::new() };
        let next = match class {
            FailureClass::Own => "It is not tried again by itself: mend it and merge, and Towpath goes on.",
            FailureClass::Environment => "It is tried again by itself, a few times.",
            FailureClass::Flaky => "It is tried again by itself, a few times, and counted.",
            FailureClass::Unknown => "It is held until somebody looks at it.",
        };
        let kind = if matches!(run.spec.work, Work::Build { .. }) { Kind::BuildFailed } else { Kind::RunFailed };
        let lines = vec![format!("Step `{step}` failed, {class}:"), shortened(message), next.to_owned()];
        (kind, format!("{} failed{attempt}", self.what(run)), lines)
    }

    fn deployed(&self, run: &Run) -> Option<(Kind, String, Vec<String>)> {
        let Work::Deploy(work) = &run.spec.work else { return None };
        let (subject, commit) = (run.subject(), short(work.commit));
        let title = self.title(&subject);
        let said = |kind, title: String| Some((kind, title, vec![format!("Why: {}.", run.spec.why.trim_end_matches('.'))]));
        if work.only_jobs {
            return said(Kind::Deployed, format!("Tests passed: {title} at {commit}"));
        }
        if work.vouchers.is_empty() {
            return said(Kind::Deployed, format!("Deployed {title} at {commit}"));
        }
        let place = self.names.environment(&subject).unwrap_or_else(|| title.clone());
        said(Kind::Reached, format!("Promotion reached {place}: {title} runs {commit}"))
    }

    fn merged(&self, run: &Run, commit: CommitId) -> Option<(Kind, String, Vec<String>)> {
        let Work::Change(change) = &run.spec.work else { return None };
        let lines = vec![format!("By {}, as {} of the config repository.", change.by, short(commit))];
        Some((Kind::Merged, format!("{} merged: {}", change_kind(change), change.title), lines))
    }

    /// A run's work, as the beginning of a sentence.
    fn what(&self, run: &Run) -> String {
        let title = self.title(&run.subject());
        match &run.spec.work {
            Work::Build { commit, .. } => format!("Build of {title} at {}", short(*commit)),
            Work::Deploy(DeployWork { commit, only_jobs: true, .. }) => format!("Test {title} at {}", short(*commit)),
            Work::Deploy(work) => format!("Deploy of {title} at {}", short(work.commit)),
            Work::Delete { .. } => format!("Deletion of {title}"),
            Work::Change(change) => format!("{} ({})", change_kind(change), change.title),
        }
    }

    fn title(&self, subject: &Subject) -> String {
        self.names.title(subject).unwrap_or_else(|| match subject {
            Subject::Source(name) => name.to_string(),
            Subject::Target(id) => format!("target {id}"),
            Subject::Change(id) => format!("change {id}"),
        })
    }

    fn run_link(&self, run: &Run) -> Option<String> {
        self.base_url.map(|base| format!("{base}/runs/{}", path_segment(run.spec.id.as_str())))
    }

    fn payload(&self, recorded: &Recorded, run: &Run) -> serde_json::Value {
        let subject = run.subject();
        json!({
            "event": recorded,
            "subject": { "of": subject, "title": self.title(&subject), "environment": self.names.environment(&subject) },
            "run": {
                "id": run.spec.id,
                "attempt": run.spec.attempt,
                "why": run.spec.why,
                "work": run.spec.work,
                "queued_at": run.queued_at,
                "started_at": run.started_at,
                "finished_at": run.finished_at,
            },
            "links": { "run": self.run_link(run) },
        })
    }
}

fn change_kind(change: &ChangeSpec) -> &'static str {
    match change.kind {
        ChangeKind::Promotion => "Promotion",
        ChangeKind::Rollback => "Rollback",
        ChangeKind::Hold => "Hold",
        ChangeKind::Release => "Release",
        ChangeKind::Edit => "Change",
    }
}

fn short(commit: CommitId) -> String {
    commit.short(COMMIT_DIGITS)
}

/// The beginning of a long text, cut between characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_DETAIL_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name as one segment of a URL's path.
fn path_segment(name: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests;
