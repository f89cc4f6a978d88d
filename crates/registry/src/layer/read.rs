//! A layer's entries, one by one, checked against digest, diff id and limits while they stream by.

use std::cell::RefCell;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use towpath_domain::Digest;

use super::LayerEntry;
use super::entry::{Extensions, Refusal};
use super::zstd::ZstdReader;
use crate::hashing::{HashingWriter, Meter, MeteredReader};
use crate::image::{Compression, Descriptor, layer_compression};
use crate::layout::{Layout, blob_path};
use crate::{Limits, RegistryError};

/// What is left of the limits for one image.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u64,
    entries: u64,
    limits: Limits,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { bytes: limits.unpacked_bytes, entries: limits.entries, limits: limits.clone() }
    }
}

/// One layer of an image in a layout.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) descriptor: &'a Descriptor,
    /// The digest of the uncompressed tar.
    pub(crate) diff_id: Digest,
    /// The image, for messages.
    pub(crate) place: &'a str,
}

/// Everything in a tar begins at a multiple of this.
const TAR_BLOCK: u64 = 512;

type SharedMeter = Rc<RefCell<Meter>>;

/// Calls `visit` for each entry of the layer, with a reader for its content.
///
/// The digests are known only when all is read: until this returns `Ok`, what `visit` did must not be used.
///
/// # Errors
/// [`RegistryError`] of a layer that is broken, unsafe or too large, or what `visit` returned.
pub(crate) fn read_layer(
    layer: Layer<'_>,
    budget: &mut Budget,
    visit: &mut dyn FnMut(&LayerEntry, &mut dyn Read) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    let file = layer.layout.open_blob(layer.descriptor)?;
    let stored = Meter::new(layer.descriptor.size);
    let unpacked = Meter::new(budget.bytes);
    let source = BufReader::with_capacity(128 << 10, MeteredReader::new(file, Rc::clone(&stored)));
    let compression = layer_compression(&layer.descriptor.media_type).map_err(|mend| RegistryError::Unsupported {
        what: format!("the layer type {:?}", layer.descriptor.media_type),
        place: layer.place.to_owned(),
        mend,
    })?;
    let plain: Box<dyn Read> = match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(ZstdReader::new(source)),
    };
    let reader = Padded { inner: MeteredReader::new(plain, Rc::clone(&unpacked)), ended: false, size: 0 };

    let mut archive = tar::Archive::new(reader);
    let outcome = visit_entries(&mut archive, budget, visit, layer, &unpacked).and_then(|()| {
        // What follows the archive's end is part of the layer's digest, too.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop).map_err(|error| Stop::Malformed(error.to_string()))
    });
    budget.bytes = budget.bytes.saturating_sub(unpacked.borrow().size());
    match outcome {
        Ok(()) => check_digests(layer, &stored, &unpacked),
        Err(Stop::Visit(error)) => Err(error),
        Err(stop) => Err(explain(stop, layer, &budget.limits, &stored, &unpacked)),
    }
}

/// Why the reading of a layer ended early.
enum Stop {
    Visit(RegistryError),
    Unsafe(Vec<u8>, &'static str),
    Malformed(String),
    TooManyEntries,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unsafe(path, why) => Self::Unsafe(path, why),
            Refusal::Malformed(why) => Self::Malformed(why),
        }
    }
}

fn visit_entries<R: Read>(
    archive: &mut tar::Archive<R>,
    budget: &mut Budget,
    visit: &mut dyn FnMut(&LayerEntry, &mut dyn Read) -> Result<(), RegistryError>,
    layer: Layer<'_>,
    unpacked: &SharedMeter,
) -> Result<(), Stop> {
    let broken = |error: io::Error| Stop::Malformed(error.to_string());
    let mut extensions = Extensions::default();
    // Raw: the tar crate would read extended headers into memory, however large they are.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        budget.entries = budget.entries.checked_sub(1).ok_or(Stop::TooManyEntries)?;
        let header = entry.header().clone();
        if extensions.take(&header, &mut entry)? {
            continue;
        }
        let read = std::mem::take(&mut extensions).entry(&header)?;
        let size = header.entry_size().map_err(broken)?;
        let mut content = Counted { inner: &mut entry, left: size, failed: None };
        let outcome = visit(&read, &mut content);
        if let Some(error) = content.failed {
            return Err(Stop::Malformed(error));
        }
        outcome.map_err(|error| match error {
            RegistryError::UnsafeEntry { entry, why, .. } => {
                Stop::Visit(RegistryError::UnsafeEntry { place: layer.place.to_owned(), entry, why })
            }
            other => Stop::Visit(other),
        })?;
        io::copy(&mut entry, &mut io::sink()).map_err(broken)?;
        if entry.raw_file_position().saturating_add(size) > unpacked.borrow().size() {
            return Err(Stop::Malformed("it ends in the middle of a file".to_owned()));
        }
    }
    Ok(())
}

/// Fills the last block of a tar up. Some builders (umoci 0.4 among them) end a tar with its last file's last byte, and
/// other tools accept that; the tar crate does not.
struct Padded<R> {
    inner: R,
    ended: bool,
    size: u64,
}

impl<R: Read> Read for Padded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = if self.ended { 0 } else { self.inner.read(buffer)? };
        if count == 0 && !buffer.is_empty() {
            self.ended = true;
            let missing = self.size.next_multiple_of(TAR_BLOCK) - self.size;
            count = io::repeat(0).take(missing).read(buffer)?;
        }
        self.size = self.size.saturating_add(count as u64);
        Ok(count)
    }
}

/// An entry's content. Keeps a read error apart, so that it is not taken for one of the place that is written to.
struct Counted<'a> {
    inner: &'a mut dyn Read,
    left: u64,
    failed: Option<String>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = match self.inner.read(buffer) {
            Ok(0) if self.left > 0 && !buffer.is_empty() => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            other => other,
        };
        match &outcome {
            Ok(count) => self.left = self.left.saturating_sub(*count as u64),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => self.failed = Some(error.to_string()),
            Err(_) => {}
        }
        outcome
    }
}

fn check_digests(layer: Layer<'_>, stored: &SharedMeter, unpacked: &SharedMeter) -> Result<(), RegistryError> {
    let path = blob_path(layer.descriptor.digest);
    let (stored, unpacked) = (stored.borrow(), unpacked.borrow());
    if stored.digest() != layer.descriptor.digest || stored.size() != layer.descriptor.size {
        return Err(layer.layout.fault(&path, format!("its content has the digest {}", stored.digest())));
    }
    if unpacked.digest() != layer.diff_id {
        let why = format!("uncompressed it has the digest {}, and the configuration says {}", unpacked.digest(), layer.diff_id);
        return Err(malformed(layer, why));
    }
    Ok(())
}

fn explain(stop: Stop, layer: Layer<'_>, limits: &Limits, stored: &SharedMeter, unpacked: &SharedMeter) -> RegistryError {
    let place = layer.place.to_owned();
    if let Some(failure) = stored.borrow_mut().take_failure() {
        let path = layer.layout.path().join(blob_path(layer.descriptor.digest));
        return RegistryError::io::<io::Error>("read", Path::new(&path))(failure);
    }
    if unpacked.borrow().is_over() {
        return RegistryError::TooLarge { what: "the image, unpacked,".to_owned(), place, limit: limits.unpacked_bytes, unit: "bytes" };
    }
    if let Err(error) = check_stored(layer) {
        // The bytes are not those that were meant, so nothing that they say is the image's fault.
        return error;
    }
    match stop {
        Stop::Visit(error) => error,
        Stop::Unsafe(path, why) => RegistryError::UnsafeEntry { place, entry: String::from_utf8_lossy(&path).into_owned(), why },
        Stop::Malformed(why) => malformed(layer, why),
        Stop::TooManyEntries => RegistryError::TooLarge { what: "the image".to_owned(), place, limit: limits.entries, unit: "entries" },
    }
}

/// Reads the stored blob once more, for its digest alone.
fn check_stored(layer: Layer<'_>) -> Result<(), RegistryError> {
    let path = blob_path(layer.descriptor.digest);
    let mut file = layer.layout.open_blob(layer.descriptor)?;
    let mut hasher = HashingWriter::new(io::sink());
    io::copy(&mut file, &mut hasher).map_err(RegistryError::io("read", &layer.layout.path().join(&path)))?;
    let (_, digest, _) = hasher.finish();
    if digest != layer.descriptor.digest {
        return Err(layer.layout.fault(&path, format!("its content has the digest {digest}")));
    }
    Ok(())
}

fn malformed(layer: Layer<'_>, why: String) -> RegistryError {
    RegistryError::Malformed { what: format!("layer {}", layer.descriptor.digest), place: layer.place.to_owned(), why }
}
