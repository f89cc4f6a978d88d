//! Namespaces of pools and leases from operators, kept by the real keeper over a real ledger; the cluster's part is played by the test.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod given;
mod handing_out;
mod leases;
mod played;
mod strays;
