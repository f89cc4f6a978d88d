//! A run as one file, as pytest-ibutsu writes it: `RUN/run.json`, `RUN/FILE`, `RUN/RESULT/result.json`, `RUN/RESULT/FILE`.

use std::io;

use flate2::{Compression, GzBuilder};
use serde_json::Value;
use tar::{Builder, EntryType, Header};
use towpath_domain::Timestamp;

use crate::told::{NamedFile, Told};

/// The archive, a compressed tar: the same bytes for the same run. `at` is when its files were written, as it says.
///
/// # Errors
/// None that this machine's memory does not make.
pub fn archive(told: &Told, at: Timestamp) -> io::Result<Vec<u8>> {
    let seconds = u64::try_from(at.as_millis() / 1000).unwrap_or(0);
    let packed = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    let mut writer = Writer { tar: Builder::new(packed), seconds };
    let run = told.id.to_string();
    writer.folder(&run)?;
    writer.json(&format!("{run}/run.json"), &told.run)?;
    writer.files(&run, &told.files)?;
    for result in &told.results {
        let folder = format!("{run}/{}", result.id);
        // Old servers tell results apart by their folders.
        writer.folder(&folder)?;
        writer.json(&format!("{folder}/result.json"), &result.result)?;
        writer.files(&folder, &result.files)?;
    }
    writer.tar.into_inner()?.finish()
}

struct Writer<W: io::Write> {
    tar: Builder<W>,
    seconds: u64,
}

impl<W: io::Write> Writer<W> {
    fn folder(&mut self, path: &str) -> io::Result<()> {
        self.add(path, EntryType::Directory, 0o755, &[])
    }

    fn json(&mut self, path: &str, value: &Value) -> io::Result<()> {
        self.add(path, EntryType::Regular, 0o644, value.to_string().as_bytes())
    }

    fn files(&mut self, folder: &str, files: &[NamedFile]) -> io::Result<()> {
        files.iter().try_for_each(|file| self.add(&format!("{folder}/{}", file.name), EntryType::Regular, 0o644, &file.content))
    }

    fn add(&mut self, path: &str, kind: EntryType, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.seconds);
        header.set_size(content.len() as u64);
        self.tar.append_data(&mut header, path, content)
    }
}
