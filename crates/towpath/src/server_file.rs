//! How clients find the running server: a small file in the state directory.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use towpath_web::Endpoint;

use crate::files;

/// The file's name in the state directory.
pub const NAME: &str = "server.json";

/// What the file says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFile {
    /// Where the server listens.
    pub address: Endpoint,
    /// The server's process.
    pub pid: u32,
    /// The server's version.
    pub version: String,
    /// What this machine's command line shows that it may do everything, where people have to sign in. Only the file's owner can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl std::fmt::Debug for ServerFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerFile").field("address", &self.address).field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl ServerFile {
    /// Reads the file; nothing when no server ever said where it listens, or it ended as it should.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or makes no sense.
    pub fn read(state: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(state.join(NAME)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// This server's entry in the state directory. Dropping it takes the entry away; after `kill -9` it stays, and clients
/// find that nobody answers there.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
    file: ServerFile,
}

impl Published {
    /// Writes down where this process listens, and the local key where there is one.
    ///
    /// # Errors
    /// When the state directory cannot be written to.
    pub fn new(state: &Path, address: &Endpoint, key: Option<&str>) -> io::Result<Self> {
        let address = match address {
            Endpoint::Unix(path) => Endpoint::Unix(std::path::absolute(path)?),
            tcp @ Endpoint::Tcp(_) => tcp.clone(),
        };
        let file =
            ServerFile { address, pid: std::process::id(), version: env!("CARGO_PKG_VERSION").to_owned(), key: key.map(str::to_owned) };
        let path = state.join(NAME);
        files::replace(&path, &serde_json::to_vec_pretty(&file)?)?;
        Ok(Self { path, file })
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // A server that took over meanwhile keeps its entry.
        let state = self.path.parent().unwrap_or(Path::new("."));
        if ServerFile::read(state).is_ok_and(|there| there.as_ref() == Some(&self.file)) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_there_as_long_as_its_server_and_never_takes_away_anothers() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(ServerFile::read(state.path()).unwrap(), None);
        let published = Published::new(state.path(), &"127.0.0.1:7001".parse().unwrap(), None).unwrap();
        let there = ServerFile::read(state.path()).unwrap().unwrap();
        assert_eq!((there.address.to_string().as_str(), there.pid), ("127.0.0.1:7001", std::process::id()));
        let other = ServerFile { pid: 1, ..there };
        std::fs::write(state.path().join(NAME), serde_json::to_vec(&other).unwrap()).unwrap();
        drop(published);
        assert_eq!(ServerFile::read(state.path()).unwrap(), Some(other));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_an_error() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join(NAME), r#"{"address":"0.0.0.0","pid":1,"version":"1"}"#).unwrap();
        assert!(ServerFile::read(state.path()).is_err());
    }
}
