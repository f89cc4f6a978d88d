//! Stories of the planner, told through its public interface.

mod flow;
mod install;
mod props;
mod sim;
