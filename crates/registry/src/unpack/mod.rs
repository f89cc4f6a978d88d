//! Images laid out as files: once per digest in a cache, and copied from there for each process that runs in one.

mod claim;
mod instantiate;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;
use towpath_domain::{Digest, ImageRef};

pub use instantiate::instantiate;

use crate::beneath::Folder;
use crate::image::{ConfigFile, Manifest};
use crate::layer::{Budget, Layer, read_layer};
use crate::layout::{Layout, LayoutRegistry};
use crate::{ImageConfig, RegistryError};
use claim::Claim;
use tree::Tree;

/// An image, laid out as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The image's manifest.
    pub digest: Digest,
    /// The folder that stands for the image's `/`. Shared by all who run this image: never written to, never a working
    /// folder. [`instantiate()`] makes a copy that may be.
    pub rootfs: PathBuf,
    /// How to start it.
    pub config: ImageConfig,
}

/// Lays the files of `image` out in `CACHE/DIGEST/rootfs`, where they stay: the second time costs two small reads.
///
/// The folder appears in one step when all is in place and on disk; a process that is killed meanwhile leaves a
/// `.DIGEST.partial` beside it, which the next one clears away. Threads and processes that want the same image wait for
/// the one that is at it.
///
/// Owners become the user that Towpath runs as; setuid, setgid and sticky bits and extended attributes are dropped;
/// what is there may always be read by its owner. Symbolic links are kept as written, absolute ones too: they mean
/// something to a process that has `rootfs` as its root, and must not be followed by anyone else.
///
/// # Errors
/// [`RegistryError::NoImage`] when the registry does not have it, [`RegistryError::UnsafeEntry`] for a layer that reaches
/// outside, [`RegistryError::TooLarge`] beyond the limits, [`RegistryError::Io`] when the disk refuses. Nothing is left
/// behind then.
pub fn unpack(registry: &LayoutRegistry, image: &ImageRef, cache: &Path) -> Result<Unpacked, RegistryError> {
    let digest = registry.resolve_needed(image)?;
    let place = format!("{}@{digest}", image.name());
    let (layout, manifest) = registry.open_image(image.name(), digest)?;
    let config = layout.config(&manifest)?;
    fs::create_dir_all(cache).map_err(RegistryError::io("create", cache))?;
    let home = cache.join(digest.hex());
    if let Claim::Ours(claimed) = claim::claim(&home)? {
        let rootfs = claimed.partial().join("rootfs");
        fs::create_dir(&rootfs).map_err(RegistryError::io("create", &rootfs))?;
        lay_out(registry, &layout, &manifest, &config, &rootfs, &place)?;
        claimed.finish(&home)?;
        tracing::info!(image.name = %image.name(), image.digest = %digest, "Unpacked an image.");
    }
    Ok(Unpacked { digest, rootfs: home.join("rootfs"), config: config.into() })
}

fn lay_out(
    registry: &LayoutRegistry,
    layout: &Layout,
    manifest: &Manifest,
    config: &ConfigFile,
    rootfs: &Path,
    place: &str,
) -> Result<(), RegistryError> {
    let mut budget = Budget::new(registry.limits());
    let tree = Tree::open(rootfs)?;
    for (descriptor, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
        tree.begin_layer();
        let layer = Layer { layout, descriptor, diff_id: *diff_id, place };
        read_layer(layer, &mut budget, &mut |entry, content| tree.apply(entry, content))?;
    }
    Ok(())
}

/// Has all that was written below `folder` on disk before it gets its name: after a power cut a finished name must not
/// stand for empty files. One call for all of them is faster than one for each.
fn sync(folder: &Path) -> Result<(), RegistryError> {
    let open = Folder::open(folder).map_err(RegistryError::io("open", folder))?;
    syncfs(&open).map_err(RegistryError::io("sync", folder))
}
