//! The crate against a real git: bare remotes, by path and by `file://`.

#![allow(clippy::unwrap_used)]

mod commits;
mod credentials;
mod errors;
mod mirrors;
mod pushes;
mod reads;
mod support;
