//! SHA-256 of what passes by.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use towpath_domain::Digest;

/// The digest of `bytes`.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Passes everything on to a writer, and keeps digest and length.
pub(crate) struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W: Write> HashingWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), size: 0 }
    }

    /// The writer, and the digest and length of what went through.
    pub(crate) fn finish(self) -> (W, Digest, u64) {
        (self.inner, Digest::from_bytes(self.hasher.finalize().into()), self.size)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or(bytes));
        self.size = self.size.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What a [`MeteredReader`] has seen. Shared, since the reader itself ends up inside a decoder.
pub(crate) struct Meter {
    hasher: Sha256,
    size: u64,
    limit: u64,
    over: bool,
    failure: Option<io::Error>,
}

impl Meter {
    /// A meter that lets at most `limit` bytes through.
    pub(crate) fn new(limit: u64) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { hasher: Sha256::new(), size: 0, limit, over: false, failure: None }))
    }

    /// Whether there was more than the limit.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes that went through.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The error of the reader below, if it was that which failed and not the format.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// The digest of what went through.
    pub(crate) fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }
}

/// Hashes and counts what is read through it, and stops at a limit.
pub(crate) struct MeteredReader<R> {
    inner: R,
    meter: Rc<RefCell<Meter>>,
}

impl<R: Read> MeteredReader<R> {
    pub(crate) fn new(inner: R, meter: Rc<RefCell<Meter>>) -> Self {
        Self { inner, meter }
    }
}

impl<R: Read> Read for MeteredReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut meter = self.meter.borrow_mut();
        let count = match self.inner.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let copy = error.raw_os_error().map_or_else(|| io::Error::from(error.kind()), io::Error::from_raw_os_error);
                meter.failure = Some(copy);
                return Err(error);
            }
        };
        meter.size = meter.size.saturating_add(count as u64);
        if meter.size > meter.limit {
            meter.over = true;
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        meter.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
