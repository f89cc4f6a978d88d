//! One recorded event.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use towpath_domain::{ChangeId, CheckId, CommitId, RunId, SourceName, TargetId, Timestamp};
use towpath_engine::pool::PoolEvent;
use towpath_engine::{ConfigEdit, Event, Outcome, Subject, Work};

/// An event's number: 1, 2, 3 … without gaps, in the order of recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(i64);

impl EventId {
    /// Before the first event.
    pub const NONE: Self = Self(0);

    /// An id from its number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for EventId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// An event as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its number.
    pub id: EventId,
    /// The event that caused it; always an earlier one.
    pub cause: Option<EventId>,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who or what recorded it: a part of Towpath, a worker, a person's name.
    pub actor: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The event's kind as it is stored and filtered by: the `event` tag of its JSON form; of a pool's, what happened to the pool.
#[must_use]
pub fn event_kind(event: &Event) -> &'static str {
    match event {
        Event::ConfigSeen { .. } => "config-seen",
        Event::BranchSeen { .. } => "branch-seen",
        Event::BranchUnreachable { .. } => "branch-unreachable",
        Event::Rendered(_) => "rendered",
        Event::RunQueued(_) => "run-queued",
        Event::RunStarted { .. } => "run-started",
        Event::StepStarted { .. } => "step-started",
        Event::StepDone { .. } => "step-done",
        Event::RunFinished { .. } => "run-finished",
        Event::ImageLooked { .. } => "image-looked",
        Event::ImageAnnounced { .. } => "image-announced",
        Event::SecretSeen { .. } => "secret-seen",
        Event::MemoryRaised { .. } => "memory-raised",
        Event::ChangeSeen { .. } => "change-seen",
        Event::ChangeEnded { .. } => "change-ended",
        Event::RetryRequested { .. } => "retry-requested",
        Event::Acknowledged { .. } => "acknowledged",
        Event::CancelRequested { .. } => "cancel-requested",
        Event::Pool(event) => event.kind(),
        Event::Check(event) => event.kind(),
    }
}

/// The run that an event speaks of.
#[must_use]
pub fn event_run(event: &Event) -> Option<&RunId> {
    match event {
        Event::RunQueued(spec) => Some(&spec.id),
        Event::RunStarted { run }
        | Event::StepStarted { run, .. }
        | Event::StepDone { run, .. }
        | Event::RunFinished { run, .. }
        | Event::MemoryRaised { run, .. }
        | Event::CancelRequested { run, .. } => Some(run),
        Event::ConfigSeen { .. }
        | Event::BranchSeen { .. }
        | Event::BranchUnreachable { .. }
        | Event::Rendered(_)
        | Event::ImageLooked { .. }
        | Event::ImageAnnounced { .. }
        | Event::SecretSeen { .. }
        | Event::ChangeSeen { .. }
        | Event::ChangeEnded { .. }
        | Event::RetryRequested { .. }
        | Event::Acknowledged { .. }
        | Event::Pool(_)
        | Event::Check(_) => None,
    }
}

/// The subject that an event names itself; a run's events take that of their run.
pub(crate) fn own_subject(event: &Event) -> Option<Subject> {
    match event {
        Event::Rendered(render) => Some(Subject::Target(render.target.clone())),
        Event::RunQueued(spec) => Some(spec.work.subject()),
        Event::RetryRequested { subject, .. } | Event::Acknowledged { subject, .. } | Event::MemoryRaised { subject, .. } => {
            Some(subject.clone())
        }
        Event::ChangeSeen { spec, .. } => Some(Subject::Change(spec.id.clone())),
        Event::ChangeEnded { change, .. } => Some(Subject::Change(change.clone())),
        Event::Check(event) => Some(Subject::Check(event.check())),
        _ => None,
    }
}

/// The commits that an event is about: of a branch, its head alone, since all that is behind it is told with every head. What
/// [`EventFilter::commit`](crate::EventFilter::commit) finds.
#[must_use]
pub fn event_commits(event: &Event) -> BTreeSet<CommitId> {
    let set = |edits: &[ConfigEdit]| -> BTreeSet<CommitId> {
        let sets = edits.iter().filter_map(|edit| match edit {
            ConfigEdit::SetRef { to, .. } => Some(*to),
            ConfigEdit::WriteFile { .. } | ConfigEdit::RemoveFile { .. } => None,
        });
        sets.collect()
    };
    match event {
        Event::ConfigSeen { commit, .. } => BTreeSet::from([*commit]),
        Event::BranchSeen { commits, .. } => commits.first().map(|head| head.id).into_iter().collect(),
        Event::Rendered(render) => BTreeSet::from([render.commit]),
        Event::RunQueued(spec) => match &spec.work {
            Work::Build { commit, .. } => BTreeSet::from([*commit]),
            Work::Deploy(deploy) => BTreeSet::from([deploy.commit]),
            Work::Change(change) => set(&change.edits),
            Work::Check(work) => BTreeSet::from([work.head]),
            Work::Delete { .. } => BTreeSet::new(),
        },
        Event::RunFinished { outcome: Outcome::Merged { commit }, .. } => BTreeSet::from([*commit]),
        Event::ChangeSeen { spec, .. } => set(&spec.edits),
        Event::ChangeEnded { merged: Some(commit), .. } => BTreeSet::from([*commit]),
        _ => BTreeSet::new(),
    }
}

/// A subject as one text: `source:api`, `target:4f…`, `change:p-…`. The form of the ledger's columns.
#[must_use]
pub fn subject_key(subject: &Subject) -> String {
    match subject {
        Subject::Source(name) => format!("source:{name}"),
        Subject::Target(id) => format!("target:{id}"),
        Subject::Change(id) => format!("change:{id}"),
        Subject::Check(id) => format!("check:{id}"),
    }
}

/// The subject of a key as [`subject_key`] makes it.
#[must_use]
pub fn subject_of_key(key: &str) -> Option<Subject> {
    let (kind, id) = key.split_once(':')?;
    match kind {
        "source" => SourceName::new(id).ok().map(Subject::Source),
        "target" => TargetId::new(id).ok().map(Subject::Target),
        "change" => ChangeId::new(id).ok().map(Subject::Change),
        "check" => CheckId::new(id).ok().map(Subject::Check),
        _ => None,
    }
}

/// Whether people may want to hear of an event: it then gets an outbox row, in the same transaction. What is said of
/// it, if anything, is for the outbox's reader to decide.
pub(crate) fn goes_out(event: &Event) -> bool {
    matches!(
        event,
        Event::RunStarted { .. } | Event::RunFinished { .. } | Event::Acknowledged { .. } | Event::Pool(PoolEvent::Expires { .. })
    )
}
