//! Where Ibutsu is, and how it is told.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use towpath_domain::Span;

use crate::credential::Token;

/// The address of Ibutsu's API: the server's, with the `/api` that its operations lie below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no URL with a host.
    #[error("{0:?} is no address of a server, such as https://ibutsu-api.example.com")]
    NoAddress(String),
    /// It carries credentials, which would be shown with it.
    #[error("the address carries credentials; name the file that holds the token (`token_file`)")]
    Credentials,
    /// It carries a query or a fragment.
    #[error("the address carries a query or a fragment; leave them out")]
    Query,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError::NoAddress(text.chars().take(200).collect());
        let mut url = Url::parse(text).map_err(|_| bad())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
            return Err(bad());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Query);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&if path.ends_with("/api") { path } else { format!("{path}/api") });
        Ok(Self(url))
    }
}

impl Address {
    /// Whether everybody on the way can read along: plain http to another machine.
    #[must_use]
    pub fn is_open_to_all(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let is_here = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.0.scheme() == "http" && !is_here
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// How results are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A run as one file, which the server imports. Few requests; the server's worker must run.
    #[default]
    Archive,
    /// Run, results and files call by call. Each result is there as soon as it was sent.
    Api,
}

/// Where Ibutsu is, who we are there, and how it is told.
#[derive(Debug, Clone)]
pub struct IbutsuSettings {
    /// The address of its API.
    pub address: Address,
    /// The project's name or id.
    pub project: String,
    /// Who we are.
    pub token: Token,
    /// How results are sent.
    pub mode: Mode,
    /// Where its pages are; as the server says itself when nothing is said.
    pub frontend: Option<String>,
    /// PEM certificates to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// How much is sent and waited for.
    pub limits: Limits,
}

/// Bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest file of a run or result, in bytes: the server refuses more than 5 MiB.
    pub file: usize,
    /// The largest archive, in bytes: what is larger is sent without files. The server keeps it in its database.
    pub archive: usize,
    /// The largest answer that is read, in bytes.
    pub answer: usize,
    /// How long one answer may keep silent.
    pub silence: Duration,
    /// How often a request is tried that was not answered, or answered with a failure of the server's own.
    pub tries: u32,
    /// The first pause between tries; it doubles, up to ten seconds.
    pub pause: Duration,
    /// The longest wait asked for by the server that is waited here; a longer one is handed on.
    pub patience: Duration,
    /// The first pause between two looks at an import; it doubles, up to five seconds.
    pub look: Duration,
    /// After how long an import is no longer waited for.
    pub stuck: Span,
    /// How long a request that may have arrived is left alone before it is looked for.
    pub settle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 5 << 20,
            archive: 64 << 20,
            answer: 4 << 20,
            silence: Duration::from_secs(60),
            tries: 4,
            pause: Duration::from_secs(1),
            patience: Duration::from_secs(30),
            look: Duration::from_millis(250),
            stuck: Span::from_secs(15 * 60),
            settle: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_the_api_however_it_is_written() {
        for (text, address) in [
            ("https://ibutsu.example.com", "https://ibutsu.example.com/api"),
            ("https://ibutsu.example.com/", "https://ibutsu.example.com/api"),
            ("https://ibutsu.example.com/api", "https://ibutsu.example.com/api"),
            ("https://ibutsu.example.com/api/", "https://ibutsu.example.com/api"),
            ("https://example.com/tests", "https://example.com/tests/api"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), address);
        }
        for text in ["", "ibutsu.example.com", "ftp://a", "https://"] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::NoAddress(_))), "{text}");
        }
        let told = "https://user:hunter2@a".parse::<Address>().unwrap_err();
        assert!(told == AddressError::Credentials && !told.to_string().contains("hunter2"));
        assert_eq!("https://a/?x=1".parse::<Address>(), Err(AddressError::Query));
    }

    #[test]
    fn plain_http_to_this_machine_is_read_by_nobody_else() {
        let open = |text: &str| text.parse::<Address>().unwrap().is_open_to_all();
        assert!(open("http://ibutsu.example.com") && open("http://10.0.0.1"));
        assert!(
            !open("https://ibutsu.example.com") && !open("http://[::1]:1") && !open("http://localhost:1") && !open("http://127.0.0.1:1")
        );
    }
}
