//! Test reports: JUnit XML to results.
//!
//! [`Report::parse`] reads one document in any of the dialects that pytest, surefire, gotestsum, nextest, jest-junit, Playwright and
//! their like write; [`Summary`] adds several up for people and for gates. What a report declares about itself is not believed:
//! everything is counted. A report alone never proves success: a suite that could not be loaded is simply missing in it, so the exit
//! code of whatever ran the tests counts, too.
//!
//! [`Collector`] finds reports in a job's log, where they lie between agreed lines; see [`marker`].
//!
//! Everything here is pure, bounded by [`Limits`], and panics on no input.

pub mod marker;

mod bounded;
mod decode;
mod error;
mod limits;
mod numbers;
mod parse;
mod report;
mod summary;
mod text;

/// A document as text, whatever its encoding: UTF-8 or UTF-16 by its mark, Latin-1 if it declares that, else UTF-8 with what is none replaced.
#[must_use]
pub fn decoded(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    decode::text(bytes)
}

pub use error::ReportError;
pub use limits::Limits;
pub use marker::{Collector, Line};
pub use report::{Case, Detail, Document, Outcome, Property, Report};
pub use summary::{FailedCase, Summary, UnreadReport};
