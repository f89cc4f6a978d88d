//! What a registry asks for before it answers, and what it was given for that.
//!
//! The rules are those of RFC 7235 (challenges) and of the distribution project's token authentication.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use tokio::time::Instant;

/// How long a token lasts when the token service does not say, by the specification.
pub(super) const TOKEN_LASTS: Duration = Duration::from_secs(60);

/// A service that grants years would only make a withdrawn token last.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// `Authorization` headers by the scope that they are good for.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, (HeaderValue, Instant)>>);

// Headers hold secrets.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(hidden)")
    }
}

impl Tokens {
    /// A header that is good for some time yet.
    pub(super) fn get(&self, scope: &str) -> Option<HeaderValue> {
        self.lock().get(scope).filter(|(_, until)| Instant::now() < *until).map(|(header, _)| header.clone())
    }

    /// Keeps a header for nine tenths of its life: what takes long on its way must not come too late.
    pub(super) fn put(&self, scope: &str, header: HeaderValue, lasts: Duration) {
        let now = Instant::now();
        let mut tokens = self.lock();
        tokens.retain(|_, (_, until)| now < *until);
        tokens.insert(scope.to_owned(), (header, now + lasts.min(LONGEST) * 9 / 10));
    }

    /// Forgets a header that the registry did not take.
    pub(super) fn forget(&self, scope: &str) {
        self.lock().remove(scope);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (HeaderValue, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a registry wants to be told who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token of the service at `realm`.
    Bearer {
        /// The token service.
        realm: Url,
        /// What the registry is called there.
        service: Option<String>,
        /// What the registry thinks is needed.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenge of an answer 401. Bearer counts where both are offered: it is the narrower right.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, String> {
        let mut basic = false;
        let mut schemes = Vec::new();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let text = value.to_str().map_err(|_| "its WWW-Authenticate is not text".to_owned())?;
            let challenges = http_auth::parse_challenges(text).map_err(|_| "its WWW-Authenticate cannot be read".to_owned())?;
            for challenge in challenges {
                let parameter = |name: &str| {
                    challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    let realm = parameter("realm").ok_or("it wants a token and does not say from where")?;
                    let realm = Url::parse(&realm).map_err(|error| format!("its token service {realm:?} is no URL: {error}"))?;
                    return Ok(Self::Bearer { realm, service: parameter("service"), scope: parameter("scope") });
                }
                basic |= challenge.scheme.eq_ignore_ascii_case("basic");
                schemes.push(challenge.scheme.chars().take(20).collect::<String>());
            }
        }
        if basic {
            return Ok(Self::Basic);
        }
        Err(format!("it asks for credentials of the kinds [{}], and Towpath has Basic and Bearer", schemes.join(", ")))
    }
}

/// A token service's answer.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl TokenAnswer {
    /// The header to send, and how long it is good for.
    pub(super) fn header(self) -> Option<(HeaderValue, Duration)> {
        let token = self.token.filter(|token| !token.is_empty()).or(self.access_token).filter(|token| !token.is_empty())?;
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        Some((header, self.expires_in.map_or(TOKEN_LASTS, Duration::from_secs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Result<Challenge, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::read(&headers)
    }

    #[test]
    fn bearer_is_taken_before_basic_whatever_the_order() {
        let bearer = r#"bEaRer Realm="https://auth.example/token",service="a, \"b\"",scope="repository:x:pull""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example/token".parse().unwrap(),
            service: Some(r#"a, "b""#.to_owned()),
            scope: Some("repository:x:pull".to_owned()),
        };
        assert_eq!(read(&["Basic realm=\"x\"", bearer]).unwrap(), expected);
        assert_eq!(read(&[bearer, "Basic realm=\"x\""]).unwrap(), expected);
        assert_eq!(read(&["BASIC realm=\"x\""]).unwrap(), Challenge::Basic);
    }

    #[test]
    fn nonsense_is_an_error_that_says_what_was_asked_for() {
        assert!(read(&["Negotiate abc"]).unwrap_err().contains("Negotiate"));
        assert!(read(&[]).is_err());
        assert!(read(&["Bearer service=\"x\""]).unwrap_err().contains("from where"));
        assert!(read(&["Bearer realm=\"/token\""]).unwrap_err().contains("/token"));
    }

    #[test]
    fn an_answer_without_a_token_that_can_be_sent_is_none() {
        let header = |text: &str| serde_json::from_str::<TokenAnswer>(text).unwrap().header();
        assert_eq!(header(r#"{"access_token":"a","expires_in":5}"#).unwrap().1, Duration::from_secs(5));
        assert_eq!(header(r#"{"token":"a"}"#).unwrap().1, TOKEN_LASTS);
        assert!(header(r#"{"token":""}"#).is_none() && header("{}").is_none() && header(r#"{"token":"a\nb"}"#).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_no_longer_than_it_lives() {
        let tokens = Tokens::default();
        tokens.put("repository:a:pull", HeaderValue::from_static("Bearer secret"), Duration::from_secs(100));
        tokio::time::advance(Duration::from_secs(89)).await;
        assert!(tokens.get("repository:a:pull").is_some() && tokens.get("repository:a:pull,push").is_none());
        assert!(!format!("{tokens:?}").contains("secret"));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(tokens.get("repository:a:pull").is_none());
    }
}
