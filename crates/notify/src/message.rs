//! All that people are told, in words. Nothing else in this crate makes sentences for people.

use serde::{Deserialize, Serialize};
use serde_json::json;
use towpath_domain::{CommitId, FailureClass, Pages, ReservationId, Span, Timestamp};
use towpath_engine::{ChangeKind, ChangeSpec, DeployWork, Event, Outcome, Subject, Work};
use towpath_ledger::{Recorded, Run};

use crate::about::{About, Lease, Names};
use crate::release::{Stage, StageKind, StageState};

mod digest;

pub use digest::digest;

/// Digits of a commit that are shown; as in a tag of default length.
const COMMIT_DIGITS: usize = 7;

/// The longest part of a failure's text that is told; the rest is a link away.
const MAX_DETAIL_CHARS: usize = 2_000;

/// Last lines of a log that are told with a failure.
const LAST_LINES: usize = 12;

/// The longest of these lines, in characters.
const MAX_LINE_CHARS: usize = 240;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A build began.
    BuildStarted,
    /// A deploy or a test began.
    DeployStarted,
    /// A change is carried to the config repository.
    ChangeStarted,
    /// A build made its image.
    Built,
    /// A person or a newer decision stopped a run.
    Stopped,
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
    /// Somebody's lease on a namespace ends soon.
    LeaseEnds,
    /// Several of these together.
    Digest,
    /// Somebody must see to a failure.
    Incident,
    /// Somebody sees to it.
    Seen,
    /// It is mended.
    Mended,
}

/// How much a message asks of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// For those who follow a release; another message tells what came of it.
    Progress,
    /// Good to know.
    News,
    /// To be seen to.
    Failure,
}

impl Kind {
    /// How much it asks of people.
    #[must_use]
    pub fn weight(self) -> Weight {
        match self {
            Self::BuildStarted | Self::DeployStarted | Self::ChangeStarted | Self::Built | Self::Stopped => Weight::Progress,
            Self::Deployed | Self::Reached | Self::Merged | Self::LeaseEnds | Self::Digest | Self::Seen | Self::Mended => Weight::News,
            Self::BuildFailed | Self::RunFailed | Self::Incident => Weight::Failure,
        }
    }
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
    /// The last lines of the log, where something failed; secrets masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// Where to go from here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// The same for machines: the event, its subject, its run, links.
    pub payload: serde_json::Value,
    /// Whom it concerns.
    #[serde(skip)]
    pub about: About,
    /// What it means for the release.
    #[serde(skip)]
    pub stage: Option<Stage>,
}

/// A page that a message leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What is there, or happens there.
    pub text: String,
    /// Its address.
    pub url: String,
}

/// Puts events into words.
pub struct Writer<'a> {
    /// How people call things.
    pub names: &'a dyn Names,
    /// Where this Towpath's pages are; none means no links.
    pub pages: Option<&'a Pages>,
}

impl Writer<'_> {
    /// What to tell of an event and the run that it began or ended; `None` when there is nothing to tell.
    #[must_use]
    pub fn write(&self, recorded: &Recorded, run: &Run) -> Option<Message> {
        let outcome = match &recorded.event {
            Event::RunStarted { .. } => None,
            Event::RunFinished { outcome, .. } => Some(outcome),
            _ => return None,
        };
        // A pull request is its author's: they are told where it is, and no room is.
        if matches!(run.spec.work, Work::Check(_)) {
            return None;
        }
        let (what, about) = (self.what(run), self.names.about(&run.spec.work));
        let (kind, title, mut lines) = match outcome {
            None => self.started(run)?,
            Some(Outcome::Failed { class, step, message, .. }) => self.failed(run, *class, step, message),
            Some(Outcome::Deployed { .. }) => self.deployed(run)?,
            Some(Outcome::Merged { commit }) => self.merged(run, *commit)?,
            Some(Outcome::Built { image, .. }) => (Kind::Built, format!("{what} is done"), vec![format!("Image: {image}")]),
            Some(Outcome::Superseded { by }) => (Kind::Stopped, format!("{what} made room"), vec![format!("For {by}.")]),
            Some(Outcome::Cancelled { by }) => (Kind::Stopped, format!("{what} was stopped"), vec![format!("By {by}.")]),
            Some(Outcome::Deleted | Outcome::Opened { .. } | Outcome::Checked { .. }) => return None,
        };
        let last_lines = match outcome {
            Some(Outcome::Failed { step, message, .. }) => self.last_lines(run, step, message),
            _ => Vec::new(),
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
            last_lines,
            links: self.links(run, kind),
            payload: self.payload(recorded, run),
            stage: self.stage(recorded, run, outcome, about.last),
            about,
        })
    }

    /// What to tell of a lease that ends soon; `None` when it is over by now.
    #[must_use]
    pub fn lease_ends(&self, recorded: &Recorded, reservation: &ReservationId, until: Timestamp) -> Option<Message> {
        let lease = self.names.lease(reservation)?;
        let Lease { namespace, pool, requester, purpose, .. } = &lease;
        let page = self.pages.map(Pages::namespaces);
        let mut lines = vec![format!("At {until} it is deleted with all that is in it.")];
        lines.extend((!purpose.is_empty()).then(|| format!("It was reserved for: {}.", one_line(purpose).trim_end_matches('.'))));
        lines.push(format!("To keep it: `towpath namespace extend {namespace} --lease 1h --reason …`."));
        lines.extend(page.clone());
        Some(Message {
            key: format!("event-{}", recorded.id),
            kind: Kind::LeaseEnds,
            at: recorded.at,
            title: one_line(&format!(
                "The lease of {requester} on {namespace} of the pool {pool} ends in {}",
                rough(until.since(recorded.at))
            )),
            body: lines.join("\n"),
            last_lines: Vec::new(),
            links: page.iter().map(|url| Link { text: "Namespaces".to_owned(), url: url.clone() }).collect(),
            payload: json!({ "event": recorded, "lease": lease, "links": { "namespaces": page } }),
            about: lease.about.clone(),
            stage: None,
        })
    }

    fn started(&self, run: &Run) -> Option<(Kind, String, Vec<String>)> {
        let kind = match &run.spec.work {
            Work::Build { .. } => Kind::BuildStarted,
            Work::Deploy(_) => Kind::DeployStarted,
            Work::Change(_) => Kind::ChangeStarted,
            Work::Delete { .. } | Work::Check(_) => return None,
        };
        Some((kind, format!("{} began", self.what(run)), vec![format!("Why: {}.", run.spec.why.trim_end_matches('.'))]))
    }

    /// What was said last, without what the failure's own text tells already.
    fn last_lines(&self, run: &Run, step: &str, message: &str) -> Vec<String> {
        let lines = self.names.last_lines(&run.spec.id, step, LAST_LINES);
        let fresh = lines.into_iter().filter(|line| !line.trim().is_empty() && !message.contains(line.trim()));
        fresh.map(|line| cut(&line, MAX_LINE_CHARS)).collect()
    }

    /// What an event means for the release that the run moves.
    fn stage(&self, recorded: &Recorded, run: &Run, outcome: Option<&Outcome>, last: bool) -> Option<Stage> {
        let subject = run.subject();
        let (kind, title) = match &run.spec.work {
            Work::Build { .. } => (StageKind::Build, self.title(&subject)),
            Work::Deploy(work) if work.only_jobs => (StageKind::Test, self.title(&subject)),
            Work::Deploy(_) => (StageKind::Deploy, self.title(&subject)),
            Work::Change(change) if change.kind == ChangeKind::Promotion => (StageKind::Promotion, change.title.clone()),
            Work::Change(_) | Work::Delete { .. } | Work::Check(_) => return None,
        };
        let state = match outcome {
            None => StageState::Running,
            Some(Outcome::Failed { .. }) => StageState::Failed,
            // It goes on once people and checks have spoken.
            Some(Outcome::Opened { .. }) => StageState::Running,
            Some(Outcome::Superseded { .. } | Outcome::Cancelled { .. }) => StageState::Stopped,
            Some(
                Outcome::Built { .. } | Outcome::Deployed { .. } | Outcome::Deleted | Outcome::Merged { .. } | Outcome::Checked { .. },
            ) => StageState::Done,
        };
        Some(Stage {
            key: towpath_ledger::subject_key(&subject),
            kind,
            title: one_line(&title),
            state,
            // A run that another worker took up goes on: it began when the first one began.
            started: run.started_at.filter(|started| *started <= recorded.at),
            finished: outcome.is_some().then_some(recorded.at),
            run: run.spec.id.to_string(),
            link: self.run_link(run),
            attempt: run.spec.attempt,
            last: kind == StageKind::Deploy && last,
        })
    }

    fn links(&self, run: &Run, kind: Kind) -> Vec<Link> {
        let link = |text: &str, url: String| Link { text: text.to_owned(), url };
        // What has not begun has no results.
        let results = run.outcome.as_ref().and_then(|_| self.names.results(&run.spec.id)).map(|url| link("Test results", url));
        let Some(page) = self.run_link(run) else { return results.into_iter().collect() };
        let mut links = vec![link("Run", page.clone()), link("Logs", format!("{page}/logs"))];
        links.extend(results);
        if kind.weight() == Weight::Failure {
            links.push(link("Retry", format!("{page}/retry")));
            if matches!(&run.spec.work, Work::Deploy(work) if !work.only_jobs) {
                links.push(link("Roll back", format!("{page}/rollback")));
            }
        }
        links
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
        let mut lines = vec![format!("Step `{step}` failed, {class}:"), shortened(message), next.to_owned()];
        lines.extend(commands(run, class));
        (kind, format!("{} failed{attempt}", self.what(run)), lines)
    }

    fn deployed(&self, run: &Run) -> Option<(Kind, String, Vec<String>)> {
        let Work::Deploy(work) = &run.spec.work else { return None };
        let (subject, commit) = (run.subject(), short(work.commit));
        let title = self.title(&subject);
        let said = |kind, title: String| Some((kind, title, vec![format!("Why: {}.", run.spec.why.trim_end_matches('.'))]));
        if work.only_jobs {
            let how = if run.spec.is_retried() { ", as a retried pass" } else { "" };
            return said(Kind::Deployed, format!("Tests passed: {title} at {commit}{how}"));
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
            Work::Check(work) => format!("Check of {title} at {}", short(work.head)),
            Work::Change(change) => format!("{} ({})", change_kind(change), change.title),
        }
    }

    fn title(&self, subject: &Subject) -> String {
        self.names.title(subject).unwrap_or_else(|| match subject {
            Subject::Source(name) => name.to_string(),
            Subject::Target(id) => format!("target {id}"),
            Subject::Change(id) => format!("change {id}"),
            Subject::Check(id) => id.to_string(),
        })
    }

    fn run_link(&self, run: &Run) -> Option<String> {
        self.pages.map(|pages| pages.run(&run.spec.id))
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

/// The commands that mend what failed, for a terminal.
fn commands(run: &Run, class: FailureClass) -> Option<String> {
    let id = &run.spec.id;
    let retry = (!class.is_retried()).then(|| format!("`towpath retry {id} --reason …`"));
    let back = match &run.spec.work {
        Work::Deploy(work) if !work.only_jobs => Some(format!("`towpath rollback {} --reason …`", work.target)),
        _ => None,
    };
    let all: Vec<String> = [Some(format!("`towpath logs {id}`")), retry, back].into_iter().flatten().collect();
    Some(format!("See {}.", all.join(", ")))
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
    cut(text, MAX_DETAIL_CHARS)
}

/// At most so many characters of a text.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How long something took, as exact as people say it.
pub(crate) fn rough(span: Span) -> String {
    let millis = span.as_millis();
    let exact = if millis < 10_000 { millis / 100 * 100 } else { millis / 1000 * 1000 };
    Span::from_millis(if exact >= 3_600_000 { exact / 60_000 * 60_000 } else { exact }).to_string()
}

#[cfg(test)]
mod tests;
