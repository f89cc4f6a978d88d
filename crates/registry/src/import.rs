//! Taking over an image layout that a build's own command left.

use std::path::Path;

use crate::image::{ConfigFile, Descriptor, IMAGE_MANIFEST, Index, Manifest, is_index, is_manifest};
use crate::layer::{Budget, Layer, read_layer};
use crate::layout::{Layout, Owner, tagged};
use crate::{LayoutRegistry, Packed, Platform, RegistryError, TagMove};

/// How deep an index may lie within an index.
const NESTING: usize = 4;

/// Which layout to import.
#[derive(Debug, Clone)]
pub struct ImportRequest<'a> {
    /// The layout's folder.
    pub layout: &'a Path,
    /// The platform whose image is wanted, where the layout has several: [`Platform::host`].
    pub platform: Platform,
    /// What happens when the tag points to another image already.
    pub tag_move: TagMove,
}

/// Checks the layout, copies its image into `registry` and tags it `name:tag`. Doing it again does nothing.
///
/// The layout may hold one image, one image for each of several platforms, or several tagged images of which one has
/// the tag `tag`. Everything is checked before it is kept: digests, lengths, media types, limits, and that each layer
/// is a tar that could be unpacked. No link in the layout is followed.
///
/// Blocks on file work, and while somebody else writes the same image name.
///
/// # Errors
/// [`RegistryError::Malformed`] and [`RegistryError::UnsafeEntry`] for a broken layout, [`RegistryError::WrongPlatform`] when nothing
/// in it runs on the platform, [`RegistryError::TooLarge`] beyond the limits, [`RegistryError::TagMoved`] when the tag
/// points to another image, [`RegistryError::Io`] when the disk refuses.
pub fn import(request: &ImportRequest<'_>, registry: &LayoutRegistry, name: &str, tag: &str) -> Result<Packed, RegistryError> {
    let image = tagged(name, tag)?;
    let place = format!("the image layout {}", request.layout.display());
    let source = Layout::open(request.layout, Owner::Outside, registry.limits())?.ok_or_else(|| RegistryError::Malformed {
        what: "oci-layout".to_owned(),
        place: place.clone(),
        why: "it is missing: the build left no image there".to_owned(),
    })?;
    let chosen = choose(&source, request, registry, tag, &place)?;

    check_layers(&source, &chosen, registry, &place)?;
    let writer = registry.write(name)?;
    for descriptor in chosen.manifest.layers.iter().chain([&chosen.manifest.config]) {
        writer.copy_blob(&source, descriptor)?;
    }
    writer.copy_blob(&source, &Descriptor::new(IMAGE_MANIFEST, chosen.descriptor.digest, chosen.descriptor.size))?;
    writer.tag(tag, chosen.descriptor.digest, request.tag_move)?;
    let digest = chosen.descriptor.digest;
    Ok(Packed { image: image.pinned(digest), digest, size: chosen.manifest.content_size() })
}

struct Candidate {
    descriptor: Descriptor,
    manifest: Manifest,
    config: ConfigFile,
}

/// The one image that is meant.
fn choose(
    source: &Layout,
    request: &ImportRequest<'_>,
    registry: &LayoutRegistry,
    tag: &str,
    place: &str,
) -> Result<Candidate, RegistryError> {
    let index = source.index()?;
    let tagged: Vec<Descriptor> = index.manifests.iter().filter(|entry| entry.tag() == Some(tag)).cloned().collect();
    let offered = if tagged.is_empty() { index } else { Index { manifests: tagged, ..index } };
    let limit = registry.limits().index_entries;
    let mut flattened = Flattened { source, left: limit, limit, place, manifests: Vec::new() };
    flattened.add(&offered, 0)?;

    let malformed = |why: String| RegistryError::Malformed { what: "index.json".to_owned(), place: place.to_owned(), why };
    let mut found = Vec::new();
    let mut fitting: Vec<Candidate> = Vec::new();
    for descriptor in flattened.manifests {
        // What the index says saves reading manifests of other platforms, and of things that are no images at all.
        if let Some(platform) = descriptor.platform.as_ref().filter(|platform| **platform != request.platform) {
            found.push(platform.to_string());
            continue;
        }
        let manifest = source
            .manifest(descriptor.digest, place)?
            .ok_or_else(|| malformed(format!("it names the manifest {}, which is missing", descriptor.digest)))?;
        let config = source.config(&manifest)?;
        if config.platform != request.platform {
            found.push(config.platform.to_string());
        } else if fitting.iter().all(|known| known.descriptor.digest != descriptor.digest) {
            fitting.push(Candidate { descriptor, manifest, config });
        }
    }
    if fitting.len() > 1 {
        let why = format!("it names {} images for {}; leave one, or tag the right one {tag:?}", fitting.len(), request.platform);
        return Err(malformed(why));
    }
    let Some(chosen) = fitting.pop() else {
        if found.is_empty() {
            return Err(malformed("it names no image".to_owned()));
        }
        found.sort_unstable();
        found.dedup();
        return Err(RegistryError::WrongPlatform { place: place.to_owned(), wanted: request.platform.clone(), found: found.join(", ") });
    };
    Ok(chosen)
}

/// All image manifests of an index and of the indexes in it.
struct Flattened<'a> {
    source: &'a Layout,
    /// Entries that may still come: an index that names another one many times, which does the same, soon names millions.
    left: u64,
    limit: u64,
    place: &'a str,
    manifests: Vec<Descriptor>,
}

impl Flattened<'_> {
    fn add(&mut self, index: &Index, depth: usize) -> Result<(), RegistryError> {
        for descriptor in &index.manifests {
            if self.left == 0 || depth > NESTING {
                let (place, limit) = (self.place.to_owned(), self.limit);
                return Err(RegistryError::TooLarge { what: "the index".to_owned(), place, limit, unit: "entries" });
            }
            self.left -= 1;
            if is_index(&descriptor.media_type) {
                self.add(&self.source.nested_index(descriptor)?, depth + 1)?;
            } else if is_manifest(&descriptor.media_type) {
                self.manifests.push(descriptor.clone());
            }
        }
        Ok(())
    }
}

/// Reads all layers once, so that a broken image fails its build and not a deploy.
fn check_layers(source: &Layout, chosen: &Candidate, registry: &LayoutRegistry, place: &str) -> Result<(), RegistryError> {
    let mut budget = Budget::new(registry.limits());
    for (descriptor, diff_id) in chosen.manifest.layers.iter().zip(&chosen.config.rootfs.diff_ids) {
        let layer = Layer { layout: source, descriptor, diff_id: *diff_id, place };
        read_layer(layer, &mut budget, &mut |_, _| Ok(()))?;
    }
    Ok(())
}
