//! The parts put together.

mod artifacts;
mod auth;
mod brain;
mod forge;
mod hooks;
mod ibutsu;
mod incidents;
mod keeper;
mod logs;
mod names;
mod notify;
mod offline;
mod outside;
mod serve;

pub use offline::{clusters as offline_clusters, plan as offline_plan};
pub use serve::{Surroundings, serve};
