//! People are told, whatever the sinks do.

// The lint knows unit tests, but not that helpers of an integration test are tests, too.
#![allow(clippy::unwrap_used)]

mod command;
mod escalation;
mod outbox;
mod releases;
mod slack;
mod support;
mod traces;
mod ways;
