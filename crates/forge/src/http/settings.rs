//! How a forge's API is reached.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Url, redirect};
use towpath_domain::{FailureClass, Span, with_causes};

use super::Authorization;
use crate::ForgeError;

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What Towpath calls itself: GitHub refuses whoever has no name.
const USER_AGENT: &str = concat!("towpath/", env!("CARGO_PKG_VERSION"));

/// What a client is made of.
pub(crate) struct Settings {
    /// The forge, for people: `GitHub at github.com`.
    pub(crate) forge: String,
    /// Where its API is: `https://HOST`, and what all paths begin with.
    pub(crate) base_url: String,
    /// What proves who asks.
    pub(crate) authorization: Arc<dyn Authorization>,
    /// Certificates (PEM) that the server's may go back to, beside those of the system.
    pub(crate) ca_file: Option<PathBuf>,
    /// For how long a call waits out what passes: limits, failing servers, answers that do not come. No try begins later; the last one may
    /// take half as long again, and thirty seconds at most.
    pub(crate) patience: Span,
    /// What kinds of answers are understood, such as `application/json`.
    pub(crate) accept: &'static str,
    /// Other headers of every request, such as the version of the API.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

/// Whether a URL leads nowhere but to this machine.
fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Settings {
    pub(super) fn error(&self, why: String) -> ForgeError {
        let what = "preparing to ask it".to_owned();
        ForgeError::Api { forge: self.forge.clone(), what, why, class: FailureClass::Own }
    }

    /// Where the API is, without a slash at its end.
    pub(super) fn base(&self) -> Result<Url, ForgeError> {
        let wrong = || self.error(format!("the base_url {:?} is not https://HOST and a path, and nothing else", self.base_url));
        let url = Url::parse(self.base_url.trim_end_matches('/')).map_err(|_| wrong())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        match url.scheme() {
            "https" if plain && url.has_host() => Ok(url),
            // Who listens on the way would have the token.
            "http" if plain && is_this_machine(&url) => Ok(url),
            "http" => Err(self.error(format!("the base_url {:?} would have the token sent unencrypted; use https://", self.base_url))),
            _ => Err(wrong()),
        }
    }

    /// What sends requests, once each: that a token goes nowhere else and nothing is sent twice unseen is the caller's part.
    pub(super) fn build(&self) -> Result<reqwest::Client, ForgeError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(self.error("this process has no cryptography installed; that is a mistake in the program".to_owned()));
        }
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(self.accept))]);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| self.error(error.to_string()))?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|error| self.error(error.to_string()))?);
        }
        let redirects = redirect::Policy::none();
        let mut client = reqwest::Client::builder().user_agent(USER_AGENT).default_headers(headers).redirect(redirects);
        client = client.connect_timeout(CONNECT_WITHIN).referer(false);
        if let Some(file) = &self.ca_file {
            let wrong = |why: String| self.error(format!("the certificates in {}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(with_causes(&error)))?;
            if certificates.is_empty() {
                return Err(wrong("there is none".to_owned()));
            }
            client = client.tls_certs_merge(certificates);
        }
        client.build().map_err(|error| self.error(with_causes(&error)))
    }
}
