//! The engine of templates against what the reference gives, real templates, and nonsense.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod nonsense;
mod shared;
mod upstream;
mod vectors;
