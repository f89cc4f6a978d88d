//! The journal of one run: which steps are done, and what they found.

use std::fmt::Display;
use std::future::Future;
use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_domain::{FailureClass, RunId};
use towpath_engine::Event;
use towpath_engine::check::Blame;
use towpath_git::GitError;
use towpath_ledger::{Error as LedgerError, Ledger};

use crate::world::{Clock, LogSink};

/// Why a run does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// It failed.
    #[error("{message}")]
    Failed {
        /// Whose fault.
        class: FailureClass,
        /// What, where, why and how to mend it.
        message: String,
    },
    /// It is a check and failed, and this is at fault.
    #[error("{message}")]
    Blamed {
        /// What is at fault.
        blame: Blame,
        /// Whose fault.
        class: FailureClass,
        /// What, where, why and how to mend it.
        message: String,
    },
    /// It is a change, and its checks refuse what it says.
    #[error("{why}")]
    Refused {
        /// What speaks against it, and how to mend it.
        why: String,
    },
    /// What it was to do is no longer wanted; nothing is counted against it.
    #[error("superseded: {by}")]
    Superseded {
        /// By what, for people.
        by: String,
    },
    /// A person stopped it.
    #[error("cancelled by {by}")]
    Cancelled {
        /// Who.
        by: String,
    },
    /// Another worker has it now, or the ledger does not take writes: this worker says nothing more about the run.
    #[error("the ledger does not take this run's record: {0}")]
    Ledger(#[from] LedgerError),
}

impl Stop {
    /// A failure of the change's own.
    pub fn own(message: impl Display) -> Self {
        Self::Failed { class: FailureClass::Own, message: message.to_string() }
    }

    /// A failure of Git's, in a repository that was there when the run was decided on.
    pub fn git(error: &GitError) -> Self {
        Self::Failed { class: git_class(error), message: error.to_string() }
    }

    /// A failure of the given class.
    pub fn failed(class: FailureClass, message: impl Display) -> Self {
        Self::Failed { class, message: message.to_string() }
    }
}

/// Whose fault it is when Git fails in a repository that was there before: one that is away comes back, and is no change's own fault.
pub(crate) fn git_class(error: &GitError) -> FailureClass {
    match error {
        GitError::NotFound { .. } => FailureClass::Environment,
        other => other.class(),
    }
}

/// The journal of one run.
pub struct Journal {
    ledger: Ledger,
    clock: Clock,
    run: RunId,
    epoch: u64,
    log: LogSink,
    step: Mutex<String>,
}

impl Journal {
    /// The journal of `run`, as claimed with `epoch`.
    pub(crate) fn new(ledger: Ledger, clock: Clock, run: RunId, epoch: u64, log: LogSink) -> Self {
        Self { ledger, clock, run, epoch, log, step: Mutex::new(String::from("start")) }
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The claim of this worker.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The step that is under way, or was last.
    pub fn current_step(&self) -> String {
        self.step.lock().map_or_else(|poisoned| poisoned.into_inner().clone(), |step| step.clone())
    }

    /// Writes a line of Towpath's own into the current step's log.
    pub fn note(&self, text: impl Display) {
        self.log.line(&self.current_step(), "towpath", &text.to_string());
    }

    /// Writes a line that a program or pod printed into the current step's log.
    pub fn output(&self, stream: &str, text: &str) {
        self.log.line(&self.current_step(), stream, text);
    }

    /// Where lines go, for tasks that outlive a borrow.
    pub fn sink(&self) -> LogSink {
        self.log.clone()
    }

    /// Whether a step is done already, by this worker or one before it.
    ///
    /// # Errors
    /// [`Stop::Ledger`].
    pub async fn is_done(&self, name: &str) -> Result<bool, Stop> {
        Ok(self.ledger.step_output(&self.run, name).await?.is_some())
    }

    /// What a step found that is done already, by this worker or one before it.
    ///
    /// # Errors
    /// [`Stop::Ledger`].
    pub(crate) async fn found<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Stop> {
        Ok(self.ledger.step_output(&self.run, name).await?.and_then(|found| serde_json::from_value(found).ok()))
    }

    /// Goes back to a step that is done: what is said from here on is of it, and so is the run's end.
    pub(crate) fn return_to(&self, name: &str) {
        if let Ok(mut step) = self.step.lock() {
            name.clone_into(&mut step);
        }
    }

    /// Does a step once: when the journal says that it is done, what it found then is what it finds now.
    ///
    /// # Errors
    /// What `body` stops with, or [`Stop::Ledger`].
    pub async fn step<T, F, Fut>(&self, name: &str, body: F) -> Result<T, Stop>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, Stop>>,
    {
        if let Ok(mut step) = self.step.lock() {
            name.clone_into(&mut step);
        }
        if let Some(found) = self.ledger.step_output(&self.run, name).await? {
            if let Ok(found) = serde_json::from_value(found) {
                return Ok(found);
            }
            self.note("what this step found earlier cannot be read by this version; it is done again");
        }
        self.write(Event::StepStarted { run: self.run.clone(), step: name.to_owned() }).await?;
        let found = body().await?;
        let output = serde_json::to_value(&found).map_err(|e| Stop::failed(FailureClass::Unknown, format!("step {name}: {e}")))?;
        self.write(Event::StepDone { run: self.run.clone(), step: name.to_owned(), output }).await?;
        Ok(found)
    }

    /// Keeps something that was found while another step is under way, under a name of its own. Found again, it takes the place of what was.
    ///
    /// # Errors
    /// [`Stop::Ledger`].
    pub(crate) async fn record<T: Serialize>(&self, name: &str, found: &T) -> Result<(), Stop> {
        let output = serde_json::to_value(found).map_err(|e| Stop::failed(FailureClass::Unknown, format!("step {name}: {e}")))?;
        self.write(Event::StepStarted { run: self.run.clone(), step: name.to_owned() }).await?;
        Ok(self.write(Event::StepDone { run: self.run.clone(), step: name.to_owned(), output }).await?)
    }

    /// Writes an event of this run, if it is still this worker's.
    pub(crate) async fn write(&self, event: Event) -> Result<(), LedgerError> {
        self.ledger.run_append(&self.run, self.epoch, self.clock.now(), vec![event]).await.map(|_| ())
    }
}
