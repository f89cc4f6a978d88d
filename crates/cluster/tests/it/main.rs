//! The local runtime with real processes: each test has a directory of its own, real shims and real pods.

mod deployments;
mod jobs;
mod objects;
mod support;
mod survival;
