//! What is known of the provider: where to ask it, and by which keys it signs.

use std::time::{Duration, Instant};

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;

use super::SignInError;
use super::wire::Wire;
use crate::bucket::Bucket;
use crate::guard::is_loopback;

/// How long what the provider says of itself is kept.
const KEPT: Duration = Duration::from_secs(3600);

/// How long it is not asked again after it could not be.
const LEFT_ALONE: Duration = Duration::from_secs(3);

/// How often its keys are read anew because one is not known, at once and then each [`KEYS_REFILL`].
const KEYS_BURST: u32 = 3;
const KEYS_REFILL: Duration = Duration::from_secs(20);

/// More keys than any provider has.
const KEYS_MAX: usize = 100;

/// Where to ask the provider (OpenID Connect Discovery 1.0).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Document {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether it says in each answer who it is (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl Document {
    /// Whether this server shows who it is in the form, rather than in a header.
    pub(super) fn wants_secret_in_form(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let takes = |method: &str| methods.iter().any(|m| m == method);
        takes("client_secret_post") && !takes("client_secret_basic")
    }
}

/// The provider, as far as it is known now.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: String,
    document: Option<(Instant, Document)>,
    keys: Option<(Instant, Vec<Jwk>)>,
    again: Bucket,
    failed: Option<(Instant, SignInError)>,
}

/// Whether something secret may be sent there: over TLS, or within this machine.
pub(super) fn is_safe(url: &str) -> bool {
    let host = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => !host(rest).is_empty() && !host(rest).contains('@'),
        (_, Some(rest)) => is_loopback(&host(rest)),
        _ => false,
    }
}

impl Provider {
    pub(super) fn new(issuer: String) -> Self {
        Self { issuer, document: None, keys: None, again: Bucket::full(KEYS_BURST, KEYS_REFILL, Instant::now()), failed: None }
    }

    /// Where to ask it.
    pub(super) async fn document(&mut self, wire: &Wire) -> Result<Document, SignInError> {
        if let Some((_, document)) = self.document.as_ref().filter(|(at, _)| at.elapsed() < KEPT) {
            return Ok(document.clone());
        }
        // Strangers begin sign-ins, too: a provider that is away is not asked by each of them.
        if let Some((_, error)) = self.failed.as_ref().filter(|(at, _)| at.elapsed() < LEFT_ALONE) {
            return Err(error.clone());
        }
        match self.read(wire).await {
            Ok(document) => {
                self.document = Some((Instant::now(), document.clone()));
                self.failed = None;
                Ok(document)
            }
            Err(error) => {
                self.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn read(&self, wire: &Wire) -> Result<Document, SignInError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let answer = wire.get(&url).await.map_err(SignInError::away)?;
        let Some(body) = answer.body.filter(|_| answer.status == 200) else {
            return Err(SignInError::away(format!("its discovery document was answered with {} or is no JSON", answer.status)));
        };
        let document: Document =
            serde_json::from_value(body).map_err(|error| SignInError::away(format!("its discovery document lacks something: {error}")))?;
        // One that speaks for another issuer would have its tokens taken for the other's.
        if document.issuer != self.issuer {
            return Err(SignInError::away(format!(
                "it calls itself {:?}, which is not letter by letter the issuer that is set",
                short(&document.issuer)
            )));
        }
        let plain = self.issuer.starts_with("http://");
        for endpoint in [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri] {
            if !is_safe(endpoint) || (endpoint.starts_with("http://") && !plain) {
                return Err(SignInError::away(format!("it wants to be asked at {:?}, which is not https", short(endpoint))));
            }
        }
        Ok(document)
    }

    /// The keys that it signs with; `anew` where one of its tokens is signed with another.
    pub(super) async fn keys(&mut self, wire: &Wire, anew: bool) -> Result<Vec<Jwk>, SignInError> {
        let known = self.keys.as_ref().filter(|(at, _)| at.elapsed() < KEPT);
        if let Some((_, keys)) = known
            && !(anew && self.again.take(Instant::now()))
        {
            return Ok(keys.clone());
        }
        let url = self.document(wire).await?.jwks_uri;
        let answer = wire.get(&url).await.map_err(SignInError::away)?;
        let listed = answer.body.as_ref().and_then(|body| body.get("keys")).and_then(Value::as_array).filter(|_| answer.status == 200);
        let Some(listed) = listed else {
            return Err(SignInError::away(format!("its keys were answered with {} or are no JSON", answer.status)));
        };
        // A key of a kind that is not known here is nothing to stumble over.
        let keys: Vec<Jwk> = listed.iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
        self.keys = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_tls_or_stay_on_this_machine() {
        for safe in [
            "https://sso.example.com",
            "https://sso.example.com/realms/x?y",
            "http://127.0.0.1:1/token",
            "http://localhost",
            "http://[::1]:80/",
        ] {
            assert!(is_safe(safe), "{safe}");
        }
        for not in [
            "http://sso.example.com",
            "https://",
            "ftp://x",
            "",
            "http://127.0.0.1.evil.example/",
            "https://u:p@evil.example",
            "http://127.0.0.1@evil.example/",
        ] {
            assert!(!is_safe(not), "{not}");
        }
    }
}
