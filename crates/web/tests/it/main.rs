//! The API over real sockets, with a fake brain behind it.
#![allow(clippy::unwrap_used)]

mod api;
mod harness;
mod hooks;
mod stopping;
mod unix;
