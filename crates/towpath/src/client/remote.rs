//! A server that others reach, too: over https, with a token.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client as Http, Method, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use towpath_domain::with_causes;

use super::error::ClientError;
use super::transport::{ANSWER_BYTES_MAX, TIMEOUT, read};

/// What takes longer to connect to is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Where it is, and how one shows who one is there. Redirects are not followed: the token goes to this server alone.
#[derive(Clone)]
pub struct Remote {
    base: String,
    token: Option<SecretString>,
    http: Http,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Remote {
    /// The server that people reach at `url`.
    ///
    /// # Errors
    /// When a token must not be sent there.
    pub fn new(url: &str, token: Option<SecretString>) -> Result<Self, ClientError> {
        let bad = |why: &str| ClientError::BadServer { url: url.chars().take(200).collect(), why: why.to_owned() };
        let parsed = Url::parse(url).map_err(|_| bad("it is no URL"))?;
        let Some(host) = parsed.host_str() else { return Err(bad("it names no host")) };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let loopback = address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(bad("it holds a name or a password; who asks is shown by a token in TOWPATH_TOKEN or --token-file"));
        }
        if parsed.path() != "/" || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(bad("there is something after its host"));
        }
        match parsed.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(bad("what goes over http can be read on its way")),
            _ => return Err(bad("it begins with neither https:// nor http://")),
        }
        let http = Http::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("towpath/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| bad(&with_causes(&error)))?;
        Ok(Self { base: parsed.as_str().trim_end_matches('/').to_owned(), token, http })
    }

    /// Where it is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// One request, one answer.
    ///
    /// # Errors
    /// [`ClientError`] when there is none, or it is a refusal.
    pub async fn exchange<T: DeserializeOwned>(&self, method: &str, path: &str, body: Vec<u8>) -> Result<T, ClientError> {
        let away = |error: reqwest::Error| ClientError::Away { server: self.base.clone(), why: with_causes(&error.without_url()) };
        let method = if method == "POST" { Method::POST } else { Method::GET };
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request.header("accept", "application/json").header("content-type", "application/json").body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let mut answer = request.send().await.map_err(away)?;
        let status = answer.status().as_u16();
        if answer.status().is_redirection() {
            return Err(ClientError::NotTheServer { server: self.base.clone(), status });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(ClientError::Unreadable { what: format!("it has more than {ANSWER_BYTES_MAX} bytes") });
            }
        }
        read(status, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_https_or_to_this_machine_only() {
        let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for (url, base) in [
            ("https://towpath.example.com", "https://towpath.example.com"),
            ("https://towpath.example.com:8443/", "https://towpath.example.com:8443"),
            ("http://127.0.0.1:7001", "http://127.0.0.1:7001"),
            ("http://[::1]:7001", "http://[::1]:7001"),
            ("http://localhost:7001/", "http://localhost:7001"),
        ] {
            assert_eq!(Remote::new(url, None).unwrap().base(), base);
        }
        for (url, why) in [
            ("http://towpath.example.com", "can be read"),
            ("http://localhost.example.com", "can be read"),
            ("https://ada:secret@towpath.example.com", "password"),
            ("https://towpath.example.com/x", "after its host"),
            ("https://towpath.example.com?token=x", "after its host"),
            ("ftp://towpath.example.com", "neither"),
            ("towpath.example.com", "no URL"),
            ("", "no URL"),
        ] {
            let error = Remote::new(url, None).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
