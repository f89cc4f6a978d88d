//! How clients find the running server: a small file in the state directory.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
    /// What this machine's clients show, as a bearer token, that they may do everything; none where nobody has to show anything. It is why the file
    /// is its owner's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl fmt::Debug for ServerFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, pid, version, key: _ } = self;
        f.debug_struct("ServerFile").field("address", address).field("pid", pid).field("version", version).finish_non_exhaustive()
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
    /// Writes down where this process listens, and the key of this start, where clients need one.
    ///
    /// # Errors
    /// When the state directory cannot be written to.
    pub fn new(state: &Path, address: &Endpoint, key: Option<&str>) -> io::Result<Self> {
        let address = match address {
            Endpoint::Unix(path) => Endpoint::Unix(std::path::absolute(path)?),
            // What listens everywhere listens here, too.
            Endpoint::Tcp(open) if open.ip().is_unspecified() => {
                let here = if open.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
                Endpoint::Tcp(SocketAddr::new(here, open.port()))
            }
            tcp @ Endpoint::Tcp(_) => tcp.clone(),
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let file = ServerFile { address, pid: std::process::id(), version, key: key.map(str::to_owned) };
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
    fn the_key_is_its_owners_alone_and_shown_by_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        let _published = Published::new(state.path(), &"0.0.0.0:7001".parse().unwrap(), Some("the key")).unwrap();
        let there = ServerFile::read(state.path()).unwrap().unwrap();
        assert_eq!((there.address.to_string().as_str(), there.key.as_deref()), ("127.0.0.1:7001", Some("the key")));
        assert!(!format!("{there:?}").contains("the key"));
        assert_eq!(state.path().join(NAME).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_an_error() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join(NAME), r#"{"address":"example.com:1","pid":1,"version":"1"}"#).unwrap();
        assert!(ServerFile::read(state.path()).is_err());
    }
}
