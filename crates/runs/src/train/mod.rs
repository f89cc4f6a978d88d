//! The train: changes that are to be merged into the config repository, one after another, each checked on what it will really land on.
//!
//! Everybody who wants to merge boards and is checked in order: the first one on the config branch as it is, each next one on the merge of
//! those before it that passed. One that does not pass gets off and costs only itself, for those behind it were never made to stand on it.
//! What passed is merged in one push. So of many changes at once, each is checked once and all are merged in about the time of their
//! checks, where each by itself would have to be checked anew after every merge of another one.
//!
//! The train keeps nothing: whoever is on it when the process dies boards again, or finds itself merged.

mod conductor;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use towpath_domain::{CommitId, FailureClass};
use towpath_engine::ChangeSpec;
use towpath_forge::{MergeOrder, MergeOutcome, Number};

use crate::journal::Stop;
use crate::world::LogSink;

pub(crate) use conductor::conduct;

/// The way to board, for every change of this process.
pub struct Train {
    board: mpsc::UnboundedSender<Boarding>,
    platform: Mutex<Option<mpsc::UnboundedReceiver<Boarding>>>,
    together: NonZeroUsize,
}

/// How many changes are merged in one push if nothing else is said: a push names each of them.
pub const TOGETHER: NonZeroUsize = NonZeroUsize::new(100).unwrap();

/// A change that wants to be merged.
pub(crate) struct Passenger {
    /// What it is.
    pub(crate) spec: ChangeSpec,
    /// Its newest commit.
    pub(crate) head: CommitId,
    /// Where it is on the forge, when it is a person's own.
    pub(crate) pull: Option<Number>,
    /// Where its log goes.
    pub(crate) log: LogSink,
}

/// What checking came to.
pub(crate) enum Checked {
    /// All passed: it may go on with those before it.
    Passed {
        /// What was checked, exactly.
        order: MergeOrder,
        /// Its place on the train; whoever drops it gets off.
        seat: Seat,
    },
    /// It does not merge with where the config repository will be by then.
    Conflict {
        /// With what.
        base: CommitId,
        /// The files in conflict.
        paths: Vec<String>,
    },
    /// The config repository holds it already, or says the same.
    Merged(CommitId),
    /// Somebody else pushed to it, or closed it.
    HeadMoved(Option<CommitId>),
    /// Something speaks against it. Never empty.
    Refused(Vec<String>),
}

/// A place on the train.
pub(crate) struct Seat {
    go: oneshot::Sender<oneshot::Sender<Landed>>,
}

/// How merging ended; an error is for people, with whose fault it is.
pub(crate) type Landed = Result<MergeOutcome, (FailureClass, String)>;

struct Boarding {
    passenger: Passenger,
    answer: oneshot::Sender<Result<Checked, Stop>>,
}

impl Train {
    /// One that merges at most so many changes in one push.
    pub fn new(together: NonZeroUsize) -> Self {
        let (board, platform) = mpsc::unbounded_channel();
        Self { board, platform: Mutex::new(Some(platform)), together }
    }

    fn together(&self) -> usize {
        self.together.get()
    }

    /// Waits for the turn to be checked, and is.
    pub(crate) async fn check(&self, passenger: Passenger) -> Result<Checked, Stop> {
        let (answer, answered) = oneshot::channel();
        // Nobody at the other end shows as an answer that never comes.
        let _ = self.board.send(Boarding { passenger, answer });
        answered.await.unwrap_or_else(|_| Err(no_train()))
    }

    fn platform(&self) -> Option<mpsc::UnboundedReceiver<Boarding>> {
        self.platform.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Seat {
    /// Is ready to be merged, and waits until it is.
    pub(crate) async fn land(self) -> Result<MergeOutcome, Stop> {
        let (answer, landed) = oneshot::channel();
        if self.go.send(answer).is_err() {
            // It took so long to get ready that the train left without it.
            return Ok(MergeOutcome::Moved { now: None });
        }
        let landed = landed.await.map_err(|_| no_train())?;
        landed.map_err(|(class, message)| Stop::failed(class, message))
    }
}

fn no_train() -> Stop {
    Stop::failed(FailureClass::Environment, "changes are not merged any more, for Towpath stops; it is merged after the next start")
}
