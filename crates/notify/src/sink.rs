//! What a way of telling people is.

use std::pin::Pin;

use serde_json::Value;
use towpath_domain::Span;

use crate::about::Room;
use crate::message::Message;
use crate::release::Release;
use crate::trace::TraceSpan;

/// What telling somebody comes to.
pub type Telling<'a> = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>>;

/// One way of telling people.
pub trait Sink: Send + Sync {
    /// Its name in this installation. The ledger keeps the sink's place under it, so a new name begins anew.
    fn name(&self) -> &str;

    /// Tells people. Dropped when Towpath stops in the middle; then it is called again with the same message later.
    ///
    /// # Errors
    /// [`DeliveryError`]; it is tried again unless the error says that this would not help.
    fn deliver<'a>(&'a self, message: &'a Message) -> Telling<'a>;

    /// How it tells of releases in messages that grow, if it can.
    fn follower(&self) -> Option<&dyn Follower> {
        None
    }

    /// How it is told of runs that ended, when it wants spans and no words.
    fn recorder(&self) -> Option<&dyn Recorder> {
        None
    }
}

/// A way of telling programs what took how long.
pub trait Recorder: Send + Sync {
    /// Tells of a run that ended.
    ///
    /// # Errors
    /// As [`Sink::deliver`].
    fn record<'a>(&'a self, spans: &'a [TraceSpan]) -> Telling<'a>;
}

/// A way of telling that can change what it told: one message per release, with answers below it.
pub trait Follower: Send + Sync {
    /// Where a message is to be told.
    fn rooms(&self, message: &Message) -> Vec<Room>;

    /// Tells it in one room. `place` is where the release's message stands there: set as soon as it is there, also when what comes after
    /// fails, so that nothing is posted twice.
    ///
    /// # Errors
    /// As [`Sink::deliver`].
    fn tell<'a>(&'a self, told: Told<'a>, place: &'a mut Option<Value>) -> Telling<'a>;
}

/// What is told in one room.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The room.
    pub room: &'a Room,
    /// What happened.
    pub message: &'a Message,
    /// The release as it stands after that; none when the message is told by itself.
    pub release: Option<&'a Release>,
    /// It is also told as an answer below the release's message.
    pub reply: bool,
    /// It may have been posted already, by a process that died before it could note so.
    pub again: bool,
}

/// Why people were not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct DeliveryError {
    /// What went wrong, for people; without secrets.
    pub why: String,
    /// Trying again would not help.
    pub permanent: bool,
    /// How long to wait at least before the next try, where the other end said so.
    pub retry_after: Option<Span>,
}

impl DeliveryError {
    /// One that may go away by itself.
    #[must_use]
    pub fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), permanent: false, retry_after: None }
    }

    /// One that stays until somebody mends it.
    #[must_use]
    pub fn permanent(why: impl Into<String>) -> Self {
        Self { why: why.into(), permanent: true, retry_after: None }
    }

    /// The other end asks not to be asked again before this has passed.
    #[must_use]
    pub fn limited(why: impl Into<String>, retry_after: Span) -> Self {
        Self { why: why.into(), permanent: false, retry_after: Some(retry_after) }
    }
}
