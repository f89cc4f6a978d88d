//! Reports that tests leave in volumes: read by a pod that prints them, so that they come by the log as all others do.
//!
//! A test says by an annotation ([`REPORTS_VOLUME`]) which claim it wrote into. When it has ended, [`VolumeReader`] starts a small Job of its
//! own in the same namespace that mounts the claim for reading, prints the reports between the lines that reports stand between, and is
//! deleted. Its name derives from the run: a worker that takes the run over finds it, follows it and deletes it, or does it again. It
//! belongs to the test's Job, so that it goes at the latest with that one.

mod claim;
mod collector;
mod reader;

pub use claim::{Claim, ClaimError, REPORTS, REPORTS_VOLUME};
pub use collector::{COLLECTOR, PodUser};
pub use reader::{Asked, VolumeError, VolumeReader, VolumeSettings};
