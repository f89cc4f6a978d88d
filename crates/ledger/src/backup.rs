//! Copies of a ledger: taken while it runs, put back while it does not.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use towpath_domain::Timestamp;

use crate::db;
use crate::db::lock::ProcessLock;
use crate::error::{Error, Result};
use crate::ledger::Ledger;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The ledger that is in place now.
    pub file: PathBuf,
    /// Where the one that was there before is kept.
    pub aside: Option<PathBuf>,
}

impl Ledger {
    /// Writes a copy of all that is committed to `dest`, one file, while others go on writing. The copy appears under
    /// its name only when it is whole.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is a file already, [`Error::Environment`].
    pub async fn backup(&self, dest: impl AsRef<Path>) -> Result<()> {
        let dest = dest.as_ref();
        if dest.exists() {
            return Err(Error::Exists { path: dest.to_path_buf(), hint: "name another file for the backup" });
        }
        let unfinished = beside(dest, ".unfinished");
        self.copy_to(&unfinished).await?;
        // A link, unlike a rename, fails when somebody else was faster.
        fs::hard_link(&unfinished, dest).or_else(|_| fs::rename(&unfinished, dest)).map_err(|error| Error::io("write", dest, &error))?;
        remove(&unfinished)?;
        sync_directory(dest)
    }

    /// A copy of all that is committed, safe on the disk.
    async fn copy_to(&self, file: &Path) -> Result<()> {
        remove(file)?;
        let name = file.to_str().ok_or_else(|| Error::Environment {
            doing: "write to",
            path: file.to_path_buf(),
            why: "its name is not UTF-8".to_owned(),
        })?;
        let mut db = self.reader().await?;
        sqlx::query("VACUUM INTO $1").bind(name).execute(&mut *db).await.map_err(|error| Error::database("write", file, &error))?;
        fs::File::open(file).and_then(|file| file.sync_all()).map_err(|error| Error::io("write", file, &error))
    }
}

/// Puts a backup in the place of a ledger that no process has open. The backup is verified first; a ledger that is
/// there is kept aside, and replaced only with `force`.
///
/// # Errors
/// [`Error::Exists`], [`Error::BadBackup`], [`Error::InUse`], [`Error::Missing`], [`Error::TooNew`], [`Error::Environment`].
pub async fn restore(source: impl AsRef<Path>, dest: impl AsRef<Path>, force: bool, now: Timestamp) -> Result<Restored> {
    let dest = db::file_of(dest.as_ref());
    let backup = Ledger::read_only(&source).await?;
    let report = backup.verify().await?;
    if let Some(first) = report.differences.first() {
        let (path, first) = (backup.file().to_path_buf(), first.to_string());
        return Err(Error::BadBackup { path, first, differences: report.differences.len() });
    }
    if let Some(directory) = dest.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(|error| Error::io("make", directory, &error))?;
    }
    let _lock = ProcessLock::take(&dest)?;
    if dest.exists() && !force {
        return Err(Error::Exists { path: dest, hint: "say that it is to be replaced; it is kept aside then" });
    }
    let unfinished = beside(&dest, ".unfinished");
    backup.copy_to(&unfinished).await?;
    backup.close().await;
    let aside = if dest.exists() { Some(put_aside(&dest, now)?) } else { None };
    fs::rename(&unfinished, &dest).map_err(|error| Error::io("write", &dest, &error))?;
    sync_directory(&dest)?;
    Ok(Restored { file: dest, aside })
}

/// Keeps a ledger under a second name. The file itself stays in place until the new one takes its name, so that there is
/// a ledger at every instant; its journal must go first, or it would be replayed into the new one.
fn put_aside(dest: &Path, now: Timestamp) -> Result<PathBuf> {
    let suffix = format!(".before-restore-{}", now.as_millis());
    let aside = beside(dest, &suffix);
    keep(dest, &aside)?;
    let journal = beside(dest, "-wal");
    if journal.exists() {
        keep(&journal, &beside(&aside, "-wal"))?;
    }
    sync_directory(dest)?;
    remove(&journal)?;
    remove(&beside(dest, "-shm"))?;
    sync_directory(dest)?;
    Ok(aside)
}

fn keep(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Err(Error::Exists { path: to.to_path_buf(), hint: "an earlier restore kept a ledger there; move it away" });
    }
    // Not every file system has links.
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ())).map_err(|error| Error::io("write", to, &error))
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", file, &error)),
        _ => Ok(()),
    }
}

/// Makes a new name in a directory survive a power cut.
fn sync_directory(of: &Path) -> Result<()> {
    let directory = of.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| Error::io("write to", directory, &error))
}
