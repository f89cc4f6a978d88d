//! Writing into a layout of the registry: one writer at a time, and nothing half-written in sight.
//!
//! Blobs come first, each under a temporary name, synced and renamed to its digest; the index comes last, replaced in one
//! step. A writer that is killed leaves blobs that nothing names and temporary files, which the next writer clears away.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;
use towpath_domain::Digest;

use super::TagMove;
use super::read::{Layout, Owner, blob_path};
use crate::hashing::{HashingWriter, digest_of};
use crate::image::{Descriptor, IMAGE_MANIFEST, Index, LayoutMarker, Manifest, REF_NAME};
use crate::{Limits, RegistryError};

/// The folder for the lock and for files that are not finished, inside the layout and so on the same disk.
/// Other tools look at `blobs/` and take every name there for a digest; they pass this one over.
const OWN_FOLDER: &str = ".towpath";
const LOCK: &str = "lock";

/// The right to write into one layout; held by one writer at a time, over all threads and processes.
#[derive(Debug)]
pub(crate) struct Writer {
    name: String,
    layout: Layout,
    own_folder: PathBuf,
    /// Closing the file gives the lock free, however the process ends.
    _lock: File,
}

impl Writer {
    /// Waits for the right to write into the layout at `path`, which is made if it is not there.
    pub(super) fn claim(name: &str, path: &Path, limits: &Limits) -> Result<Self, RegistryError> {
        let own_folder = path.join(OWN_FOLDER);
        for folder in [path.join("blobs/sha256"), own_folder.clone()] {
            fs::create_dir_all(&folder).map_err(RegistryError::io("create", &folder))?;
        }
        let lock_path = own_folder.join(LOCK);
        let lock = File::options().create(true).append(true).open(&lock_path).map_err(RegistryError::io("create", &lock_path))?;
        lock.lock().map_err(RegistryError::io("lock", &lock_path))?;
        clear_leftovers(&own_folder)?;
        let marker = path.join("oci-layout");
        if !marker.exists() {
            let bytes = json(&LayoutMarker { image_layout_version: "1.0.0".to_owned() }, &marker)?;
            replace(&own_folder, &marker, &bytes)?;
        }
        let layout = Layout::open(path, Owner::Registry, limits)?
            .ok_or_else(|| RegistryError::Damaged { path: marker, why: "it vanished while it was written to".to_owned() })?;
        Ok(Self { name: name.to_owned(), layout, own_folder, _lock: lock })
    }

    /// A blob of unknown digest, to be filled and then kept.
    pub(crate) fn stage(&self) -> Result<HashingWriter<NamedTempFile>, RegistryError> {
        Ok(HashingWriter::new(temporary(&self.own_folder)?))
    }

    /// Keeps a blob under its digest. One that is there already stays.
    pub(crate) fn keep(&self, staged: HashingWriter<NamedTempFile>, media_type: &str) -> Result<Descriptor, RegistryError> {
        let (file, digest, size) = staged.finish();
        let path = self.layout.path().join(blob_path(digest));
        if !self.has(digest, size) {
            persist(file, &path)?;
        }
        Ok(Descriptor::new(media_type, digest, size))
    }

    /// Keeps a blob that is expected to be the one that `descriptor` points to, and nothing else. Answers with the digest that it has.
    pub(crate) fn keep_expected(&self, staged: HashingWriter<NamedTempFile>, descriptor: &Descriptor) -> Result<Digest, RegistryError> {
        let (file, digest, size) = staged.finish();
        if digest == descriptor.digest && size == descriptor.size {
            persist(file, &self.layout.path().join(blob_path(digest)))?;
        }
        Ok(digest)
    }

    /// Keeps `document` as a blob of JSON.
    pub(crate) fn keep_json<T: Serialize>(&self, document: &T, media_type: &str) -> Result<Descriptor, RegistryError> {
        let bytes = json(document, self.layout.path())?;
        self.keep_bytes(&bytes, media_type)
    }

    /// Keeps `bytes` as a blob.
    pub(crate) fn keep_bytes(&self, bytes: &[u8], media_type: &str) -> Result<Descriptor, RegistryError> {
        let digest = digest_of(bytes);
        if !self.has(digest, bytes.len() as u64) {
            replace(&self.own_folder, &self.layout.path().join(blob_path(digest)), bytes)?;
        }
        Ok(Descriptor::new(media_type, digest, bytes.len() as u64))
    }

    /// Copies a blob from another layout, checking it against its descriptor on the way.
    pub(crate) fn copy_blob(&self, from: &Layout, descriptor: &Descriptor) -> Result<(), RegistryError> {
        if self.has(descriptor.digest, descriptor.size) {
            return Ok(());
        }
        let mut source = from.open_blob(descriptor)?;
        let mut staged = self.stage()?;
        io::copy(&mut source, &mut staged).map_err(RegistryError::io("copy to", &self.own_folder))?;
        let digest = self.keep_expected(staged, descriptor)?;
        if digest != descriptor.digest {
            return Err(from.fault(&blob_path(descriptor.digest), format!("its content has the digest {digest}")));
        }
        Ok(())
    }

    /// Lets `tag` point to the manifest `digest`, which is here with all that it needs.
    ///
    /// The manifest that a moved tag pointed to stays in the index, without a tag: what runs by its digest must not
    /// become garbage for other tools.
    pub(crate) fn tag(&self, tag: &str, digest: Digest, tag_move: TagMove) -> Result<(), RegistryError> {
        let mut index = self.layout.index()?;
        let now = index.manifests.iter().find(|entry| entry.tag() == Some(tag)).map(|entry| entry.digest);
        match now {
            Some(now) if now == digest => return Ok(()),
            Some(from) if tag_move == TagMove::Refuse => {
                return Err(RegistryError::TagMoved { name: self.name.clone(), tag: tag.to_owned(), from, to: digest });
            }
            _ => {}
        }
        let mut entry = self.check_complete(digest)?;
        entry.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        for entry in index.manifests.iter_mut().filter(|entry| entry.tag() == Some(tag)) {
            entry.annotations.remove(REF_NAME);
        }
        index.manifests.push(entry);
        drop_needless(&mut index);
        let path = self.layout.path().join("index.json");
        replace(&self.own_folder, &path, &json(&index, &path)?)?;
        tracing::info!(image.name = %self.name, image.tag = %tag, image.digest = %digest, "Tagged an image.");
        Ok(())
    }

    /// Makes sure that a manifest and all it names are here; answers what points to the manifest.
    fn check_complete(&self, digest: Digest) -> Result<Descriptor, RegistryError> {
        let image = format!("{}@{digest}", self.name);
        let manifest: Option<Manifest> = self.layout.manifest(digest, &image)?;
        let Some(manifest) = manifest else {
            return Err(RegistryError::NoImage { image, folder: self.layout.path().to_owned() });
        };
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            self.layout.open_blob(descriptor)?;
        }
        let path = self.layout.path().join(blob_path(digest));
        let size = fs::metadata(&path).map_err(RegistryError::io("read", &path))?.len();
        Ok(Descriptor::new(manifest.media_type.as_deref().unwrap_or(IMAGE_MANIFEST), digest, size))
    }

    /// Whether a blob is here.
    pub(crate) fn has(&self, digest: Digest, size: u64) -> bool {
        let path = self.layout.path().join(blob_path(digest));
        // A blob got its name after it was synced, so the right length is enough here; readers check the digest.
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == size)
    }
}

/// An untagged entry is there to keep a manifest alive; a second entry for the same manifest makes it needless.
fn drop_needless(index: &mut Index) {
    let tagged: Vec<Digest> = index.manifests.iter().filter(|entry| entry.tag().is_some()).map(|entry| entry.digest).collect();
    let mut kept = Vec::new();
    index.manifests.retain(|entry| {
        let needless = entry.tag().is_none() && (tagged.contains(&entry.digest) || kept.contains(&entry.digest));
        kept.push(entry.digest);
        !needless
    });
}

fn clear_leftovers(folder: &Path) -> Result<(), RegistryError> {
    let entries = fs::read_dir(folder).map_err(RegistryError::io("read", folder))?;
    for entry in entries {
        let path = entry.map_err(RegistryError::io("read", folder))?.path();
        if path.file_name().is_some_and(|name| name != LOCK) {
            fs::remove_file(&path).map_err(RegistryError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn json<T: Serialize>(document: &T, path: &Path) -> Result<Vec<u8>, RegistryError> {
    serde_json::to_vec(document).map_err(|error| RegistryError::io("write", path)(io::Error::from(error)))
}

fn temporary(folder: &Path) -> Result<NamedTempFile, RegistryError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::Permissions::from_mode(0o644);
    tempfile::Builder::new().permissions(mode).tempfile_in(folder).map_err(RegistryError::io("create a file in", folder))
}

/// Replaces the file at `path` by one with these bytes, in one step.
fn replace(own_folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let mut file = temporary(own_folder)?;
    file.write_all(bytes).map_err(RegistryError::io("write", path))?;
    persist(file, path)
}

/// Gives a finished file its name, so that it is there whole or not at all, even after a power cut.
fn persist(file: NamedTempFile, path: &Path) -> Result<(), RegistryError> {
    file.as_file().sync_all().map_err(RegistryError::io("write", path))?;
    file.persist(path).map_err(|error| RegistryError::io("write", path)(error.error))?;
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(RegistryError::io("sync", folder))
}
