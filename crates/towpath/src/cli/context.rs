//! What every command may need.

use std::future::Future;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
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
    server: Option<String>,
    token_file: Option<PathBuf>,
}

impl Context {
    /// Surroundings in which `named` is the `towpath.toml`, if given.
    pub(crate) fn new(out: Out, environment: Environment, named: Option<PathBuf>) -> Self {
        let named = named.or_else(|| environment.config.clone());
        let server = environment.server.clone();
        Self { out, environment, named, server, token_file: None }
    }

    /// The same, with the server to ask and the file that holds the token for it, if given.
    pub(crate) fn asking(self, server: Option<String>, token_file: Option<PathBuf>) -> Self {
        Self { server: server.or(self.server), token_file, ..self }
    }

    /// Whether a server is asked that is not the one of this installation: it knows by the token who asks.
    pub(crate) fn asks_elsewhere(&self) -> bool {
        self.server.is_some()
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

    /// The running server: the one that was named, or this installation's.
    ///
    /// # Errors
    /// When there is no `towpath.toml`, or no server; when no token can be sent to the one that was named.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        match &self.server {
            Some(url) => Ok(Client::remote(url, self.token()?)?),
            None => Ok(Client::find(&self.config()?)?),
        }
    }

    /// The token that shows who asks.
    fn token(&self) -> Result<Option<SecretString>, Failure> {
        match &self.token_file {
            Some(file) => token_in(file).map(Some),
            None => Ok(self.environment.token.as_ref().map(|token| SecretString::from(token.0.clone()))),
        }
    }
}

/// The token in a file that only its owner can read.
fn token_in(file: &Path) -> Result<SecretString, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot read {}: {error}", file.display()))
            .help("--token-file names a file that holds a token alone")
    };
    let mut open = std::fs::File::open(file).map_err(failed)?;
    let mode = open.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = format!("{} can be read by others (its mode is {:o}), and it holds a token", file.display(), mode & 0o777);
        return Err(Failure::new(Exit::Failed, message)
            .help(format!("chmod 600 {}; and take the token back if others may have seen it", file.display())));
    }
    let mut text = String::new();
    open.by_ref().take(TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(
            Failure::new(Exit::Failed, format!("{} holds no token", file.display())).help("a token is one line that begins with towpath_")
        );
    }
    Ok(SecretString::from(token.to_owned()))
}

/// More than any token has.
const TOKEN_BYTES_MAX: u64 = 4096;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_a_file_that_nobody_else_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "towpath_abc\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(token_in(&file).unwrap_err().message.contains("can be read by others (its mode is 644)"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&token_in(&file).unwrap()), "towpath_abc");
        for nonsense in ["", "  \n", "two words", "one\ntwo"] {
            std::fs::write(&file, nonsense).unwrap();
            assert!(token_in(&file).unwrap_err().message.contains("holds no token"), "{nonsense:?}");
        }
        assert!(token_in(&folder.path().join("none")).unwrap_err().message.contains("cannot read"));
    }
}
