//! What pages and programs look at: answers made of verdicts, facts and the ledger. Nothing is decided here.
//!
//! - [`picture`]: everything as it is now, drawn once per change and shared: [`shape`] is what the catalog says, [`piece`] one target,
//!   [`standing`] how it is, [`tracks`] where commits stand on their branches, [`train`] which of them wait for production.
//!   [`board`], [`graph`] and [`pulse`] are parts of it.
//! - [`past`]: what ended, counted on from where it was.
//! - [`release`], [`why`], [`run`], [`change`]: one thing, whole. [`actions`] says what can be done about it.
//! - [`incident`], [`image`], [`compare`], [`insight`]: lists and figures.
//! - [`reports`], [`tested`]: reports of a run's tests, and how tests went over their runs.
//! - [`scope`]: where a thing is, for permissions; [`stream`]: events as they come.

mod actions;
mod apps;
mod board;
mod change;
mod compare;
mod graph;
mod image;
mod incident;
mod insight;
mod past;
mod picture;
mod piece;
mod pulse;
mod release;
mod reports;
mod run;
mod scope;
mod shape;
mod standing;
mod stream;
mod tested;
mod tracks;
mod train;
mod why;

pub(crate) use picture::Pictures;

/// Rows of a page when nobody says how many.
pub(crate) const PAGE: u32 = 50;

/// Rows of a page at most.
pub(crate) const PAGE_MAX: u32 = 1000;
