//! The layer's tar, the same to the bit each time.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};
use towpath_domain::Timestamp;

use super::collect::{Collected, Packable, pack_error};
use crate::RegistryError;

/// The latest time that fits into a tar header's eleven octal digits, in the year 2242.
const LATEST: i64 = 0o77_777_777_777;

/// A commit's time in whole seconds, within what a tar can hold: a commit may claim any time.
pub(super) fn seconds(created: Timestamp) -> u64 {
    u64::try_from(created.as_millis().div_euclid(1000).clamp(0, LATEST)).unwrap_or(0)
}

/// Writes all entries as a tar.
pub(super) fn write(files: &Collected, seconds: u64, to: &mut dyn Write) -> Result<(), RegistryError> {
    let mut tar = Builder::new(BufWriter::with_capacity(128 << 10, to));
    let failed = |path: &[u8]| {
        let path = files.checkout.join(OsStr::from_bytes(path));
        RegistryError::io::<io::Error>("pack", &path)
    };
    for (path, entry) in &files.entries {
        let in_image = Path::new(OsStr::from_bytes(path));
        match entry {
            Packable::Folder => {
                let mut header = header(EntryType::Directory, 0o755, 0, seconds);
                // With the slash at the end that tar programs write.
                let in_image = [path.as_slice(), b"/"].concat();
                tar.append_data(&mut header, OsStr::from_bytes(&in_image), io::empty()).map_err(failed(path))?;
            }
            Packable::Link { target } => {
                let mut header = header(EntryType::Symlink, 0o777, 0, seconds);
                tar.append_link(&mut header, in_image, OsStr::from_bytes(target)).map_err(failed(path))?;
            }
            Packable::File { source, mode, size } => {
                let shown = source.join(&b'/');
                let file = files.root.file_at(source.iter().map(Vec::as_slice)).map_err(failed(&shown))?;
                let now = file.metadata().map_err(failed(&shown))?.len();
                let mut header = header(EntryType::Regular, *mode, *size, seconds);
                let mut content = Exactly { left: *size, ended: false, inner: file };
                let outcome = tar.append_data(&mut header, in_image, &mut content);
                if now != *size || content.ended {
                    let path = String::from_utf8_lossy(&shown);
                    return Err(pack_error(&path, "changed while it was packed", "Have the build's command wait for what it starts"));
                }
                outcome.map_err(failed(&shown))?;
            }
        }
    }
    let mut writer = tar.into_inner().map_err(failed(b""))?;
    writer.flush().map_err(failed(b""))
}

fn header(kind: EntryType, mode: u32, size: u64, seconds: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(seconds);
    header
}

/// A file's content, as long as its header says and no longer.
struct Exactly<R> {
    left: u64,
    /// The file ended before its time.
    ended: bool,
    inner: R,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.inner).take(self.left).read(buffer)?;
        self.ended |= count == 0 && self.left > 0 && !buffer.is_empty();
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commits_time_always_fits_into_a_tar() {
        assert_eq!(seconds(Timestamp::from_millis(1_700_000_000_999)), 1_700_000_000);
        assert_eq!(seconds(Timestamp::from_millis(-1)), 0);
        assert_eq!(seconds(Timestamp::from_millis(i64::MAX)), 8_589_934_591);
    }
}
