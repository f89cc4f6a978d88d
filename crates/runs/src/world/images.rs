//! The registry as the embedded runtime sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use towpath_cluster::{BoxFuture, ImageConfig, ImageError, ImageStore, Unpacked};
use towpath_domain::{Digest, FailureClass, ImageRef};
use towpath_registry::{Registries, Registry as _, RegistryError, instantiate};

/// Images for the embedded runtime: unpacked once into a cache, copied for each pod.
pub struct Images {
    registry: Arc<Registries>,
    cache: PathBuf,
}

impl Images {
    /// Images of `registry`, unpacked below `cache`.
    pub fn new(registry: Arc<Registries>, cache: PathBuf) -> Self {
        Self { registry, cache }
    }
}

impl ImageStore for Images {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> BoxFuture<'a, Result<Digest, ImageError>> {
        Box::pin(async move {
            let found = self.registry.resolve(image).await.map_err(|e| image_error(image, &e))?;
            found.ok_or_else(|| ImageError::Missing { image: image.to_string(), why: "the registry does not have it".to_owned() })
        })
    }

    fn unpack<'a>(&'a self, image: &'a ImageRef, dest: &'a Path) -> BoxFuture<'a, Result<Unpacked, ImageError>> {
        Box::pin(async move {
            let unpacked = self.registry.unpack(image, &self.cache).await.map_err(|e| image_error(image, &e))?;
            let dest = dest.to_owned();
            let work = move || {
                // The runtime hands an empty folder; the copy appears in its place in one step.
                let empty = std::fs::remove_dir(&dest);
                drop(empty);
                instantiate(&unpacked, &dest)?;
                Ok::<_, RegistryError>(unpacked)
            };
            let unpacked = match tokio::task::spawn_blocking(work).await {
                Ok(done) => done.map_err(|e| image_error(image, &e))?,
                Err(e) => return Err(ImageError::Unavailable { image: image.to_string(), why: e.to_string() }),
            };
            let config = ImageConfig {
                entrypoint: unpacked.config.entrypoint,
                cmd: unpacked.config.cmd,
                env: unpacked.config.env.into_iter().collect(),
                workdir: unpacked.config.workdir,
            };
            Ok(Unpacked { digest: unpacked.digest, config })
        })
    }
}

fn image_error(image: &ImageRef, error: &RegistryError) -> ImageError {
    let (image, why) = (image.to_string(), error.to_string());
    match error {
        RegistryError::NoImage { .. } | RegistryError::NotThere { .. } => ImageError::Missing { image, why },
        other if other.class() == FailureClass::Environment => ImageError::Unavailable { image, why },
        _ => ImageError::Damaged { image, why },
    }
}
