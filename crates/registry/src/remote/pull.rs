//! From a registry over the network into the embedded one, for what is run or built upon on this machine.

use reqwest::Method;
use reqwest::header::HeaderMap;
use towpath_domain::{Digest, ImageRef};

use super::{RemoteRegistry, pull_scope};
use crate::image::{Descriptor, IMAGE_MANIFEST};
use crate::{LayoutRegistry, RegistryError, TagMove};

impl RemoteRegistry {
    /// Fetches the image for this machine's platform into `layout`, under the same name, tagged with the digest that it was asked for by.
    /// Answers with the manifest's digest. What is there already is not fetched again.
    ///
    /// # Errors
    /// [`RegistryError::NotThere`], or what the registry or the disk says; content that does not match its digest is refused.
    pub async fn pull(&self, layout: &LayoutRegistry, image: &ImageRef) -> Result<Digest, RegistryError> {
        let digest = self.resolve(image).await?.ok_or_else(|| self.missing(&image.to_string()))?;
        let name = image.name();
        let mark = digest.hex();
        let known = ImageRef::tagged(name, &mark).ok().map(|marked| layout.resolve(&marked)).transpose()?.flatten();
        if let Some(known) = known {
            return Ok(known);
        }
        let (own, manifest) = self.image(name, digest).await?;
        let (bytes, _) = self.needed(name, own).await?;
        let writer = {
            let (layout, name) = (layout.clone(), name.to_owned());
            let claimed = tokio::task::spawn_blocking(move || layout.write(&name)).await;
            claimed.map_err(|e| RegistryError::CutShort { image: image.to_string(), why: e.to_string() })??
        };
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            let mut staged = writer.stage()?;
            self.fetch_blob(name, descriptor, &mut staged).await?;
            let kept = writer.keep(staged, &descriptor.media_type)?;
            if kept.digest != descriptor.digest {
                return Err(RegistryError::Malformed {
                    what: "a blob".to_owned(),
                    place: image.to_string(),
                    why: format!("its digest is {}, not {}", kept.digest, descriptor.digest),
                });
            }
        }
        writer.keep_bytes(&bytes, IMAGE_MANIFEST)?;
        writer.tag(&mark, own, TagMove::Allow)?;
        Ok(own)
    }

    async fn fetch_blob(&self, name: &str, descriptor: &Descriptor, into: &mut (impl std::io::Write + Send)) -> Result<(), RegistryError> {
        let repository = self.repository(name);
        let path = format!("/v2/{repository}/blobs/{}", descriptor.digest);
        let mut answer = self.send(Method::GET, &path, &pull_scope(repository), HeaderMap::new(), None).await?;
        if !answer.status().is_success() {
            return Err(self.unexpected(answer, &path).await);
        }
        let mut left = descriptor.size;
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.away(&e))? {
            left = left.checked_sub(chunk.len() as u64).ok_or_else(|| RegistryError::Malformed {
                what: "a blob".to_owned(),
                place: path.clone(),
                why: format!("it is longer than the {} bytes that its manifest says", descriptor.size),
            })?;
            into.write_all(&chunk).map_err(RegistryError::io("write", std::path::Path::new(&path)))?;
        }
        into.flush().map_err(RegistryError::io("write", std::path::Path::new(&path)))
    }
}
