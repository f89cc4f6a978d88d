//! Reading a layer: a tar, perhaps compressed, of which nothing is believed.

mod entry;
mod paths;
mod read;
mod zstd;

pub(crate) use entry::{EntryKind, LayerEntry};
pub(crate) use paths::components;
pub(crate) use read::{Budget, Layer, read_layer};
