//! YAML in and out, as Kubernetes tools read it.

mod read;
mod write;

pub use read::{ReadError, documents};
pub use write::to_yaml;
