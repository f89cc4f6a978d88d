//! What the registry holds.

use std::fs;
use std::io;
use std::path::Path;

use towpath_domain::{Digest, Timestamp};

use super::{Layout, LayoutRegistry, Owner, name};
use crate::{ImageConfig, RegistryError};

/// One image of the registry, for people. An image with two tags is listed twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// Its name, without tag.
    pub name: String,
    /// Its tag. `None` for an image whose tag moved on to another.
    pub tag: Option<String>,
    /// Its manifest's digest.
    pub digest: Digest,
    /// Bytes of its configuration and layers as stored. Layers that images share are counted in each.
    pub size: u64,
    /// When it was made, where its configuration says so.
    pub created: Option<Timestamp>,
}

/// Names have at most 255 bytes, so no layout lies deeper than this.
const DEPTH: usize = 128;

pub(super) fn list(registry: &LayoutRegistry, root: &Path) -> (Vec<StoredImage>, Vec<RegistryError>) {
    let mut found = Found { registry, images: Vec::new(), errors: Vec::new() };
    found.visit(root, "", 0);
    found.images.sort_unstable_by(|a, b| (&a.name, &a.tag, a.digest).cmp(&(&b.name, &b.tag, b.digest)));
    (found.images, found.errors)
}

struct Found<'a> {
    registry: &'a LayoutRegistry,
    images: Vec<StoredImage>,
    errors: Vec<RegistryError>,
}

impl Found<'_> {
    fn visit(&mut self, folder: &Path, name: &str, depth: usize) {
        if !name.is_empty() {
            match Layout::open(folder, Owner::Registry, self.registry.limits()) {
                Ok(Some(layout)) => self.read(&layout, name),
                Ok(None) => {}
                Err(error) => self.errors.push(error),
            }
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.errors.push(RegistryError::io("read", folder)(error)),
        };
        for entry in entries.flatten() {
            let file_name = entry.file_name();
            let Some(part) = file_name.to_str() else { continue };
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_folder || depth == DEPTH || part.starts_with('.') || part == "blobs" {
                continue;
            }
            let part = name::part_of(part);
            let name = if name.is_empty() { part } else { format!("{name}/{part}") };
            self.visit(&entry.path(), &name, depth + 1);
        }
    }

    fn read(&mut self, layout: &Layout, name: &str) {
        let index = match layout.index() {
            Ok(index) => index,
            Err(error) => return self.errors.push(error),
        };
        for entry in index.manifests {
            match self.image(layout, name, entry.digest) {
                Ok((size, created)) => {
                    let tag = entry.tag().map(str::to_owned);
                    self.images.push(StoredImage { name: name.to_owned(), tag, digest: entry.digest, size, created });
                }
                Err(error) => self.errors.push(error),
            }
        }
    }

    fn image(&self, layout: &Layout, name: &str, digest: Digest) -> Result<(u64, Option<Timestamp>), RegistryError> {
        let manifest = layout
            .manifest(digest, &format!("{name}@{digest}"))?
            .ok_or_else(|| layout.fault(&super::blob_path(digest), "it is missing"))?;
        let config: ImageConfig = layout.config(&manifest)?.into();
        Ok((manifest.content_size(), config.created))
    }
}
