//! What every command may need.

use std::future::Future;
use std::path::{Path, PathBuf};

use towpath_catalog::{InputFile, folder};

use crate::client::Client;
use crate::config::{self, Config};
use crate::env::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Out;

/// The surroundings of a command.
pub(crate) struct Context {
    /// Where it prints.
    pub(crate) out: Out,
    /// What the environment says.
    pub(crate) environment: Environment,
    named: Option<PathBuf>,
}

impl Context {
    /// Surroundings in which `named` is the `towpath.toml`, if given.
    pub(crate) fn new(out: Out, environment: Environment, named: Option<PathBuf>) -> Self {
        let named = named.or_else(|| environment.config.clone());
        Self { out, environment, named }
    }

    /// The current folder.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        std::env::current_dir().map_err(|error| Failure::new(Exit::Failed, format!("the current folder cannot be found: {error}")))
    }

    /// `path` from the current folder.
    ///
    /// # Errors
    /// When the current folder is gone.
    pub(crate) fn absolute(&self, path: &Path) -> Result<PathBuf, Failure> {
        Ok(self.folder()?.join(path))
    }

    /// `towpath.toml`.
    ///
    /// # Errors
    /// When there is none, or it makes no sense.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        config::load(&config::locate(self.named.as_deref(), &self.folder()?)?)
    }

    /// `towpath.toml`, unless nothing names one and none is found.
    ///
    /// # Errors
    /// When one was named that is not there, or the one there makes no sense.
    pub(crate) fn config_if_any(&self) -> Result<Option<Config>, Failure> {
        match config::locate(self.named.as_deref(), &self.folder()?) {
            Ok(file) => config::load(&file).map(Some),
            Err(_) if self.named.is_none() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The running server.
    ///
    /// # Errors
    /// When there is no `towpath.toml`, or no server.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::find(&self.config()?)?)
    }
}

/// The files of the config repository in the folder `path`, committed or not.
///
/// # Errors
/// When it is no folder with `data/` in it, or cannot be read.
pub(crate) fn config_files(path: &Path) -> Result<Vec<InputFile>, Failure> {
    folder::read(path).map_err(|error| {
        Failure::new(Exit::Failed, format!("no config repository can be read in {}: {error}", path.display()))
            .help("name the folder of a config repository: the one that holds data/")
    })
}

/// Runs a command's future to its end on this thread.
///
/// # Errors
/// The future's own, or that the system has no means for it.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot begin: {error}")))?.block_on(future)
}
