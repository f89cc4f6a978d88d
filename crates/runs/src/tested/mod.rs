//! Tests that runs carried out: their reports are kept, counted and judged. Whatever ran the tests, a deploy or a check, hands its reports over here.
//!
//! - [`keep`](keep::keep): masks secrets, writes each report down, counts what its tests did.
//! - [`verdict`]: what follows, as the engine judges, and the record of it: [`noted`].
//! - [`read`]: a run's reports, as they were kept.

pub(crate) mod keep;
mod noted;
mod read;
pub(crate) mod verdict;

pub use noted::{NotedReport, NotedTest, REPORTS_STEP};
pub use read::{KeptReport, ReadError, kept_reports, kept_reports_within};
