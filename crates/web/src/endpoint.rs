//! Where the server listens, and how its clients find it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address: a TCP port, written `127.0.0.1:7001`, or a Unix socket, written `unix:/path/to/socket`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// A TCP port. Port 0 lets the system choose a free one when listening.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text is not an address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It reads as neither.
    #[error("{text:?} is not an address: write ADDRESS:PORT, such as 127.0.0.1:7001 or [::1]:7001, or unix:/path/to/socket")]
    Unreadable {
        /// The text.
        text: String,
    },
}

impl FromStr for Endpoint {
    type Err = EndpointError;
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let unreadable = || EndpointError::Unreadable { text: text.chars().take(200).collect() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() || path.contains('\0') { Err(unreadable()) } else { Ok(Self::Unix(PathBuf::from(path))) };
        }
        let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        text.parse().map(Self::Tcp).map_err(|_| unreadable())
    }
}

impl Endpoint {
    /// Whether only this machine can connect to it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;
    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ports_and_sockets() {
        for text in ["127.0.0.1:0", "127.0.0.1:7001", "[::1]:7001", "unix:/run/towpath.sock", "unix:relative.sock"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("localhost:7001".parse::<Endpoint>().unwrap().to_string(), "127.0.0.1:7001");
        for bad in ["", "7001", "unix:", "towpath.example:80", "127.0.0.1", "http://127.0.0.1:1"] {
            assert!(matches!(bad.parse::<Endpoint>(), Err(EndpointError::Unreadable { .. })), "{bad}");
        }
        for open in ["0.0.0.0:80", "192.168.1.1:80", "[::]:80"] {
            assert!(!open.parse::<Endpoint>().unwrap().is_local(), "{open}");
        }
        for local in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "unix:x"] {
            assert!(local.parse::<Endpoint>().unwrap().is_local(), "{local}");
        }
    }
}
