//! The config repository at one commit: parsed, cross-referenced, validated.

mod canon;
pub mod diagnostic;
pub mod edit;
pub mod folder;
#[cfg(any(test, feature = "generator"))]
pub mod generate;
mod hash;
mod input;
mod jinja;
mod load;
pub mod model;
mod read;
pub mod render;
pub mod schema;
mod suggest;
pub mod write;
mod yaml;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use input::InputFile;
pub use load::{Loaded, Loader, load};
pub use model::*;
