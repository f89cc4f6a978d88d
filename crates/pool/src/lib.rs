//! Keeps ephemeral namespaces ready: makes them, proves them clean, hands them out, ends them.
//!
//! Decides nothing: the engine says who gets what ([`towpath_engine::pool`]), `control` writes that down, and the [`Keeper`] sees to it that
//! clusters are as it is written. Whatever it does may be cut short at any instant: it looks at what is written, and does it again.

mod keeper;
mod leases;
mod pace;
mod strays;
mod tend;

pub use keeper::Keeper;
