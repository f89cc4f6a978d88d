//! The ledger as its users see it, on real files.

// The lint knows unit tests, but not that helpers of an integration test are tests, too.
#![allow(clippy::unwrap_used)]

mod access;
mod backup;
mod crash;
mod events;
mod once;
mod outbox;
mod properties;
mod queue;
mod support;
mod tested;
mod threads;
mod upgrade;
mod verify;
