//! The documents of the OCI image specification, version 1.1: index, manifest, configuration.

mod config;
mod document;
mod media;
mod platform;

pub use config::ImageConfig;
pub(crate) use config::{ConfigFile, History, Process, RootFs};
pub use document::{Descriptor, Manifest};
pub(crate) use document::{Index, LayoutMarker, REF_NAME};
pub(crate) use media::{Compression, IMAGE_CONFIG, IMAGE_MANIFEST, LAYER_TAR, is_index, is_manifest, layer_compression};
pub use platform::Platform;
