//! Buckets of a real S3-compatible server, and servers that do what servers should not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod given;
mod reading;
