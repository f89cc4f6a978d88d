//! Which registry an image is in: the one that its name begins with, if that is configured, else the embedded one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use towpath_catalog::{Pack, SignatureRequirement};
use towpath_domain::{Digest, ImageRef};

use crate::{
    ImageConfig, LayoutRegistry, Manifest, Packed, Registry, RegistryError, RegistryFuture, RemoteRegistry, RemoteSettings, TagMove,
    TrustedRoot, Unpacked,
};

/// All registries of this installation.
#[derive(Debug, Clone)]
pub struct Registries {
    layout: Arc<LayoutRegistry>,
    remotes: Arc<BTreeMap<String, RemoteRegistry>>,
    trusted_root: Option<Arc<TrustedRoot>>,
}

impl Registries {
    /// The embedded registry, and those over the network.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] when one of them cannot be set up.
    pub fn new(layout: LayoutRegistry, remotes: Vec<RemoteSettings>) -> Result<Self, RegistryError> {
        let limits = layout.limits().clone();
        let remotes = remotes.into_iter().map(|settings| Ok((settings.host.clone(), RemoteRegistry::new(settings, limits.clone())?)));
        Ok(Self { layout: Arc::new(layout), remotes: Arc::new(remotes.collect::<Result<_, RegistryError>>()?), trusted_root: None })
    }

    /// The same registries, with the authorities whose certificates count for signatures by identities.
    #[must_use]
    pub fn with_trusted_root(self, root: TrustedRoot) -> Self {
        Self { trusted_root: Some(Arc::new(root)), ..self }
    }

    /// The embedded registry.
    #[must_use]
    pub fn layout(&self) -> &Arc<LayoutRegistry> {
        &self.layout
    }

    /// The registries over the network.
    pub fn remotes(&self) -> impl Iterator<Item = &RemoteRegistry> {
        self.remotes.values()
    }

    /// The registry over the network that an image's name begins with, if it is configured.
    #[must_use]
    pub fn remote(&self, name: &str) -> Option<&RemoteRegistry> {
        self.remotes.get(name.split('/').next()?)
    }

    /// The instructions of `pack` with a base image that is in the embedded registry: one of a registry over the network is fetched, and
    /// named by the digest that it has now.
    ///
    /// # Errors
    /// As [`RemoteRegistry::pull`]; [`RegistryError::Name`] when the base is no image's name.
    pub async fn with_base(&self, pack: &Pack) -> Result<Pack, RegistryError> {
        let Some(base) = &pack.base else { return Ok(pack.clone()) };
        let image: ImageRef =
            base.parse().map_err(|error| RegistryError::Name { what: "name", text: base.clone(), why: format!("{error}") })?;
        let Some(remote) = self.remote(image.name()) else { return Ok(pack.clone()) };
        let own = remote.pull(&self.layout, &image).await?;
        Ok(Pack { base: Some(image.pinned(own).to_string()), ..pack.clone() })
    }

    /// Whether a tag of the embedded registry may move when an image of that name is packed or imported into it. Where the image belongs
    /// into a registry over the network, its tag here only leads the way there, and may stem from a push that failed: what the tag
    /// stands for is decided there, by [`Registries::deliver`].
    #[must_use]
    pub fn tag_move_here(&self, name: &str, tag_move: TagMove) -> TagMove {
        if self.remote(name).is_some() { TagMove::Allow } else { tag_move }
    }

    /// Sends an image that was packed or imported into the embedded registry to where its name says that it belongs.
    ///
    /// # Errors
    /// As [`RemoteRegistry::push`].
    pub async fn deliver(&self, packed: &Packed, name: &str, tag: &str, tag_move: TagMove) -> Result<(), RegistryError> {
        match self.remote(name) {
            Some(remote) => remote.push(&self.layout, name, tag, packed.digest, tag_move).await,
            None => Ok(()),
        }
    }

    /// What is missing for the image `name@digest` to be signed as `required`; nothing, if it is. In words for people.
    ///
    /// # Errors
    /// When it cannot be told now: the registry does not answer, or not as it should.
    pub async fn missing_signature(
        &self,
        name: &str,
        digest: Digest,
        required: &SignatureRequirement,
    ) -> Result<Option<String>, RegistryError> {
        match self.remote(name) {
            Some(remote) => remote.missing_signature(name, digest, required, self.trusted_root.as_deref()).await,
            None => Ok(Some(NO_SIGNATURES.to_owned())),
        }
    }

    /// Whether a node that says `found` runs what is called `wanted` here: the same manifest, or a member of that index.
    ///
    /// # Errors
    /// When the registry cannot tell.
    pub async fn is_part(&self, name: &str, wanted: Digest, found: Digest) -> Result<bool, RegistryError> {
        match self.remote(name) {
            _ if wanted == found => Ok(true),
            Some(remote) => Ok(remote.members(name, wanted).await?.contains(&found)),
            None => Ok(false),
        }
    }
}

/// What is said of images that are in no registry over the network.
const NO_SIGNATURES: &str = "it is in the embedded registry, which keeps no signatures: name the image after a registry of [registries] in \
                             towpath.toml, and sign it there";

impl Registry for Registries {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> RegistryFuture<'a, Option<Digest>> {
        match self.remote(image.name()) {
            Some(remote) => Box::pin(remote.resolve(image)),
            None => Registry::resolve(&*self.layout, image),
        }
    }

    fn manifest<'a>(&'a self, name: &'a str, digest: Digest) -> RegistryFuture<'a, Manifest> {
        match self.remote(name) {
            Some(remote) => Box::pin(remote.manifest(name, digest)),
            None => Registry::manifest(&*self.layout, name, digest),
        }
    }

    fn config<'a>(&'a self, name: &'a str, digest: Digest) -> RegistryFuture<'a, ImageConfig> {
        match self.remote(name) {
            Some(remote) => Box::pin(remote.config(name, digest)),
            None => Registry::config(&*self.layout, name, digest),
        }
    }

    fn tags<'a>(&'a self, name: &'a str) -> RegistryFuture<'a, Vec<String>> {
        match self.remote(name) {
            Some(remote) => Box::pin(remote.tags(name)),
            None => Registry::tags(&*self.layout, name),
        }
    }

    fn unpack<'a>(&'a self, image: &'a ImageRef, cache: &'a Path) -> RegistryFuture<'a, Unpacked> {
        match self.remote(image.name()) {
            Some(remote) => Box::pin(async move {
                let own = remote.pull(&self.layout, image).await?;
                let pinned = image.pinned(own);
                Registry::unpack(&*self.layout, &pinned, cache).await
            }),
            None => Registry::unpack(&*self.layout, image, cache),
        }
    }
}
