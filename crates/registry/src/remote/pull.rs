//! From a registry over the network into the embedded one, for what is run or built upon on this machine.

use reqwest::header::HeaderMap;
use towpath_domain::{Digest, ImageRef};

use super::http::{PAUSE, TRIES};
use super::{RemoteRegistry, pull_scope};
use crate::image::{Descriptor, IMAGE_MANIFEST};
use crate::layout::Writer;
use crate::{LayoutRegistry, RegistryError, TagMove};

impl RemoteRegistry {
    /// Fetches the image for this machine's platform into `layout`, under the same name, tagged with the digest that it was asked for by.
    /// Answers with the manifest's digest. What is there already is not fetched again; of an image by digest that is there whole,
    /// the registry is not even asked.
    ///
    /// # Errors
    /// [`RegistryError::NotThere`], or what the registry or the disk says; content that does not match its digest is refused.
    pub async fn pull(&self, layout: &LayoutRegistry, image: &ImageRef) -> Result<Digest, RegistryError> {
        let name = image.name();
        if let Some(known) = image.digest().map(|digest| fetched(layout, name, digest)).transpose()?.flatten() {
            return Ok(known);
        }
        let digest = self.resolve(image).await?.ok_or_else(|| self.missing(&image.to_string()))?;
        if let Some(known) = fetched(layout, name, digest)? {
            return Ok(known);
        }
        let (own, bytes, manifest) = self.image(name, digest).await?;
        let writer = {
            let (layout, name) = (layout.clone(), name.to_owned());
            let claimed = tokio::task::spawn_blocking(move || layout.write(&name)).await;
            claimed.map_err(|e| RegistryError::CutShort { image: image.to_string(), why: e.to_string() })??
        };
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            if !writer.has(descriptor.digest, descriptor.size) {
                self.fetch_blob(name, descriptor, &writer).await?;
            }
        }
        writer.keep_bytes(&bytes, IMAGE_MANIFEST)?;
        writer.tag(&digest.hex(), own, TagMove::Allow)?;
        Ok(own)
    }

    /// Fetches one blob; again from its beginning when it breaks off.
    async fn fetch_blob(&self, name: &str, descriptor: &Descriptor, writer: &Writer) -> Result<(), RegistryError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.fetch_blob_once(name, descriptor, writer).await {
                Err(RegistryError::Unreachable { why, .. }) => {
                    tracing::info!(blob = %descriptor.digest, why, "a blob broke off; it is fetched again")
                }
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.fetch_blob_once(name, descriptor, writer).await
    }

    async fn fetch_blob_once(&self, name: &str, descriptor: &Descriptor, writer: &Writer) -> Result<(), RegistryError> {
        let repository = self.repository(name);
        let path = format!("/v2/{repository}/blobs/{}", descriptor.digest);
        let malformed =
            |why: String| RegistryError::Malformed { what: "a blob".to_owned(), place: format!("{name}@{}", descriptor.digest), why };
        let mut answer = self.get(&path, &pull_scope(repository), HeaderMap::new()).await?;
        if !answer.status().is_success() {
            return Err(self.unexpected(answer, &path).await);
        }
        let mut staged = writer.stage()?;
        let failed = || RegistryError::io("write", std::path::Path::new(&path));
        let mut left = descriptor.size;
        while let Some(chunk) = self.chunk(&mut answer).await? {
            let chunk = chunk.as_ref();
            let too_long = || malformed(format!("it is longer than the {} bytes that its manifest says", descriptor.size));
            left = left.checked_sub(chunk.len() as u64).ok_or_else(too_long)?;
            std::io::Write::write_all(&mut staged, chunk).map_err(failed())?;
        }
        if left > 0 {
            return Err(malformed(format!("it has {left} bytes less than the {} that its manifest says", descriptor.size)));
        }
        let digest = writer.keep_expected(staged, descriptor)?;
        if digest == descriptor.digest { Ok(()) } else { Err(malformed(format!("its digest is {digest}, not {}", descriptor.digest))) }
    }
}

/// The manifest that was fetched when the image was asked for by `digest`.
fn fetched(layout: &LayoutRegistry, name: &str, digest: Digest) -> Result<Option<Digest>, RegistryError> {
    let Ok(marked) = ImageRef::tagged(name, &digest.hex()) else { return Ok(None) };
    layout.resolve(&marked)
}
