//! The packer: files of a checkout become an image, without a daemon, a network or root.
//!
//! The same commit gives the same digest, whoever packs it, where and when: entries are sorted, owned by 0:0, dated with
//! the commit's time, and have normalised permission bits; nothing of the host gets in but its architecture. The layer
//! is an uncompressed tar on purpose: compressors change their output between versions, and with it every digest.

mod base;
mod collect;
mod config;
mod tarball;

use std::collections::BTreeMap;
use std::path::Path;

use towpath_catalog::Pack;
use towpath_domain::{Digest, ImageRef, Timestamp};

use crate::image::{Descriptor, IMAGE_CONFIG, IMAGE_MANIFEST, LAYER_TAR};
use crate::layout::{Writer, tagged};
use crate::{LayoutRegistry, Manifest, Platform, RegistryError, TagMove};
use base::Base;

/// What to pack, and what to say about it.
#[derive(Debug, Clone)]
pub struct PackRequest<'a> {
    /// The instructions of the source's build.
    pub pack: &'a Pack,
    /// The checkout, in which the build's command has run.
    pub checkout: &'a Path,
    /// The commit's time. Every file and the image itself are dated with it, in whole seconds.
    pub created: Timestamp,
    /// The image's labels and its manifest's annotations, such as `org.opencontainers.image.revision`. Whatever differs
    /// between two builds of the same commit must not be in here.
    pub labels: BTreeMap<String, String>,
    /// What the packed programs run on: [`Platform::host`], or the base image's where there is one.
    pub platform: Platform,
    /// What happens when the tag points to another image already.
    pub tag_move: TagMove,
}

/// An image that was packed or imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Name, tag and digest.
    pub image: ImageRef,
    /// The manifest's digest.
    pub digest: Digest,
    /// Bytes of its configuration and of all its layers, as stored.
    pub size: u64,
}

/// Packs an image, puts it into `registry` and tags it `name:tag`. Doing it again does nothing.
///
/// A file goes to `to`, or into `to` when that ends in `/`; of a folder, the content goes to `to`. Of two files at one
/// path the later one in the list wins. `from` may be a link to something in the checkout; links inside a folder stay
/// links. Everything called `.git` is left out: it differs between two checkouts of one commit, and may hold credentials.
///
/// With a base image, its layers come first, and its configuration holds where the pack block says nothing, as in a
/// Dockerfile: environment and labels are merged, an entry point of one's own drops the base's command, and the working
/// directory `/` stands for the base's. Paths follow the base's links (`/bin/app` goes to `/usr/bin/app` where `/bin`
/// is a link), and its folders keep their permissions.
///
/// Blocks on file work, and while somebody else writes the same image name.
///
/// # Errors
/// [`RegistryError::Pack`] for a file that is missing, outside the checkout, or nothing an image can hold;
/// [`RegistryError::NoImage`] when the base is not in the registry; [`RegistryError::TagMoved`] when the tag points to
/// another image; [`RegistryError::Io`] when the disk refuses.
pub fn pack(request: &PackRequest<'_>, registry: &LayoutRegistry, name: &str, tag: &str) -> Result<Packed, RegistryError> {
    let image = tagged(name, tag)?;
    let seconds = tarball::seconds(request.created);
    let base = Base::open(request.pack.base.as_deref(), registry)?;
    let files = collect::collect(request, base.as_ref())?;

    let writer = registry.write(name)?;
    let mut staged = writer.stage()?;
    tarball::write(&files, seconds, &mut staged)?;
    let layer = writer.keep(staged, LAYER_TAR)?;

    let config = config::config(request, base.as_ref(), layer.digest, seconds);
    let config = writer.keep_json(&config, IMAGE_CONFIG)?;
    let mut layers = base_layers(base.as_ref(), &writer)?;
    layers.push(layer);
    let manifest = Manifest::new(config, layers, request.labels.clone());
    manifest.check(registry.limits(), &image.to_string())?;
    let kept = writer.keep_json(&manifest, IMAGE_MANIFEST)?;
    writer.tag(tag, kept.digest, request.tag_move)?;
    Ok(Packed { image: image.pinned(kept.digest), digest: kept.digest, size: manifest.content_size() })
}

/// The base's layers, copied into the layout of the new image: a layout must hold all that its images need.
fn base_layers(base: Option<&Base>, writer: &Writer) -> Result<Vec<Descriptor>, RegistryError> {
    let Some(base) = base else { return Ok(Vec::new()) };
    for layer in &base.manifest.layers {
        writer.copy_blob(&base.layout, layer)?;
    }
    Ok(base.manifest.layers.clone())
}
