//! The config repository at one commit: parsed, cross-referenced, validated.

pub mod diagnostic;
pub mod model;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use model::*;
