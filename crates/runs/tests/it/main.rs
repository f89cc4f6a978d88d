//! Templates of every provider, from a real Git repository, by the real programs.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod given;
mod rendering;
