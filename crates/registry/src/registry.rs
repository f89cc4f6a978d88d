//! What the other parts see of a registry, whatever it is.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use towpath_domain::{Digest, ImageRef};

use crate::{ImageConfig, LayoutRegistry, Manifest, RegistryError, Unpacked, unpack};

/// The answer of a registry, to be awaited.
pub type RegistryFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, RegistryError>> + Send + 'a>>;

/// A registry of images, to read from. Object-safe, so that a registry over the network can stand in for the folder.
pub trait Registry: Send + Sync {
    /// The digest that `image` stands for now; `None` when the registry has no such image. Of an image with tag and
    /// digest, the digest counts.
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> RegistryFuture<'a, Option<Digest>>;

    /// The manifest `digest` of the image `name`.
    fn manifest<'a>(&'a self, name: &'a str, digest: Digest) -> RegistryFuture<'a, Manifest>;

    /// The configuration of the image `name` with the manifest `digest`.
    fn config<'a>(&'a self, name: &'a str, digest: Digest) -> RegistryFuture<'a, ImageConfig>;

    /// The tags of the image `name`, sorted; none when there is no such image.
    fn tags<'a>(&'a self, name: &'a str) -> RegistryFuture<'a, Vec<String>>;

    /// Lays the files of `image` out below `cache`; see [`unpack()`].
    fn unpack<'a>(&'a self, image: &'a ImageRef, cache: &'a Path) -> RegistryFuture<'a, Unpacked>;
}

/// Each call runs on one of Tokio's blocking threads, so a Tokio runtime must be there.
impl Registry for LayoutRegistry {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> RegistryFuture<'a, Option<Digest>> {
        let asked = image.clone();
        self.on_blocking_thread(image.to_string(), move |registry| registry.resolve(&asked))
    }

    fn manifest<'a>(&'a self, name: &'a str, digest: Digest) -> RegistryFuture<'a, Manifest> {
        let asked = name.to_owned();
        self.on_blocking_thread(format!("{name}@{digest}"), move |registry| registry.manifest(&asked, digest))
    }

    fn config<'a>(&'a self, name: &'a str, digest: Digest) -> RegistryFuture<'a, ImageConfig> {
        let asked = name.to_owned();
        self.on_blocking_thread(format!("{name}@{digest}"), move |registry| registry.config(&asked, digest))
    }

    fn tags<'a>(&'a self, name: &'a str) -> RegistryFuture<'a, Vec<String>> {
        let asked = name.to_owned();
        self.on_blocking_thread(name.to_owned(), move |registry| registry.tags(&asked))
    }

    fn unpack<'a>(&'a self, image: &'a ImageRef, cache: &'a Path) -> RegistryFuture<'a, Unpacked> {
        let (asked, cache) = (image.clone(), cache.to_owned());
        self.on_blocking_thread(image.to_string(), move |registry| unpack(registry, &asked, &cache))
    }
}

impl LayoutRegistry {
    fn on_blocking_thread<T: Send + 'static>(
        &self,
        image: String,
        work: impl FnOnce(&Self) -> Result<T, RegistryError> + Send + 'static,
    ) -> RegistryFuture<'static, T> {
        let registry = self.clone();
        Box::pin(async move {
            let outcome = tokio::task::spawn_blocking(move || work(&registry)).await;
            outcome.unwrap_or_else(|error| Err(RegistryError::CutShort { image, why: error.to_string() }))
        })
    }
}
