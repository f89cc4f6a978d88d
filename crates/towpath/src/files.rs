//! Writing small files so that a reader, or a killed writer, never leaves half of one.

use std::io::{self, Write};
use std::path::Path;

/// Replaces the file at `path`, or makes it: readable by its owner only.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".towpath-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    std::fs::File::open(folder)?.sync_all()
}
