//! Writing: everything that is made anew appears as a whole, and nothing that is there is touched.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use towpath_catalog::InputFile;
use towpath_domain::BranchName;

use super::{Service, content, git};
use crate::config::FILE_NAME;
use crate::exit::Exit;
use crate::failure::Failure;

/// The config repository's folder.
const CONFIG: &str = "config";

/// What was written.
pub(super) struct Written {
    /// The folder of `towpath.toml`.
    pub(super) folder: PathBuf,
    /// The config repository.
    pub(super) config: PathBuf,
    /// The folder that the service's own files were put into, with a path for each.
    pub(super) service: PathBuf,
    /// The service's files that were written.
    pub(super) added: Vec<String>,
    /// The service's files that were there already.
    pub(super) kept: Vec<String>,
}

/// Writes the config repository, the service's files and `towpath.toml`, the last one last: it says that all is there.
pub(super) fn write(folder: &Path, service: &Service) -> Result<Written, Failure> {
    let (toml, config) = (folder.join(FILE_NAME), folder.join(CONFIG));
    for path in [&toml, &config] {
        if path.symlink_metadata().is_ok() {
            return Err(there_already(path));
        }
    }
    let files = content::config(service);
    check(&files)?;
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let made = tempfile::Builder::new().prefix(".towpath-init-").tempdir_in(folder).map_err(|error| failed(folder, &error))?;
    for (path, text) in &files {
        create(&made.path().join(path), text)?;
    }
    let branch = BranchName::new("main").map_err(|error| Failure::of(Exit::Failed, &error))?;
    git::first_commit(made.path(), &branch)?;
    let home = service.folder.clone().unwrap_or_else(|| folder.join(format!("for-{}", service.name)));
    let (mut added, mut kept) = (Vec::new(), Vec::new());
    for (path, text) in content::service(service) {
        let list = if home.join(&path).symlink_metadata().is_ok() { &mut kept } else { &mut added };
        list.push(path.clone());
        if added.last() == Some(&path) {
            create(&home.join(&path), &text)?;
        }
    }
    std::fs::rename(made.path(), &config).map_err(|error| match error.kind() {
        // Another `init` was faster.
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => there_already(&config),
        _ => failed(&config, &error),
    })?;
    create(&toml, &content::toml(CONFIG))?;
    Ok(Written { folder: folder.to_owned(), config, service: home, added, kept })
}

fn there_already(path: &Path) -> Failure {
    let message = format!("{} is there already, and is left as it is", path.display());
    Failure::new(Exit::Failed, message).help("name another folder with --dir; `towpath validate` checks what is there")
}

/// What is written must pass its own validation: an answer that makes no good catalog is refused before anything is there.
fn check(files: &[(String, String)]) -> Result<(), Failure> {
    let data = files.iter().filter(|(path, _)| path.starts_with("data/"));
    let inputs = data.map(|(path, text)| InputFile::new(path.as_str(), text.as_bytes())).collect();
    let diagnostics = towpath_catalog::load(inputs).diagnostics;
    if diagnostics.is_empty() {
        return Ok(());
    }
    let found = towpath_catalog::render::lines(&diagnostics);
    let message = format!("these answers make no valid config repository, and nothing was written:\n{}", found.trim_end());
    Err(Failure::new(Exit::Failed, message).help("change the answer that is named"))
}

/// Writes a file where none is.
fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display())).help("see to the right to write there, and free space")
}
