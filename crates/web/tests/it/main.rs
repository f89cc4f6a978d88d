//! The API over real sockets, with a fake brain behind it.
#![allow(clippy::unwrap_used)]

mod api;
mod auth;
mod described;
mod examples;
mod harness;
mod hooks;
mod once;
mod pages;
mod signed;
mod stopping;
mod stream;
mod unix;
