//! How much an image may ask for.

/// Upper bounds for everything that is read from an image.
///
/// Everything that is held in memory at once is small; what is large is streamed. The defaults are far above what
/// service images need and far below what would hurt a laptop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a manifest, a configuration or an imported `index.json`. Default 4 MiB, what registries commonly accept.
    pub document_bytes: u64,
    /// Bytes of the registry's own `index.json`, which grows by about 300 bytes per tag. Default 64 MiB.
    pub index_bytes: u64,
    /// Entries in all indexes of an imported layout. Default 1024.
    pub index_entries: u64,
    /// Layers of one image. Default 128: overlay file systems mount no more.
    pub layers: usize,
    /// Bytes of all layers of one image as stored. Default 8 GiB.
    pub stored_bytes: u64,
    /// Bytes of all layers of one image once decompressed, tar headers included. Default 16 GiB.
    pub unpacked_bytes: u64,
    /// Entries in all layers of one image. Default 1,000,000.
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 4 << 20,
            index_bytes: 64 << 20,
            index_entries: 1024,
            layers: 128,
            stored_bytes: 8 << 30,
            unpacked_bytes: 16 << 30,
            entries: 1_000_000,
        }
    }
}

/// The longest path in an image, in bytes. Linux allows 4096 for a whole path; the rest is left for the folder it is unpacked in.
pub(crate) const PATH_BYTES: usize = 3072;

/// The longest single name in a path, in bytes: what Linux file systems allow.
pub(crate) const NAME_BYTES: usize = 255;

/// The deepest folder in an image. Each level costs an open file while a path is resolved.
pub(crate) const DEPTH: usize = 128;

/// Bytes of one extended tar header (a long name, pax records). Held in memory, so small.
pub(crate) const TAR_EXTENSION_BYTES: u64 = 64 << 10;
