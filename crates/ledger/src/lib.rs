//! The ledger: the durable record of all that happened, each event with the event that caused it.
//!
//! Only events are the truth. Facts, runs, steps and the outbox are what they add up to: kept in the same transaction
//! as the events, so that nothing is ever decided on one without the other, and counted anew by [`Ledger::verify`].
//!
//! ```text
//! append ─┐                    ┌─ event rows        ── events(), causes()
//! claim ──┼─ one transaction ──┼─ fact rows         ── facts(): in memory, for the planner
//! run_append ┘                 ├─ run and step rows ── claim(), runs(), steps()
//!                              └─ outbox rows       ── outbox_next(): told by towpath-notify
//! ```
//!
//! Beside them lie what is no fact and comes from no event: what tests did ([`Ledger::count_tests`]), who is signed in, what sinks keep.
//!
//! Invariants:
//! - This is the only crate that knows there is a database, and its interface does not show which one.
//! - Memory never shows what is not committed, and a failed write changes neither.
//! - What a worker that lost its run writes is refused ([`Error::Fenced`]), whatever its clock says.
//! - No clock is read here: each call is told the moment.

mod access;
mod backup;
#[cfg(feature = "bulk")]
mod bulk;
mod db;
mod error;
mod ledger;
pub mod logs;
mod once;
mod outbox;
mod query;
mod queue;
mod rebuild;
mod record;
mod run;
mod tested;
mod threads;
mod verify;
mod writer;

pub use access::{Identity, Session, Token};
pub use backup::{Restored, restore};
#[cfg(feature = "bulk")]
pub use bulk::format;
pub use error::{Error, Result};
pub use ledger::{Ledger, Observer};
pub use once::Begun;
pub use outbox::{DeadLetter, Pending, SinkState};
pub use query::{EventFilter, MAX_PAGE, Order, Page, RunFilter};
pub use queue::Claimed;
pub use record::{EventId, Recorded, event_commits, event_kind, event_run, subject_key, subject_of_key};
pub use run::{Run, RunState, Step, StepState, WorkKind, outcome_kind};
pub use tested::{Counted, TEST_RUNS_MAX, TestFilter, TestOutcome, TestStanding, TestTime, Tested, TestedRun, Trial, test_id};
pub use threads::Thread;
pub use verify::{Difference, Report};
#[cfg(feature = "bulk")]
pub use writer::Entry;
