//! Requests, and how a registry is told who asks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_auth::parser::ChallengeParser;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Body, Method, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::{Password, RemoteRegistry, words};
use crate::RegistryError;

/// How long a token lasts when the registry does not say, by the specification.
const TOKEN_LASTS: u64 = 60;

/// How long before its end a token is no longer used.
const TOKEN_SPARE: Duration = Duration::from_secs(10);

/// How much of a registry's complaint is told, in characters.
const COMPLAINT_MAX: usize = 300;

/// How often a registry is asked again that is busy, and for how long it is believed.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// Tokens by what they are good for.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Token>>);

struct Token {
    header: HeaderValue,
    until: Instant,
}

// Headers hold secrets.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(hidden)")
    }
}

impl Tokens {
    fn get(&self, scope: &str) -> Option<HeaderValue> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(scope).filter(|token| Instant::now() < token.until).map(|token| token.header.clone())
    }

    fn put(&self, scope: &str, header: HeaderValue, lasts: Duration) {
        let token = Token { header, until: Instant::now() + lasts.saturating_sub(TOKEN_SPARE) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.to_owned(), token);
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

impl RemoteRegistry {
    /// Sends a request that may be sent again; `scope` says what it needs to be allowed.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        scope: &str,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<Response, RegistryError> {
        let mut pause = PAUSE;
        for attempt in 1..=TRIES {
            let again = || body.clone().map(Body::from);
            let mut answer = self.once(method.clone(), path, scope, headers.clone(), again()).await?;
            if answer.status() == StatusCode::UNAUTHORIZED && self.sign_in(&answer, scope).await? {
                answer = self.once(method.clone(), path, scope, headers.clone(), again()).await?;
            }
            let busy = answer.status() == StatusCode::TOO_MANY_REQUESTS || answer.status().is_server_error();
            if !busy || attempt == TRIES {
                return Ok(answer);
            }
            let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
            tokio::time::sleep(asked.map_or(pause, Duration::from_secs).clamp(PAUSE, PAUSE_MAX)).await;
            pause *= 2;
        }
        Err(RegistryError::Unreachable { registry: self.settings.host.clone(), why: "it was asked too often".to_owned() })
    }

    /// Sends a request once. A path that is a whole address, as registries give for uploads, is taken as it is.
    pub(super) async fn once(
        &self,
        method: Method,
        path: &str,
        scope: &str,
        headers: HeaderMap,
        body: Option<Body>,
    ) -> Result<Response, RegistryError> {
        let url = if path.starts_with('/') { format!("{}{path}", self.base()) } else { path.to_owned() };
        let mut request = self.client.request(method, &url).headers(headers);
        // What is sent to another host than the registry's own goes without credentials.
        if self.is_own(&url)
            && let Some(header) = self.tokens.get(scope)
        {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.map_err(|e| self.away(&e))
    }

    /// Whether a request goes to the registry itself. The slash ends the host: `registry.example.com.evil.example` is another one.
    fn is_own(&self, url: &str) -> bool {
        url.starts_with(&format!("{}/", self.base()))
    }

    /// The registry's address.
    pub(super) fn base(&self) -> String {
        let scheme = if self.settings.plain_http { "http" } else { "https" };
        format!("{scheme}://{}", self.settings.host)
    }

    /// Does what the registry asks for to know us. Answers whether asking again makes sense.
    async fn sign_in(&self, answer: &Response, scope: &str) -> Result<bool, RegistryError> {
        let challenges = answer.headers().get_all(WWW_AUTHENTICATE);
        for challenge in challenges.iter().filter_map(|value| value.to_str().ok()) {
            for found in ChallengeParser::new(challenge).flatten() {
                let parameter = |name: &str| {
                    let value = found.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                    value.map(|(_, value)| value.to_unescaped())
                };
                if found.scheme.eq_ignore_ascii_case("bearer") {
                    let Some(realm) = parameter("realm") else { continue };
                    let asked = parameter("scope").filter(|_| scope.is_empty()).unwrap_or_else(|| scope.to_owned());
                    self.fetch_token(&realm, parameter("service"), &asked, scope).await?;
                    return Ok(true);
                }
                if found.scheme.eq_ignore_ascii_case("basic") {
                    let Some(header) = self.basic().await? else { return Err(self.refused("it wants a user and a password")) };
                    if self.tokens.get(scope).is_some() {
                        return Ok(false);
                    }
                    self.tokens.put(scope, header, Duration::from_secs(TOKEN_LASTS));
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn basic(&self) -> Result<Option<HeaderValue>, RegistryError> {
        use base64::Engine as _;
        let Some(credentials) = &self.settings.credentials else { return Ok(None) };
        let password = match &credentials.password {
            Password::Value(value) => value.clone(),
            Password::Source(source) => {
                source.password().await.map_err(|why| self.refused(&format!("its password cannot be had: {why}")))?
            }
        };
        let plain = format!("{}:{}", credentials.username, password.expose_secret());
        let header = HeaderValue::from_str(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(plain))).ok();
        Ok(header.map(|mut header| {
            header.set_sensitive(true);
            header
        }))
    }

    async fn fetch_token(&self, realm: &str, service: Option<String>, asked: &str, scope: &str) -> Result<(), RegistryError> {
        let encrypted = realm.starts_with("https://") || self.settings.plain_http;
        if !encrypted && self.settings.credentials.is_some() {
            return Err(self.refused("it wants the password sent without encryption, to another place; that is not done"));
        }
        let mut query = Vec::new();
        query.extend(service.map(|service| ("service", service)));
        if !asked.is_empty() {
            query.push(("scope", asked.to_owned()));
        }
        let mut url =
            reqwest::Url::parse(realm).map_err(|e| self.refused(&format!("it names {realm:?} for tokens, which is no address: {e}")))?;
        url.query_pairs_mut().extend_pairs(query);
        let mut request = self.client.get(url);
        if let Some(header) = self.basic().await? {
            request = request.header(AUTHORIZATION, header);
        }
        let answer = request.send().await.map_err(|e| self.away(&e))?;
        if !answer.status().is_success() {
            let status = answer.status();
            return Err(if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                RegistryError::Unreachable { registry: self.settings.host.clone(), why: format!("its token service says {status}") }
            } else {
                self.refused(&format!("its token service says {status}"))
            });
        }
        let bytes = self.limited(answer, 1 << 20, "the token", realm).await?;
        let token: TokenAnswer = serde_json::from_slice(&bytes).map_err(|_| self.refused("its token service answers with no token"))?;
        let text = if token.token.is_empty() { token.access_token } else { token.token };
        let mut header = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| self.refused("its token cannot be sent"))?;
        header.set_sensitive(true);
        self.tokens.put(scope, header, Duration::from_secs(token.expires_in.unwrap_or(TOKEN_LASTS).max(TOKEN_LASTS)));
        Ok(())
    }

    pub(super) fn refused(&self, why: &str) -> RegistryError {
        RegistryError::Refused { registry: self.settings.host.clone(), why: why.to_owned() }
    }

    pub(super) fn away(&self, error: &reqwest::Error) -> RegistryError {
        RegistryError::Unreachable { registry: self.settings.host.clone(), why: words(&error) }
    }

    /// An answer that was not expected, as an error.
    pub(super) async fn unexpected(&self, answer: Response, path: &str) -> RegistryError {
        let status = answer.status();
        let said = self.limited(answer, 64 << 10, "the complaint", path).await.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).chars().filter(|c| !c.is_control()).take(COMPLAINT_MAX).collect();
        let why = if said.is_empty() { format!("{path}: {status}") } else { format!("{path}: {status}: {said}") };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.refused(&why),
            StatusCode::NOT_FOUND => self.missing(path),
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                RegistryError::Unreachable { registry: self.settings.host.clone(), why }
            }
            _ => RegistryError::Rejected { registry: self.settings.host.clone(), why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, RemoteSettings};

    #[test]
    fn only_the_registry_itself_is_sent_credentials() {
        // Another test may have been first.
        let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let settings = RemoteSettings { host: "registry.example.com".to_owned(), plain_http: false, ca_file: None, credentials: None };
        let registry = RemoteRegistry::new(settings, Limits::default()).unwrap();
        assert!(registry.is_own("https://registry.example.com/v2/web/blobs/uploads/1"));
        for other in [
            "https://registry.example.com.evil.example/v2/",
            "https://registry.example.com@evil.example/v2/",
            "https://registry.example.com:8443/v2/",
            "http://registry.example.com/v2/",
        ] {
            assert!(!registry.is_own(other), "{other}");
        }
    }
}
