//! The parts put together.

mod artifacts;
mod brain;
mod names;
mod offline;
mod outside;
mod serve;

pub use offline::plan as offline_plan;
pub use serve::{Surroundings, serve};
