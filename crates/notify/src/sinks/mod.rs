//! The sinks there are.

mod command;
mod log;

pub use command::CommandSink;
pub use log::LogSink;
