//! The registry on disk: one OCI image layout per image name.

mod list;
mod name;
mod read;
mod write;

use std::fs;
use std::path::{Path, PathBuf};

use towpath_domain::{Digest, ImageRef};

pub use list::StoredImage;
pub(crate) use name::tagged;
pub(crate) use read::{Layout, Owner, blob_path};
pub(crate) use write::Writer;

use crate::image::ConfigFile;
use crate::{ImageConfig, Limits, Manifest, RegistryError};

/// What happens when a tag points to another image already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TagMove {
    /// [`RegistryError::TagMoved`]: what was tested under a tag stays what it names.
    #[default]
    Refuse,
    /// The tag moves. The other image stays, reachable by its digest.
    Allow,
}

/// A registry that is a folder: `ROOT/IMAGE NAME/` is an OCI image layout, and the tags of the image are the
/// `org.opencontainers.image.ref.name` annotations in its `index.json`.
///
/// Any number of threads and processes may use the same root; writers of one image name take turns. Other tools may
/// read at any time. They know nothing of the lock, so they should not write while Towpath runs.
///
/// All methods block on file work; see [`crate::Registry`] for the async ones. A clone is the same registry.
#[derive(Debug, Clone)]
pub struct LayoutRegistry {
    root: PathBuf,
    limits: Limits,
}

impl LayoutRegistry {
    /// Opens the registry at `root`, which is made if it is not there.
    ///
    /// # Errors
    /// [`RegistryError::Io`] when the folder cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, RegistryError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(RegistryError::io("create", &root))?;
        Ok(Self { root, limits: Limits::default() })
    }

    /// The same registry with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The limits that hold for what is read from it and put into it.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The layout folder of an image name, there or not: what to write in `oci:FOLDER:TAG`.
    ///
    /// # Errors
    /// [`RegistryError::Name`] when `name` is not an image's name.
    pub fn folder(&self, name: &str) -> Result<PathBuf, RegistryError> {
        name::check_name(name)?;
        Ok(name::folder_of(&self.root, name))
    }

    /// The digest that `image` stands for now; `None` when the registry has no such image.
    ///
    /// Of an image with tag and digest, the digest counts.
    ///
    /// # Errors
    /// [`RegistryError::Unpinned`] when it has neither; else [`RegistryError`] of a registry that cannot be read.
    pub fn resolve(&self, image: &ImageRef) -> Result<Option<Digest>, RegistryError> {
        let Some(layout) = self.read(image.name())? else { return Ok(None) };
        match (image.digest(), image.tag()) {
            (Some(digest), _) => Ok(layout.manifest(digest, &image.to_string())?.map(|_| digest)),
            (None, Some(tag)) => Ok(layout.index()?.manifests.iter().find(|entry| entry.tag() == Some(tag)).map(|entry| entry.digest)),
            (None, None) => Err(RegistryError::Unpinned { image: image.clone() }),
        }
    }

    /// The manifest `digest` of the image `name`.
    ///
    /// # Errors
    /// [`RegistryError::NoImage`] when it is not there; else [`RegistryError`] of an image that cannot be used.
    pub fn manifest(&self, name: &str, digest: Digest) -> Result<Manifest, RegistryError> {
        Ok(self.open_image(name, digest)?.1)
    }

    /// The configuration of the image `name` with the manifest `digest`.
    ///
    /// # Errors
    /// As for [`LayoutRegistry::manifest`].
    pub fn config(&self, name: &str, digest: Digest) -> Result<ImageConfig, RegistryError> {
        let (layout, manifest) = self.open_image(name, digest)?;
        Ok(layout.config(&manifest)?.into())
    }

    /// The tags of the image `name`, sorted. None when there is no such image.
    ///
    /// # Errors
    /// [`RegistryError`] of a registry that cannot be read.
    pub fn tags(&self, name: &str) -> Result<Vec<String>, RegistryError> {
        let Some(layout) = self.read(name)? else { return Ok(Vec::new()) };
        let mut tags: Vec<String> = layout.index()?.manifests.iter().filter_map(|entry| entry.tag().map(str::to_owned)).collect();
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }

    /// Lets `tag` point to the manifest `digest`, which the layout of `name` holds already. Doing it again does nothing.
    ///
    /// # Errors
    /// [`RegistryError::TagMoved`] when the tag points elsewhere and may not move, [`RegistryError::NoImage`] when the manifest
    /// is not there, [`RegistryError::Damaged`] when a part of the image is missing.
    pub fn put(&self, name: &str, tag: &str, digest: Digest, tag_move: TagMove) -> Result<(), RegistryError> {
        tagged(name, tag)?;
        // An image that does not exist must not leave an empty layout behind.
        let Some(layout) = self.read(name)? else { return Err(self.no_image(name, digest)) };
        if layout.manifest(digest, &format!("{name}@{digest}"))?.is_none() {
            return Err(self.no_image(name, digest));
        }
        self.write(name)?.tag(tag, digest, tag_move)
    }

    /// Every image of the registry, sorted by name and tag, and what of it could not be read.
    /// One broken layout hides no other.
    #[must_use]
    pub fn list(&self) -> (Vec<StoredImage>, Vec<RegistryError>) {
        list::list(self, &self.root)
    }

    /// Opens the layout of `name` for reading, if it is there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Layout>, RegistryError> {
        Layout::open(&self.folder(name)?, Owner::Registry, &self.limits)
    }

    /// Opens the layout of `name` for writing, and waits for other writers.
    pub(crate) fn write(&self, name: &str) -> Result<Writer, RegistryError> {
        Writer::claim(name, &self.folder(name)?, &self.limits)
    }

    /// An image that must be there: its layout and manifest.
    pub(crate) fn open_image(&self, name: &str, digest: Digest) -> Result<(Layout, Manifest), RegistryError> {
        let layout = self.read(name)?.ok_or_else(|| self.no_image(name, digest))?;
        let manifest = layout.manifest(digest, &format!("{name}@{digest}"))?.ok_or_else(|| self.no_image(name, digest))?;
        Ok((layout, manifest))
    }

    /// An image by tag or digest that must be there: its layout, manifest and configuration.
    pub(crate) fn open_ref(&self, image: &ImageRef) -> Result<(Layout, Manifest, ConfigFile), RegistryError> {
        let digest = self.resolve_needed(image)?;
        let (layout, manifest) = self.open_image(image.name(), digest)?;
        let config = layout.config(&manifest)?;
        Ok((layout, manifest, config))
    }

    /// As [`LayoutRegistry::resolve`], for an image that must be there.
    pub(crate) fn resolve_needed(&self, image: &ImageRef) -> Result<Digest, RegistryError> {
        self.resolve(image)?
            .ok_or_else(|| RegistryError::NoImage { image: image.to_string(), folder: name::folder_of(&self.root, image.name()) })
    }

    fn no_image(&self, name: &str, digest: Digest) -> RegistryError {
        RegistryError::NoImage { image: format!("{name}@{digest}"), folder: name::folder_of(&self.root, name) }
    }
}

/// Where the registry is; for messages.
impl AsRef<Path> for LayoutRegistry {
    fn as_ref(&self) -> &Path {
        &self.root
    }
}
