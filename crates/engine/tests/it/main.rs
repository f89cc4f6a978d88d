//! Stories of the planner, told through its public interface.

mod changes;
mod flow;
mod gate;
mod install;
mod props;
mod queue;
mod rollback;
mod sim;
mod text;
mod times;
