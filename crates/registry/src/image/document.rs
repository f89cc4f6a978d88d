//! Index and manifest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_domain::Digest;

use super::media::{is_config, is_manifest, layer_compression};
use super::{IMAGE_MANIFEST, Platform};
use crate::{Limits, RegistryError};

/// The annotation that carries a tag in a layout's `index.json`.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The `oci-layout` file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayoutMarker {
    pub(crate) image_layout_version: String,
}

/// What points to a blob: its kind, digest and length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The blob's media type.
    pub media_type: String,
    /// The blob's digest, which is its name.
    pub digest: Digest,
    /// The blob's length in bytes.
    pub size: u64,
    /// What a manifest in an index runs on, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free-form facts, the tag in an `index.json` among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields that Towpath gives no meaning to. Kept, since other tools may write into the same layout.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Descriptor {
    /// A descriptor with nothing but the three facts that each must have.
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, platform: None, annotations: BTreeMap::new(), other: BTreeMap::new() }
    }

    /// The tag that an `index.json` gives to this manifest.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).map(String::as_str)
    }
}

/// An `index.json`, or an image index that lists one manifest per platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    pub(crate) manifests: Vec<Descriptor>,
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

impl Index {
    /// What the index of a new layout says.
    pub(crate) fn empty() -> Self {
        Self { schema_version: 2, manifests: Vec::new(), other: BTreeMap::new() }
    }
}

/// An image manifest: the configuration and the layers, from the bottom up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own media type; may be absent in what others wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image's configuration.
    pub config: Descriptor,
    /// The image's layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// Free-form facts, such as `org.opencontainers.image.revision`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// The manifest of an image with this configuration and these layers.
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        Self { schema_version: 2, media_type: Some(IMAGE_MANIFEST.to_owned()), config, layers, annotations }
    }

    /// Bytes of the configuration and of all layers, as stored.
    #[must_use]
    pub fn content_size(&self) -> u64 {
        self.layers.iter().fold(self.config.size, |sum, layer| sum.saturating_add(layer.size))
    }

    /// Refuses what is no plain container image, and what is larger than `limits` allow. `place` is for the message.
    pub(crate) fn check(&self, limits: &Limits, place: &str) -> Result<(), RegistryError> {
        let malformed = |why: String| RegistryError::Malformed { what: "the manifest".to_owned(), place: place.to_owned(), why };
        if self.schema_version != 2 {
            return Err(malformed(format!("its schemaVersion is {}, not 2", self.schema_version)));
        }
        if let Some(media_type) = self.media_type.as_deref().filter(|media_type| !is_manifest(media_type)) {
            return Err(malformed(format!("its mediaType is {media_type:?}, not an image manifest's")));
        }
        if !is_config(&self.config.media_type) {
            return Err(RegistryError::Unsupported {
                what: format!("the configuration type {:?}", self.config.media_type),
                place: place.to_owned(),
                mend: "It is an artifact of another kind: name a container image",
            });
        }
        let too_large = |what: &str, limit: u64, unit| RegistryError::TooLarge { what: what.into(), place: place.into(), limit, unit };
        if self.layers.len() > limits.layers {
            return Err(too_large("the image", limits.layers as u64, "layers"));
        }
        if self.content_size() > limits.stored_bytes {
            return Err(too_large("the image", limits.stored_bytes, "bytes"));
        }
        for layer in &self.layers {
            layer_compression(&layer.media_type).map_err(|mend| RegistryError::Unsupported {
                what: format!("the layer type {:?}", layer.media_type),
                place: place.to_owned(),
                mend,
            })?;
        }
        Ok(())
    }
}
