//! Reading an image layout: the registry's own, or one from outside.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::de::DeserializeOwned;
use towpath_domain::Digest;

use crate::beneath::Folder;
use crate::hashing::digest_of;
use crate::image::{ConfigFile, Descriptor, Index, LayoutMarker, Manifest};
use crate::{Limits, RegistryError};

/// Whose a layout is; it decides who is at fault when its content is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Written by this registry.
    Registry,
    /// Left by somebody else's program.
    Outside,
}

/// An image layout, open for reading. No link below its folder is followed, whoever owns it.
#[derive(Debug)]
pub(crate) struct Layout {
    path: PathBuf,
    folder: Folder,
    owner: Owner,
    limits: Limits,
}

impl Layout {
    /// Opens the layout at `path`. `None` when there is no such folder or it is no layout.
    pub(crate) fn open(path: &Path, owner: Owner, limits: &Limits) -> Result<Option<Self>, RegistryError> {
        let folder = match Folder::open(path) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RegistryError::io("open", path)(error)),
        };
        let layout = Self { path: path.to_owned(), folder, owner, limits: limits.clone() };
        let Some(bytes) = layout.document("oci-layout", limits.document_bytes)? else { return Ok(None) };
        let marker: LayoutMarker = layout.parse(Path::new("oci-layout"), &bytes)?;
        if !marker.image_layout_version.starts_with("1.") {
            let why = format!("its imageLayoutVersion is {:?}, not 1.0.0", marker.image_layout_version);
            return Err(layout.fault(Path::new("oci-layout"), why));
        }
        Ok(Some(layout))
    }

    /// Where the layout is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What its `index.json` says. An own layout that was cut short before its first tag has none yet.
    pub(crate) fn index(&self) -> Result<Index, RegistryError> {
        let limit = match self.owner {
            Owner::Registry => self.limits.index_bytes,
            Owner::Outside => self.limits.document_bytes,
        };
        let path = Path::new("index.json");
        let Some(bytes) = self.document("index.json", limit)? else {
            return match self.owner {
                Owner::Registry => Ok(Index::empty()),
                Owner::Outside => Err(self.fault(path, "it is missing")),
            };
        };
        let index: Index = self.parse(path, &bytes)?;
        if index.schema_version != 2 {
            return Err(self.fault(path, format!("its schemaVersion is {}, not 2", index.schema_version)));
        }
        Ok(index)
    }

    /// The image manifest `digest`, checked. `None` when the layout has no such blob.
    pub(crate) fn manifest(&self, digest: Digest, place: &str) -> Result<Option<Manifest>, RegistryError> {
        let Some(bytes) = self.small_blob(digest, None)? else { return Ok(None) };
        let manifest: Manifest = self.parse(&blob_path(digest), &bytes)?;
        manifest.check(&self.limits, place)?;
        Ok(Some(manifest))
    }

    /// The configuration of an image, checked against its layers.
    pub(crate) fn config(&self, manifest: &Manifest) -> Result<ConfigFile, RegistryError> {
        let path = blob_path(manifest.config.digest);
        let bytes = self.needed(&manifest.config)?;
        let config: ConfigFile = self.parse(&path, &bytes)?;
        if config.rootfs.kind != "layers" {
            return Err(self.fault(&path, format!("its rootfs.type is {:?}, not \"layers\"", config.rootfs.kind)));
        }
        let (ids, layers) = (config.rootfs.diff_ids.len(), manifest.layers.len());
        if ids != layers {
            return Err(self.fault(&path, format!("it has {ids} diff_ids for {layers} layers")));
        }
        Ok(config)
    }

    /// An image index (one manifest per platform) that is a blob of its own.
    pub(crate) fn nested_index(&self, descriptor: &Descriptor) -> Result<Index, RegistryError> {
        let bytes = self.needed(descriptor)?;
        self.parse(&blob_path(descriptor.digest), &bytes)
    }

    /// Opens a blob that must be there with the length that `descriptor` says. Its digest is for the reader to check.
    pub(crate) fn open_blob(&self, descriptor: &Descriptor) -> Result<File, RegistryError> {
        let path = blob_path(descriptor.digest);
        let Some(file) = self.file(&path)? else { return Err(self.fault(&path, "it is missing")) };
        let size = self.length(&file, &path)?;
        if size != descriptor.size {
            return Err(self.fault(&path, format!("it has {size} bytes and should have {}", descriptor.size)));
        }
        Ok(file)
    }

    /// An error about the file at `path` in this layout.
    pub(crate) fn fault(&self, path: &Path, why: impl Into<String>) -> RegistryError {
        match self.owner {
            Owner::Registry => RegistryError::Damaged { path: self.path.join(path), why: why.into() },
            Owner::Outside => RegistryError::Malformed {
                what: path.display().to_string(),
                place: format!("the image layout {}", self.path.display()),
                why: why.into(),
            },
        }
    }

    fn needed(&self, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        self.small_blob(descriptor.digest, Some(descriptor.size))?.ok_or_else(|| self.fault(&blob_path(descriptor.digest), "it is missing"))
    }

    /// A blob that is a document: read whole, and checked against its digest.
    fn small_blob(&self, digest: Digest, size: Option<u64>) -> Result<Option<Vec<u8>>, RegistryError> {
        let path = blob_path(digest);
        let Some(file) = self.file(&path)? else { return Ok(None) };
        let bytes = self.read(file, &path, self.limits.document_bytes)?;
        if let Some(size) = size.filter(|size| *size != bytes.len() as u64) {
            return Err(self.fault(&path, format!("it has {} bytes and should have {size}", bytes.len())));
        }
        let found = digest_of(&bytes);
        if found != digest {
            return Err(self.fault(&path, format!("its content has the digest {found}")));
        }
        Ok(Some(bytes))
    }

    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let path = Path::new(name);
        let Some(file) = self.file(path)? else { return Ok(None) };
        self.read(file, path, limit).map(Some)
    }

    fn file(&self, path: &Path) -> Result<Option<File>, RegistryError> {
        let names = path.iter().map(|name| name.as_encoded_bytes());
        match self.folder.file_at(names) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(self.fault(path, "it is not a regular file")),
            Err(error) if is_link(&error) => Err(self.fault(path, "it is, or lies behind, a symbolic link or a file")),
            Err(error) => Err(RegistryError::io("open", &self.path.join(path))(error)),
        }
    }

    fn read(&self, file: File, path: &Path, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(RegistryError::io("read", &self.path.join(path)))?;
        if bytes.len() as u64 > limit {
            let place = format!("the image layout {}", self.path.display());
            return Err(RegistryError::TooLarge { what: path.display().to_string(), place, limit, unit: "bytes" });
        }
        Ok(bytes)
    }

    fn length(&self, file: &File, path: &Path) -> Result<u64, RegistryError> {
        Ok(file.metadata().map_err(RegistryError::io("read", &self.path.join(path)))?.len())
    }

    fn parse<T: DeserializeOwned>(&self, path: &Path, bytes: &[u8]) -> Result<T, RegistryError> {
        serde_json::from_slice(bytes).map_err(|error| self.fault(path, error.to_string()))
    }
}

fn is_link(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::LOOP.raw_os_error()) || code == Some(Errno::NOTDIR.raw_os_error())
}

/// Where a blob lies in any layout.
pub(crate) fn blob_path(digest: Digest) -> PathBuf {
    ["blobs", "sha256", &digest.hex()].iter().collect()
}
