//! HTTP to Vault.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, Response, StatusCode, Url, redirect};
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;
use towpath_domain::with_causes;

use super::answers::Errors;
use super::config::VaultConfig;
use crate::error::{SecretError, SecretErrorKind, clean};
use crate::redact::Redactor;
use crate::value::SecretValue;

/// The largest answer that is read, in bytes: Vault stores no entry larger than 1 MiB by default.
const LARGEST_ANSWER: usize = 8 << 20;
/// How many credentials are remembered to be hidden: that of the sign-in, its token, and those before them.
const MOST_HIDDEN: usize = 4;

/// A connection to one Vault.
pub(super) struct Wire {
    client: Client,
    base: Url,
    address: String,
    /// The credentials that were sent last: nothing that Vault says may repeat them.
    sent: Mutex<VecDeque<SecretValue>>,
}

/// One request.
pub(super) struct Call<'a> {
    pub method: Method,
    /// Below `/v1`, each component on its own: whatever it contains stays one component.
    pub path: &'a [&'a str],
    pub query: &'a [(&'a str, &'a str)],
    pub token: Option<&'a SecretValue>,
    pub body: Option<&'a [(&'a str, &'a str)]>,
}

impl Call<'_> {
    pub fn get() -> Self {
        Self { method: Method::GET, path: &[], query: &[], token: None, body: None }
    }
}

/// What Vault said.
pub(super) struct Answer {
    pub status: StatusCode,
    body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// The body as `T`, if it is one. The parser's own words would quote it, so there are none.
    pub fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    fn errors(&self) -> Vec<String> {
        self.parse::<Errors>().map(|said| said.errors.into_iter().chain(said.warnings.unwrap_or_default()).collect()).unwrap_or_default()
    }

    /// Whether an error contains `words`.
    pub fn says(&self, words: &str) -> bool {
        self.errors().iter().any(|error| error.contains(words))
    }
}

impl Wire {
    pub fn new(config: &VaultConfig) -> Result<Self, SecretError> {
        let address = config.address.trim_end_matches('/');
        let base = check_address(address, config.allow_plain_http)?;
        // The client would panic.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(setup("no TLS provider is installed in this process", "this is a fault of the program: report it"));
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &config.namespace {
            let value = HeaderValue::from_str(namespace)
                .map_err(|_| setup("the Vault namespace is no plain text", "correct `namespace` in towpath.toml"))?;
            headers.insert("x-vault-namespace", value);
        }
        let mut builder = Client::builder()
            .default_headers(headers)
            .timeout(config.timeout)
            .connect_timeout(config.timeout.min(Duration::from_secs(5)))
            // A token must not follow wherever an answer points.
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(file) = &config.ca_file {
            let mend = "correct `ca_file` in towpath.toml: a file with PEM certificates";
            let cannot = |why: String| setup(&format!("the CA file {} cannot be used: {why}", file.display()), mend);
            let pem = fs::read(file).map_err(|error| cannot(error.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| cannot("it is no PEM".into()))?;
            if certificates.is_empty() {
                return Err(cannot("it contains no certificate".into()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|error| {
            setup(&format!("no TLS client can be made: {}", clean(&with_causes(&error))), "look at the system's certificates")
        })?;
        Ok(Self { client, base, address: address.to_owned(), sent: Mutex::default() })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Never repeats this credential in an error, even if Vault does.
    pub fn hide(&self, credential: &SecretValue) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.retain(|known| known.expose() != credential.expose());
        sent.push_back(credential.clone());
        if sent.len() > MOST_HIDDEN {
            sent.pop_front();
        }
    }

    /// What an error says for itself, fit to be shown; empty if nothing.
    pub fn said(&self, answer: &Answer) -> String {
        let text = answer.errors().join("; ");
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let text = clean(&Redactor::new(sent.iter()).redact(&text));
        if text.is_empty() { String::new() } else { format!(": {text}") }
    }

    pub async fn call(&self, call: Call<'_>) -> Result<Answer, SecretError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        let mut request = self.client.request(call.method, url);
        if let Some(token) = call.token {
            let mut value = HeaderValue::from_str(token.expose())
                .map_err(|_| SecretError::new(SecretErrorKind::SignIn, "the Vault token is no plain text", "correct it"))?;
            value.set_sensitive(true);
            request = request.header("x-vault-token", value);
        }
        if let Some(body) = call.body {
            let map: BTreeMap<_, _> = body.iter().copied().collect();
            let text = Zeroizing::new(serde_json::to_vec(&map).unwrap_or_default());
            request = request.header(CONTENT_TYPE, "application/json").body(text.to_vec());
        }
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        Ok(Answer { status, body: self.body(response).await? })
    }

    async fn body(&self, mut response: Response) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let why = format!("Vault at {} answers with more than 8 MiB", self.address);
                return Err(SecretError::new(SecretErrorKind::Unreachable, why, "look whether the address is that of a Vault"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, error: reqwest::Error) -> SecretError {
        let what = if error.is_timeout() {
            "does not answer in time".to_owned()
        } else {
            format!("is not reached: {}", clean(&with_causes(&error.without_url())))
        };
        let why = format!("Vault at {} {what}", self.address);
        SecretError::new(SecretErrorKind::Unreachable, why, "look whether it runs and is reached from here; it is tried again")
    }
}

fn setup(why: &str, mend: &str) -> SecretError {
    SecretError::new(SecretErrorKind::Setup, why, mend)
}

fn check_address(address: &str, allow_plain_http: bool) -> Result<Url, SecretError> {
    let mend = "write `address` in towpath.toml as `https://vault.example.com:8200`";
    let Ok(url) = Url::parse(address) else { return Err(setup("the Vault address is no URL", mend)) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(setup("the Vault address carries credentials", mend));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(setup("the Vault address carries a query", mend));
    }
    let host = url.host_str().unwrap_or_default();
    let is_here = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_plain_http || is_here => Ok(url),
        "http" => Err(setup(
            &format!("the Vault address {} is plain http: everybody on the way could read the secrets", clean(address)),
            "use https, or allow it (`allow_plain_http`)",
        )),
        _ => Err(setup("the Vault address is neither https nor http", mend)),
    }
}

#[cfg(test)]
mod tests {
    use crate::value::SecretValue;
    use crate::vault::{SecretSource, SignIn, Vault, VaultConfig};
    use crate::version_key::VersionKey;

    /// Nothing in this test program installs a provider.
    #[test]
    fn without_a_tls_provider_there_is_an_error_and_no_panic() {
        let sign_in = SignIn::Token(SecretSource::Value(SecretValue::new("t")));
        let error = Vault::new(VaultConfig::new("https://vault.example.com", sign_in, VersionKey::new([1; 32]))).err().expect("refused");
        assert!(error.to_string().contains("no TLS provider"), "{error}");
    }
}
