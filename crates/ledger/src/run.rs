//! Runs and their steps: what their events add up to.
//!
//! The same pure [`Projection`] keeps the rows when an event is recorded and recounts them when the ledger is
//! verified.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use towpath_domain::{CommitId, RunId, Timestamp};
use towpath_engine::{Event, Outcome, RunSpec, Subject, Work};

use crate::error::{Error, Result};
use crate::record::{EventId, Recorded, event_commits, goes_out};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// In the queue; nobody has taken it up.
    Queued,
    /// A worker has taken it up.
    Running,
    /// It ended.
    Finished,
}

impl RunState {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }
}

/// What kind of work a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkKind {
    /// [`Work::Build`].
    Build,
    /// [`Work::Deploy`].
    Deploy,
    /// [`Work::Delete`].
    Delete,
    /// [`Work::Change`].
    Change,
    /// [`Work::Check`].
    Check,
}

impl WorkKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Build, Self::Deploy, Self::Delete, Self::Change, Self::Check];

    /// The kind of a work.
    #[must_use]
    pub fn of(work: &Work) -> Self {
        match work {
            Work::Build { .. } => Self::Build,
            Work::Deploy(_) => Self::Deploy,
            Work::Delete { .. } => Self::Delete,
            Work::Change(_) => Self::Change,
            Work::Check(_) => Self::Check,
        }
    }

    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Deploy => "deploy",
            Self::Delete => "delete",
            Self::Change => "change",
            Self::Check => "check",
        }
    }
}

/// An outcome's kind as it is stored and filtered by: the `outcome` tag of its JSON form.
#[must_use]
pub fn outcome_kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Built { .. } => "built",
        Outcome::Deployed { .. } => "deployed",
        Outcome::Deleted => "deleted",
        Outcome::Merged { .. } => "merged",
        Outcome::Opened { .. } => "opened",
        Outcome::Checked { .. } => "checked",
        Outcome::Failed { .. } => "failed",
        Outcome::Superseded { .. } => "superseded",
        Outcome::Cancelled { .. } => "cancelled",
    }
}

/// A run as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// What was decided.
    pub spec: RunSpec,
    /// How far it is.
    pub state: RunState,
    /// The event that queued it.
    pub queued: EventId,
    /// When.
    pub queued_at: Timestamp,
    /// The event by which its present worker took it up: the cause of all that the worker records.
    pub started: Option<EventId>,
    /// When the first worker took it up.
    pub started_at: Option<Timestamp>,
    /// The event that ended it.
    pub finished: Option<EventId>,
    /// When.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Who has it, or had it last.
    pub worker: Option<String>,
    /// How often it was taken up. A worker that holds an older number has lost the run.
    pub epoch: u64,
    /// Who wants it stopped.
    pub cancel: Option<String>,
    /// Until when its worker is believed to live. Not from the events.
    pub lease_until: Option<Timestamp>,
}

impl Run {
    /// What the run is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.spec.work.subject()
    }

    /// Whose its tests are: the subject that their history is kept under. Pull requests come and go, and the tests are their source's.
    #[must_use]
    pub fn tests_of(&self) -> Subject {
        match &self.spec.work {
            Work::Check(work) => Subject::Source(work.source.clone()),
            work => work.subject(),
        }
    }

    fn from_queued(recorded: &Recorded, spec: &RunSpec) -> Self {
        Self {
            spec: spec.clone(),
            state: RunState::Queued,
            queued: recorded.id,
            queued_at: recorded.at,
            started: None,
            started_at: None,
            finished: None,
            finished_at: None,
            outcome: None,
            worker: None,
            epoch: 0,
            cancel: None,
            lease_until: None,
        }
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It began. Whether it still runs, the run's lease says.
    Running,
    /// It is done and need not be done again.
    Done,
}

impl StepState {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
        }
    }
}

/// A step of a run as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its name, unique in the run.
    pub name: String,
    /// The event that began it first: steps are shown in this order.
    pub first: EventId,
    /// How far it is.
    pub state: StepState,
    /// When it began; the last time, when it was begun again.
    pub started_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
    /// What it found.
    pub output: Option<serde_json::Value>,
}

impl Step {
    fn begun(name: &str, recorded: &Recorded) -> Self {
        Self {
            name: name.to_owned(),
            first: recorded.id,
            state: StepState::Running,
            started_at: recorded.at,
            finished_at: None,
            output: None,
        }
    }
}

/// Runs, steps, outbox rows and commits that events add up to.
#[derive(Debug, Default)]
pub(crate) struct Projection {
    pub(crate) runs: BTreeMap<RunId, Run>,
    pub(crate) steps: BTreeMap<(RunId, String), Step>,
    pub(crate) outbox: BTreeSet<EventId>,
    pub(crate) commits: BTreeSet<(CommitId, EventId)>,
}

impl Projection {
    /// Takes one event in.
    ///
    /// # Errors
    /// [`Error::AlreadyQueued`], [`Error::UnknownRun`] or [`Error::RunOver`] when the event does not fit what was before.
    pub(crate) fn apply(&mut self, recorded: &Recorded) -> Result<()> {
        match &recorded.event {
            Event::RunQueued(spec) => {
                if let Some(known) = self.runs.get(&spec.id) {
                    return Err(Error::AlreadyQueued { run: spec.id.clone(), event: known.queued });
                }
                self.runs.insert(spec.id.clone(), Run::from_queued(recorded, spec));
            }
            Event::RunStarted { run } => {
                let row = self.open(run)?;
                row.state = RunState::Running;
                row.started = Some(recorded.id);
                row.started_at.get_or_insert(recorded.at);
                row.worker = Some(recorded.actor.clone());
                row.epoch += 1;
            }
            Event::StepStarted { run, step } => {
                self.open(run)?;
                let row = self.steps.entry((run.clone(), step.clone())).or_insert_with(|| Step::begun(step, recorded));
                row.state = StepState::Running;
                row.started_at = recorded.at;
                row.finished_at = None;
                row.output = None;
            }
            Event::StepDone { run, step, output } => {
                self.open(run)?;
                let row = self.steps.entry((run.clone(), step.clone())).or_insert_with(|| Step::begun(step, recorded));
                row.state = StepState::Done;
                row.finished_at = Some(recorded.at);
                row.output = Some(output.clone());
            }
            Event::RunFinished { run, outcome } => {
                let row = self.open(run)?;
                row.state = RunState::Finished;
                row.finished = Some(recorded.id);
                row.finished_at = Some(recorded.at);
                row.outcome = Some(outcome.clone());
            }
            Event::CancelRequested { run, by, .. } => {
                self.open(run)?.cancel = Some(by.clone());
            }
            Event::ConfigSeen { .. }
            | Event::BranchSeen { .. }
            | Event::BranchUnreachable { .. }
            | Event::Rendered(_)
            | Event::ImageLooked { .. }
            | Event::ImageAnnounced { .. }
            | Event::SecretSeen { .. }
            | Event::MemoryRaised { .. }
            | Event::ChangeSeen { .. }
            | Event::ChangeEnded { .. }
            | Event::RetryRequested { .. }
            | Event::Acknowledged { .. }
            | Event::Pool(_)
            | Event::Check(_) => {}
        }
        if goes_out(&recorded.event) {
            self.outbox.insert(recorded.id);
        }
        self.commits.extend(event_commits(&recorded.event).into_iter().map(|commit| (commit, recorded.id)));
        Ok(())
    }

    fn open(&mut self, run: &RunId) -> Result<&mut Run> {
        let row = self.runs.get_mut(run).ok_or_else(|| Error::UnknownRun { run: run.clone() })?;
        match row.finished {
            Some(event) => Err(Error::RunOver { run: run.clone(), event }),
            None => Ok(row),
        }
    }
}
