//! How a registry is told who asks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_auth::parser::ChallengeParser;
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode, Url};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::http::is_busy;
use super::{Password, RemoteRegistry};
use crate::RegistryError;

/// How long a token lasts when the registry does not say, by the specification.
const TOKEN_LASTS: Duration = Duration::from_secs(60);

/// The longest that a token is believed to last, whatever a registry says.
const TOKEN_LASTS_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before its end a token is no longer used; of one that lasts less than twice as long, half its time.
const TOKEN_SPARE: Duration = Duration::from_secs(10);

/// How long a token service may take to answer.
const TOKEN_WITHIN: Duration = Duration::from_secs(30);

/// How large a token service's answer may be, in bytes.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

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
    pub(super) fn get(&self, scope: &str) -> Option<HeaderValue> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(scope).filter(|token| Instant::now() < token.until).map(|token| token.header.clone())
    }

    /// Drops what is known: the registry does not take it.
    pub(super) fn forget(&self, scope: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(scope);
    }

    fn put(&self, scope: &str, header: HeaderValue, lasts: Duration) {
        let lasts = lasts.min(TOKEN_LASTS_MAX);
        let now = Instant::now();
        let token = Token { header, until: now + lasts.saturating_sub(TOKEN_SPARE.min(lasts / 2)) };
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| now < token.until);
        tokens.insert(scope.to_owned(), token);
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
    /// Does what the registry asks for to know us. Answers with the header to ask again with, if that makes sense. `known` is what
    /// it was sent and did not take.
    pub(super) async fn sign_in(
        &self,
        answer: &Response,
        scope: &str,
        known: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, RegistryError> {
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
                    let (header, lasts) = self.fetch_token(&realm, parameter("service"), &asked).await?;
                    self.tokens.put(scope, header.clone(), lasts);
                    return Ok(Some(header));
                }
                if found.scheme.eq_ignore_ascii_case("basic") {
                    let Some(header) = self.basic().await? else { return Err(self.refused("it wants a user and a password")) };
                    if known == Some(&header) {
                        return Ok(None);
                    }
                    self.tokens.put(scope, header.clone(), TOKEN_LASTS_MAX);
                    return Ok(Some(header));
                }
            }
        }
        Ok(None)
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

    /// A token for what is asked for, and how long it lasts.
    async fn fetch_token(&self, realm: &str, service: Option<String>, asked: &str) -> Result<(HeaderValue, Duration), RegistryError> {
        let mut url = Url::parse(realm).map_err(|e| self.refused(&format!("it names {realm:?} for tokens, which is no address: {e}")))?;
        if self.settings.credentials.is_some() && !self.may_carry_password(&url) {
            return Err(self.refused("it wants the password sent without encryption, to another place; that is not done"));
        }
        let mut query = Vec::new();
        query.extend(service.map(|service| ("service", service)));
        if !asked.is_empty() {
            query.push(("scope", asked.to_owned()));
        }
        url.query_pairs_mut().extend_pairs(query);
        let mut request = self.client.get(url);
        if let Some(header) = self.basic().await? {
            request = request.header(AUTHORIZATION, header);
        }
        let answer = match tokio::time::timeout(TOKEN_WITHIN, request.send()).await {
            Ok(answer) => answer.map_err(|e| self.away(&e))?,
            Err(_) => return Err(self.unreachable(&format!("no answer from its token service within {} s", TOKEN_WITHIN.as_secs()))),
        };
        let status = answer.status();
        if !status.is_success() {
            return Err(match status {
                _ if is_busy(status) => self.unreachable(&format!("its token service says {status}")),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.settings.credentials.is_some() => {
                    self.refused(&format!("its token service says {status}: it does not take this user and password"))
                }
                _ => self.refused(&format!("its token service says {status}")),
            });
        }
        let bytes = self.limited(answer, TOKEN_BYTES_MAX, "the token", realm).await?;
        let token: TokenAnswer = serde_json::from_slice(&bytes).map_err(|_| self.refused("its token service answers with no token"))?;
        let text = if token.token.is_empty() { token.access_token } else { token.token };
        if text.is_empty() {
            return Err(self.refused("its token service answers with no token"));
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| self.refused("its token cannot be sent"))?;
        header.set_sensitive(true);
        let lasts = token.expires_in.filter(|seconds| *seconds > 0).map_or(TOKEN_LASTS, Duration::from_secs);
        Ok((header, lasts))
    }

    /// Whether the password may go there: with encryption to any place that the registry names, without it only where the registry is
    /// reached without it, too, and then only to the registry's host or to this machine.
    fn may_carry_password(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let loopback = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        url.scheme() == "https" || (self.settings.plain_http && (loopback || url.host_str() == self.base.host_str()))
    }

    pub(super) fn refused(&self, why: &str) -> RegistryError {
        RegistryError::Refused { registry: self.settings.host.clone(), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credentials, Limits, RemoteSettings};

    fn registry(plain_http: bool) -> RemoteRegistry {
        // Another test may have been first.
        let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let credentials = Some(Credentials { username: "me".to_owned(), password: secrecy::SecretString::from("secret").into() });
        let settings = RemoteSettings { host: "registry.example.com".to_owned(), plain_http, ca_file: None, credentials };
        RemoteRegistry::new(settings, Limits::default()).unwrap()
    }

    #[test]
    fn only_the_registry_itself_is_sent_credentials() {
        let registry = registry(false);
        let own = |url: &str| registry.is_own(&Url::parse(url).unwrap());
        assert!(own("https://registry.example.com/v2/web/blobs/uploads/1"));
        for other in [
            "https://registry.example.com.evil.example/v2/",
            "https://registry.example.com@evil.example/v2/",
            "https://evil.example@registry.example.com/v2/",
            "https://registry.example.com:8443/v2/",
            "http://registry.example.com/v2/",
        ] {
            assert!(!own(other), "{other}");
        }
    }

    #[test]
    fn a_password_goes_to_a_token_service_with_encryption_or_stays_at_home() {
        let may = |plain_http, url: &str| registry(plain_http).may_carry_password(&Url::parse(url).unwrap());
        assert!(may(false, "https://auth.example.com/token"));
        assert!(may(true, "http://localhost:5001/token") && may(true, "http://127.0.0.1/token") && may(true, "http://[::1]:1/"));
        assert!(may(true, "http://registry.example.com:5001/token"));
        for (plain_http, url) in
            [(false, "http://registry.example.com/token"), (false, "http://localhost/token"), (true, "http://auth.example.com/token")]
        {
            assert!(!may(plain_http, url), "{url}");
        }
    }

    #[test]
    fn a_token_is_used_for_as_long_as_it_lasts_and_no_longer() {
        let tokens = Tokens::default();
        let put = |scope: &str, lasts| tokens.put(scope, HeaderValue::from_static("Bearer x"), lasts);
        put("none", Duration::ZERO);
        put("short", Duration::from_secs(4));
        // A registry may say anything.
        put("long", Duration::from_secs(u64::MAX));
        assert!(tokens.get("none").is_none());
        assert!(tokens.get("short").is_some() && tokens.get("long").is_some());
        let until = tokens.0.lock().unwrap()["short"].until;
        assert!(until <= Instant::now() + Duration::from_secs(2), "half its time is spare");
        tokens.forget("long");
        assert!(tokens.get("long").is_none());
    }
}
