//! Files to a catalog: read each by itself, then link, then judge the whole.
//!
//! [`load`] is pure: the same files give the same catalog and the same diagnostics, whatever was loaded before. A
//! [`Loader`] does the same and keeps what it read, so that a reload costs what changed.

mod access;
mod channels;
mod checks;
mod cycles;
mod escalation;
mod findings;
mod identity;
mod index;
mod linked;
mod loader;
mod parallel;
mod policies;
mod pools;
mod saas;
mod schedule;
mod sources;
mod target;

pub use loader::{Loaded, Loader, load};

pub(crate) use schedule::parse as parse_schedule;

#[cfg(test)]
mod tests;
