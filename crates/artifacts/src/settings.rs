//! Where a bucket is. Comes from the installation's own configuration, never from the config repository.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;

use crate::files::FileNames;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::pattern::Pattern;

/// The address of an S3-compatible server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is not such an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL with a host.
    #[error("{0:?} is no address of a server, such as https://minio.example.com:9000")]
    NoAddress(String),
    /// It carries credentials, which would be shown with it.
    #[error("the address carries credentials; name files that hold them (`access_key_file`, `secret_key_file`)")]
    Credentials,
    /// It carries a query or a fragment.
    #[error("the address carries a query or a fragment; leave them out")]
    Query,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let bad = || EndpointError::NoAddress(text.chars().take(200).collect());
        let url = Url::parse(text).map_err(|_| bad())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
            return Err(bad());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Query);
        }
        Ok(Self(url))
    }
}

impl Endpoint {
    /// Whether everybody on the way can read what is sent there.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        self.0.scheme() == "http"
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Where reports are, and who may read them.
#[derive(Debug, Clone)]
pub struct BucketSettings {
    /// The server.
    pub endpoint: Endpoint,
    /// Its region.
    pub region: String,
    /// The bucket is a part of the host's name and not of the path.
    pub virtual_host: bool,
    /// The server's certificate authority; the system's when none is named.
    pub ca_file: Option<PathBuf>,
    /// The bucket's name.
    pub bucket: Pattern,
    /// What the keys of files begin with.
    pub prefix: Pattern,
    /// Which files are reports.
    pub files: FileNames,
    /// The credentials.
    pub keys: Keys,
    /// How much is taken.
    pub limits: Limits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_without_secrets() {
        for text in ["https://minio.example.com:9000", "http://127.0.0.1:9000", "https://[::1]:1", "https://gateway.example.com/s3"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in ["", "minio.example.com", "ftp://a", "file:///etc", "https://", "http://"] {
            assert!(matches!(text.parse::<Endpoint>(), Err(EndpointError::NoAddress(_))), "{text}");
        }
        let told = "https://key:hunter2@minio.example.com".parse::<Endpoint>().unwrap_err().to_string();
        assert!(told.contains("carries credentials") && !told.contains("hunter2"), "{told}");
        assert_eq!("https://a/?x=1".parse::<Endpoint>(), Err(EndpointError::Query));
    }
}
