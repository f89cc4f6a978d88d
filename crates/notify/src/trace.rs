//! A run that ended as spans of its release's trace. Pure.
//!
//! A release is one trace through all its runs, however long it takes and however often Towpath is started again in between: its id, and those
//! of its spans, are made from what they are about alone. What is told twice has the same ids both times.

use sha2::{Digest as _, Sha256};
use towpath_domain::Timestamp;
use towpath_engine::{Outcome, Subject, Work};
use towpath_ledger::{Run, Step};

use crate::about::ReleaseId;

/// One span, as a collector wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSpan {
    /// The trace: 16 bytes.
    pub trace: [u8; 16],
    /// The span: 8 bytes.
    pub id: [u8; 8],
    /// The span that it is a part of.
    pub parent: Option<[u8; 8]>,
    /// What it is called. Of few kinds, so that spans of different releases can be laid beside each other.
    pub name: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Names and values.
    pub attributes: Vec<(&'static str, String)>,
    /// Why it failed, for people; none when it did not.
    pub error: Option<String>,
}

/// The id of what these words name. The words are told apart by a byte that none of them has.
fn id<const N: usize>(words: &[&str]) -> [u8; N] {
    let digest = Sha256::digest(words.join("\0"));
    let mut id = [0; N];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    id
}

/// The trace of a release.
#[must_use]
pub fn trace_of(release: &ReleaseId) -> [u8; 16] {
    id(&["towpath release", &release.key()])
}

/// The spans of a run that ended: the run from being queued to its end, its wait for a worker, and its steps; with the first build of a
/// release, the release itself. `title` is what people call its subject, `page` where the run is shown. Nothing when the run goes on.
#[must_use]
pub fn spans(run: &Run, steps: &[Step], release: Option<&ReleaseId>, title: &str, page: Option<String>) -> Vec<TraceSpan> {
    let (Some(end), Some(outcome)) = (run.finished_at, &run.outcome) else { return Vec::new() };
    let name = run.spec.id.as_str();
    // A run that moves no release, such as a change of a hold, is a trace of its own.
    let trace = release.map_or_else(|| id(&["towpath run", name]), trace_of);
    let whole = release.map(|release| (release, id(&["release", &release.key(), &release.name])));
    let kind = match run.spec.work {
        Work::Build { .. } => "build",
        Work::Deploy(_) => "deploy",
        Work::Delete { .. } => "delete",
        Work::Change(_) => "change",
        Work::Check(_) => "check",
    };
    let mut all = Vec::new();
    if let (Work::Build { .. }, 1, Some((release, id))) = (&run.spec.work, run.spec.attempt, whole) {
        let attributes = vec![
            ("towpath.source", release.name.clone()),
            ("vcs.repository.url.full", release.repository.clone()),
            ("vcs.ref.head.revision", release.commit.to_string()),
        ];
        all.push(TraceSpan { trace, id, parent: None, name: "release".into(), start: run.queued_at, end, attributes, error: None });
    }
    let own = id(&["run", name]);
    let (failed, error) = match outcome {
        Outcome::Failed { step, message, .. } => (Some(step.as_str()), Some(message.clone())),
        _ => (None, None),
    };
    let subject = match run.subject() {
        Subject::Source(source) => source.to_string(),
        Subject::Target(target) => target.to_string(),
        Subject::Change(change) => change.to_string(),
        Subject::Check(check) => check.to_string(),
    };
    let mut attributes = vec![
        ("towpath.run", name.to_owned()),
        ("towpath.kind", kind.to_owned()),
        ("towpath.subject", subject),
        ("towpath.title", title.to_owned()),
        ("towpath.attempt", run.spec.attempt.to_string()),
        ("towpath.why", run.spec.why.clone()),
        ("towpath.outcome", towpath_ledger::outcome_kind(outcome).to_owned()),
    ];
    if let Outcome::Failed { class, .. } = outcome {
        attributes.push(("error.type", class.to_string()));
    }
    attributes.extend(page.map(|page| ("url.full", page)));
    let parent = whole.map(|(_, id)| id);
    all.push(TraceSpan { trace, id: own, parent, name: kind.into(), start: run.queued_at, end, attributes, error: error.clone() });
    let part = |id, name: &str, start, end: Timestamp, error| {
        let (parent, name) = (Some(own), name.to_owned());
        TraceSpan { trace, id, parent, name, start, end: end.max(start), attributes: Vec::new(), error }
    };
    all.push(part(id(&["queue", name]), "queue", run.queued_at, run.started_at.unwrap_or(end), None));
    all.extend(steps.iter().map(|step| {
        // A step that was not done when the run ended went on until then.
        let ended = step.finished_at.unwrap_or(end);
        let error = error.clone().filter(|_| failed == Some(step.name.as_str()));
        part(id(&["step", name, &step.name]), &step.name, step.started_at, ended, error)
    }));
    all
}
