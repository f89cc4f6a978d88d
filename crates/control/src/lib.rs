//! The loop: gathers facts, asks the engine, does what it says.

pub mod request;
pub mod view;
