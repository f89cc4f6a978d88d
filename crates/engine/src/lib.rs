//! The planner: one pure function from catalog, facts and time to verdicts.

pub mod event;
pub mod facts;
pub mod verdict;

pub use event::*;
pub use facts::*;
pub use verdict::*;
