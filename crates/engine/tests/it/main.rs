//! Stories of the planner, told through its public interface.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod batches;
mod batching;
mod changes;
mod checks;
mod facts;
mod flow;
mod forges;
mod gate;
mod images;
mod install;
mod large;
mod order;
mod pools;
mod props;
mod queue;
mod registry;
mod review;
mod rollback;
mod secrets;
mod sim;
mod splitting;
mod text;
mod times;
