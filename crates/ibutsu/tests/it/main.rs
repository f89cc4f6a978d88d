//! Results told to a stand-in for Ibutsu.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod archives;
mod calls;
mod corpus;
mod deliver;
mod given;
mod observed;
mod refusals;
