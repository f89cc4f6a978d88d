//! The ledger as its users see it, on real files.

mod backup;
mod crash;
mod events;
mod outbox;
mod properties;
mod queue;
mod support;
mod verify;
