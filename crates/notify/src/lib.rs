//! Tells people what they want to hear of: from the ledger's outbox, in order, at least once, with retries.
//!
//! An outbox row is written in the transaction of its event, so nothing that happened goes untold, and nothing is told
//! that did not happen. [`message`] puts an event into words; a [`Sink`] brings the words to people; [`run`] takes
//! each sink through the outbox at its own pace, so that one that is away holds up no other. A [`Follower`] tells of a
//! [`Release`] in one message that grows; [`escalation`] calls people for failures that nobody sees to; a [`Recorder`] is
//! told of each run as spans of its release's [`trace`].
//!
//! Invariants:
//! - All words for people are in [`message`], [`render`] and [`escalation`].
//! - A sink knows nothing of the ledger, and [`run`] knows nothing of any sink.
//! - Nothing leaves but through [`Hidden`], and nothing is noted of an answer but through it.
//! - What was told twice carries the same [`Message::key`] both times.

mod about;
mod deliver;
pub mod escalation;
mod follow;
mod hidden;
pub mod message;
mod release;
pub mod render;
mod route;
mod sink;
pub mod sinks;
pub mod trace;

pub use about::{About, Lease, Names, NoNames, ReleaseId, Room};
pub use deliver::{Clock, Settings, run};
pub use hidden::{Hidden, InFile, Secret, SecretSource};
pub use message::{Kind, Link, Message, Weight, Writer};
pub use release::{Release, Stage, StageKind, StageState, Standing};
pub use route::{Listener, Manner, Route, Topic, manner};
pub use sink::{DeliveryError, Follower, Recorder, Sink, Telling, Told};
pub use trace::TraceSpan;
