//! Carries runs out, step by step, journaled in the ledger.
//!
//! A run is claimed from the ledger's queue by [`worker::Workers`], and done by the module for its kind of work. Each step is in the
//! ledger before it touches anything and again with what it found, so that a run whose worker died is taken up by the
//! next one where it stopped. What a step does outside has a name derived from the run, so doing it again finds it done.
//!
//! Architecture invariant: nothing here decides what is to be done; a run does what its spec says, or says why not.

pub mod checks;
pub mod journal;
pub mod render;
mod tested;
mod train;
mod work;
pub mod worker;
pub mod world;

pub use journal::{Journal, Stop};
pub use tested::{KeptReport, NotedReport, NotedTest, REPORTS_STEP, ReadError, kept_reports, kept_reports_within};
pub use train::{TOGETHER, Train};
pub use work::deploy::preview::{Knowing, PreviewError, differences};
pub use worker::Workers;
pub use world::World;
