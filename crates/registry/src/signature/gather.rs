//! Finds what is attached to an image, in each place where cosign puts it: two tags, and the list of what refers to it.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use towpath_domain::Digest;

use super::{Certificate, Evidence};
use crate::image::{Descriptor, Index};
use crate::remote::{MANIFEST_BYTES_MAX, pull_scope};
use crate::{RegistryError, RemoteRegistry};

const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// How much is looked at of one image: manifests that refer to it, signed things in all of them, and bytes of each. A signature is small; a
/// statement may hold the list of all that an image was made of.
const REFERRERS_MAX: usize = 64;
const SIGNED_MAX: usize = 128;
const PAYLOAD_BYTES_MAX: u64 = 64 << 10;
const STATEMENT_BYTES_MAX: u64 = 4 << 20;

/// A manifest of something attached: all that counts is its layers.
#[derive(Deserialize)]
struct Attached {
    #[serde(default)]
    layers: Vec<Descriptor>,
}

impl RemoteRegistry {
    /// Hands everything signed that is attached to the image to `take`, until that answers that it has enough.
    pub(super) async fn gather(
        &self,
        name: &str,
        digest: Digest,
        take: &mut (dyn FnMut(Evidence) -> bool + Send),
    ) -> Result<(), RegistryError> {
        let mut left = SIGNED_MAX;
        let hex = digest.hex();
        for tag in [format!("sha256-{hex}.sig"), format!("sha256-{hex}.att")] {
            if let Some((bytes, _)) = self.manifest_bytes(self.repository(name), &tag).await?
                && self.attached(name, &bytes, &mut left, take).await?
            {
                return Ok(());
            }
        }
        for referrer in self.referrers(name, digest).await? {
            // One that is listed and gone, or is not what it is called, stands for nothing.
            let bytes = match self.image_bytes(name, referrer.digest).await {
                Ok(bytes) => bytes,
                Err(RegistryError::NotThere { .. } | RegistryError::Malformed { .. } | RegistryError::TooLarge { .. }) => continue,
                Err(error) => return Err(error),
            };
            if self.attached(name, &bytes, &mut left, take).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands over what a manifest's layers hold. Whether there was enough.
    async fn attached(
        &self,
        name: &str,
        manifest: &[u8],
        left: &mut usize,
        take: &mut (dyn FnMut(Evidence) -> bool + Send),
    ) -> Result<bool, RegistryError> {
        let Ok(manifest) = serde_json::from_slice::<Attached>(manifest) else { return Ok(false) };
        for layer in manifest.layers {
            let limit = match layer.media_type.as_str() {
                SIMPLE => PAYLOAD_BYTES_MAX,
                ENVELOPE => STATEMENT_BYTES_MAX,
                bundle if bundle.starts_with(BUNDLE) => STATEMENT_BYTES_MAX,
                _ => continue,
            };
            if *left == 0 {
                tracing::warn!(image = name, "more is attached to an image than is looked at");
                return Ok(true);
            }
            *left -= 1;
            let content = match self.small_blob(name, &layer, limit).await {
                Ok(content) => content,
                Err(RegistryError::NotThere { .. } | RegistryError::Malformed { .. } | RegistryError::TooLarge { .. }) => continue,
                Err(error) => return Err(error),
            };
            if take(evidence(layer, content)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What refers to the image: what the registry lists (OCI 1.1), or else what a tag lists in its place.
    async fn referrers(&self, name: &str, digest: Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let repository = self.repository(name);
        let path = format!("/v2/{repository}/referrers/{digest}");
        let answer = self.get(&path, &pull_scope(repository), HeaderMap::new()).await?;
        let listed = match answer.status() {
            status if status.is_success() => {
                let bytes = self.limited(answer, MANIFEST_BYTES_MAX, "the list of what refers to it", name).await?;
                serde_json::from_slice::<Index>(&bytes).map(|index| index.manifests).unwrap_or_default()
            }
            // Registries that know nothing of this say so in many ways.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_ACCEPTABLE => Vec::new(),
            _ => return Err(self.unexpected(answer, &path).await),
        };
        let listed = if listed.is_empty() {
            let tag = format!("sha256-{}", digest.hex());
            let found = self.manifest_bytes(repository, &tag).await?;
            found.and_then(|(bytes, _)| serde_json::from_slice::<Index>(&bytes).ok()).map(|index| index.manifests).unwrap_or_default()
        } else {
            listed
        };
        // Those that say that they are what is looked for come first; some tools do not say it, though they are.
        let is_called_so = |descriptor: &Descriptor| {
            let kind = descriptor.other.get("artifactType").and_then(|kind| kind.as_str()).unwrap_or_default();
            kind.starts_with(BUNDLE) || kind.starts_with("application/vnd.dev.cosign")
        };
        let (called, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(is_called_so);
        Ok(called.into_iter().chain(others).take(REFERRERS_MAX).collect())
    }
}

fn evidence(layer: Descriptor, content: Vec<u8>) -> Evidence {
    let annotation = |name: &str| layer.annotations.get(name).filter(|text| !text.is_empty()).cloned();
    let certificate = annotation("dev.sigstore.cosign/certificate").map(|certificate| Certificate {
        certificate,
        chain: annotation("dev.sigstore.cosign/chain"),
        log: annotation("dev.sigstore.cosign/bundle"),
    });
    match layer.media_type.as_str() {
        SIMPLE => {
            let signature = annotation("dev.cosignproject.cosign/signature").unwrap_or_default();
            Evidence::Simple { payload: content, signature, certificate }
        }
        ENVELOPE => Evidence::Envelope { envelope: content, certificate },
        _ => Evidence::Bundle { json: content },
    }
}
