//! The planner: one pure function from catalog, facts and time to verdicts.

pub mod event;
pub mod facts;
pub mod verdict;

mod apply;
mod ids;
mod store;

pub use event::*;
pub use facts::*;
pub use ids::{change_id, change_spec};
pub use store::FactError;
pub use verdict::*;
