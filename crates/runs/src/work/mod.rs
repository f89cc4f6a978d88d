//! One module per kind of work.

pub(crate) mod build;
pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod delete;
pub(crate) mod deploy;
pub(crate) mod edits;
mod heard;
mod keys;
mod memory;
mod page;
mod process;
mod reviewed;
