//! The local runtime with real processes: each test has a directory of its own, real shims and real pods.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

mod deployments;
mod executor;
mod jobs;
mod kube;
mod objects;
mod spaces;
mod support;
mod survival;
