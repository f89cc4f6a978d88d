//! What a registry asks for before it answers, and the tokens that were got for it.
//!
//! The rules are those of RFC 7235 (challenges) and of the distribution project's token authentication.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::Instant;

/// What may be done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Pull,
    Push,
}

/// The right to do something to one repository. The repository is empty where only the registry itself is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) repository: String,
    pub(super) access: Access,
}

impl Scope {
    /// As token services know it; `None` where no right to a repository is needed.
    pub(super) fn text(&self) -> Option<String> {
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        (!self.repository.is_empty()).then(|| format!("repository:{}:{actions}", self.repository))
    }
}

/// How a registry wants to be told who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
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
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    let parameter = |name: &str| {
                        challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_unescaped())
                    };
                    let realm = parameter("realm").ok_or("its WWW-Authenticate names no realm")?;
                    let realm = Url::parse(&realm).map_err(|error| format!("its token service {realm:?} is no URL: {error}"))?;
                    return Ok(Self::Bearer { realm, service: parameter("service") });
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
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
}

impl TokenAnswer {
    /// The token and how long it is good for.
    pub(super) fn take(self) -> Option<(SecretString, Duration)> {
        let token = self.token.or(self.access_token)?;
        // 60 seconds is what the specification says where nothing is said.
        Some((token, Duration::from_secs(self.expires_in.unwrap_or(60))))
    }
}

/// Tokens by what they are good for.
#[derive(Default)]
pub(super) struct Tokens(HashMap<Scope, (SecretString, Instant)>);

impl Tokens {
    /// A token that is good for some time yet.
    pub(super) fn get(&self, scope: &Scope) -> Option<SecretString> {
        self.0.get(scope).filter(|(_, until)| Instant::now() < *until).map(|(token, _)| token.clone())
    }

    /// Keeps a token for nine tenths of its life: what takes long on its way must not come too late.
    pub(super) fn put(&mut self, scope: Scope, token: SecretString, life: Duration) {
        let now = Instant::now();
        self.0.retain(|_, (_, until)| now < *until);
        // A service that grants years would only make a withdrawn token last.
        let life = life.min(Duration::from_secs(24 * 3600));
        self.0.insert(scope, (token, now + life * 9 / 10));
    }

    pub(super) fn drop(&mut self, scope: &Scope) {
        self.0.remove(scope);
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
        let expected =
            Challenge::Bearer { realm: "https://auth.example/token".parse().unwrap(), service: Some(r#"a, "b""#.to_owned()) };
        assert_eq!(read(&["Basic realm=\"x\"", bearer]).unwrap(), expected);
        assert_eq!(read(&[bearer, "Basic realm=\"x\""]).unwrap(), expected);
        assert_eq!(read(&["BASIC realm=\"x\""]).unwrap(), Challenge::Basic);
    }

    #[test]
    fn nonsense_is_an_error_that_says_what_was_asked_for() {
        assert!(read(&["Negotiate abc"]).unwrap_err().contains("Negotiate"));
        assert!(read(&[]).is_err());
        assert!(read(&["Bearer service=\"x\""]).unwrap_err().contains("realm"));
        assert!(read(&["Bearer realm=\"/token\""]).unwrap_err().contains("/token"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_no_longer_than_it_lives() {
        let scope = Scope { repository: "a/b".to_owned(), access: Access::Pull };
        let mut tokens = Tokens::default();
        tokens.put(scope.clone(), "secret".to_owned().into(), Duration::from_secs(100));
        tokio::time::advance(Duration::from_secs(89)).await;
        assert!(tokens.get(&scope).is_some());
        assert!(tokens.get(&Scope { access: Access::Push, ..scope.clone() }).is_none());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(tokens.get(&scope).is_none());
    }
}
