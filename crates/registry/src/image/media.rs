//! Media types. Docker's older names mean the same things and are accepted when reading; only OCI's are written.

pub(crate) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Uncompressed, on purpose: see [`crate::pack()`].
pub(crate) const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";

/// How a layer's tar is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

pub(crate) fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, IMAGE_MANIFEST | "application/vnd.docker.distribution.manifest.v2+json")
}

pub(crate) fn is_index(media_type: &str) -> bool {
    matches!(media_type, "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json")
}

pub(crate) fn is_config(media_type: &str) -> bool {
    matches!(media_type, IMAGE_CONFIG | "application/vnd.docker.container.image.v1+json")
}

/// How a layer of this media type is compressed, or what to do about it.
pub(crate) fn layer_compression(media_type: &str) -> Result<Compression, &'static str> {
    match media_type {
        LAYER_TAR => Ok(Compression::None),
        "application/vnd.oci.image.layer.v1.tar+gzip" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Ok(Compression::Gzip),
        "application/vnd.oci.image.layer.v1.tar+zstd" | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Ok(Compression::Zstd),
        other if other.contains("nondistributable") || other.contains("foreign") => Err("Use a base image whose layers may be copied"),
        _ => Err("Build an ordinary container image with layers of tar, tar+gzip or tar+zstd"),
    }
}
