//! The API over real sockets, with a fake brain behind it.
#![allow(clippy::unwrap_used)]

mod api;
mod examples;
mod harness;
mod hooks;
mod pages;
mod signed;
mod stopping;
mod unix;
