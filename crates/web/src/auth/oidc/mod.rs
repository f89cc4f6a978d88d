//! Sign-in by OpenID Connect: the code flow with PKCE.
//!
//! - `state`: what ties both halves of a sign-in together. - `provider`: where to ask the provider, and its keys. - `claims`: whether its token
//!   counts. - `wire`: requests to it.

mod claims;
mod provider;
mod state;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};
use towpath_domain::Timestamp;
use towpath_ledger::Identity;

use super::settings::{BaseUrl, OidcSettings};
use super::token::NoRandomness;
use crate::draw::encode;
use crate::limits;
use crate::problem::Refusal;
use claims::{Expected, Fault};
use provider::{Provider, is_safe};
use state::States;
use wire::Wire;

/// Why sign-in cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOidc {
    /// The issuer is not https.
    #[error("the issuer {0:?} is not https: write it letter by letter as the provider does")]
    Issuer(String),
    /// No client for it can be made.
    #[error("the identity provider cannot be asked: {0}")]
    Wire(String),
    /// The system gives no random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// Why a sign-in came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInError {
    /// It was not begun here, or was done already.
    #[error("this sign-in was not begun in this browser, is done already, or was begun more than ten minutes ago")]
    NotBegun,
    /// The provider says no.
    #[error("the identity provider refused ({0})")]
    Refused(String),
    /// The provider cannot be asked, or answers with what makes no sense.
    #[error("the identity provider cannot be used now: {0}")]
    Away(String),
    /// Its token does not count.
    #[error("what the identity provider sent does not count: {0}")]
    Token(String),
    /// Too many at a time.
    #[error("many people are signing in")]
    Busy,
    /// Here something is wrong.
    #[error("nobody can be signed in now: {0}")]
    Here(String),
}

impl SignInError {
    fn away(why: impl Into<String>) -> Self {
        Self::Away(why.into())
    }
}

impl From<NoRandomness> for SignInError {
    fn from(error: NoRandomness) -> Self {
        Self::Here(error.to_string())
    }
}

impl From<SignInError> for Refusal {
    fn from(error: SignInError) -> Self {
        let again = "go to /auth/login and begin again";
        let title = "You are not signed in";
        let detail = error.to_string();
        match error {
            SignInError::NotBegun => Self::new(StatusCode::BAD_REQUEST, "bad-sign-in", title, detail, again),
            SignInError::Refused(_) => {
                let mend =
                    "begin again at /auth/login; if it stays so, ask those who look after the provider whether you may use this server";
                Self::new(StatusCode::FORBIDDEN, "sign-in-refused", title, detail, mend)
            }
            SignInError::Token(_) => {
                let mend = "begin again at /auth/login; if it stays so, [auth.oidc] in towpath.toml and the provider's settings for this server do not fit";
                Self::new(StatusCode::FORBIDDEN, "sign-in-refused", title, detail, mend)
            }
            // Why may tell of machines within; whoever looks after this server finds it in the log.
            SignInError::Away(_) => {
                let mend = "try again in a moment; the server's log says why, for those who look after it";
                let detail = "the identity provider cannot be used now";
                Self::new(StatusCode::BAD_GATEWAY, "provider-away", title, detail, mend)
            }
            SignInError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, detail, "come again in a moment"),
            SignInError::Here(_) => {
                let mend = "the server's log says why, for those who look after it";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ledger", title, "sessions cannot be kept now", mend)
            }
        }
    }
}

/// What came back with the browser.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Answered {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

/// Signs people in.
pub(crate) struct Oidc {
    settings: OidcSettings,
    redirect_uri: String,
    wire: Wire,
    provider: Mutex<Provider>,
    states: States,
    /// Sign-ins that came back, until they would be too old anyway.
    done: StdMutex<HashMap<String, Timestamp>>,
    places: Arc<Semaphore>,
}

impl Oidc {
    pub(crate) fn new(settings: OidcSettings, base: &BaseUrl) -> Result<Self, BadOidc> {
        if !is_safe(&settings.issuer) {
            return Err(BadOidc::Issuer(settings.issuer.chars().take(200).collect()));
        }
        let wire = Wire::new(settings.ca.as_deref()).map_err(BadOidc::Wire)?;
        Ok(Self {
            redirect_uri: format!("{base}/auth/callback"),
            wire,
            provider: Mutex::new(Provider::new(settings.issuer.clone())),
            states: States::new()?,
            done: StdMutex::default(),
            places: Arc::new(Semaphore::new(limits::SIGN_INS_AT_ONCE)),
            settings,
        })
    }

    /// The provider's name, for the button.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where it is.
    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Whether a sign-in could go well now: the provider says where to ask it and by which keys it signs, and the secret for it can be read.
    pub(crate) async fn try_out(&self) -> Result<(), SignInError> {
        // Asked as by a new server: what is still known from before, good or bad, would hide how it is now.
        let mut provider = Provider::new(self.settings.issuer.clone());
        if provider.keys(&self.wire, false).await?.is_empty() {
            return Err(SignInError::away("it shows no key of a kind that is known here"));
        }
        self.settings.client_secret.read().await.map_err(SignInError::Here)?;
        Ok(())
    }

    /// Begins a sign-in: where the browser is sent, and what its cookie holds.
    pub(crate) async fn begin(&self, cookie: Option<String>, back: &str, now: Timestamp) -> Result<(String, String), SignInError> {
        let _place = self.places.try_acquire().map_err(|_| SignInError::Busy)?;
        let document = self.provider.lock().await.document(&self.wire).await?;
        let browser = state::browser(cookie)?;
        let begun = self.states.begin(&browser, back, now)?;
        let mut scopes = vec!["openid"];
        scopes.extend(self.settings.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid"));
        let form = form(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &scopes.join(" ")),
            ("state", &begun.state),
            ("nonce", &begun.nonce),
            ("code_challenge", &begun.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        let at = &document.authorization_endpoint;
        Ok((format!("{at}{}{form}", if at.contains('?') { '&' } else { '?' }), browser))
    }

    /// Ends a sign-in: who it is, and where they go on.
    pub(crate) async fn end(&self, cookie: Option<String>, answered: Answered, now: Timestamp) -> Result<(Identity, String), SignInError> {
        let browser = cookie.ok_or(SignInError::NotBegun)?;
        let begun = self.states.come_back(&browser, &answered.state, now).ok_or(SignInError::NotBegun)?;
        self.once(&begun.id, now)?;
        let _place = self.places.try_acquire().map_err(|_| SignInError::Busy)?;
        let document = self.provider.lock().await.document(&self.wire).await?;
        // An answer of another provider would have its code sent to this one.
        match &answered.iss {
            Some(issuer) if *issuer != self.settings.issuer => return Err(SignInError::Token("it is of another issuer".to_owned())),
            None if document.authorization_response_iss_parameter_supported => {
                return Err(SignInError::Token("it does not say of which issuer it is".to_owned()));
            }
            _ => {}
        }
        if let Some(error) = &answered.error {
            let description = answered.error_description.as_deref().unwrap_or_default();
            tracing::info!(error = code(error), description = %shown(description), "the identity provider refused a sign-in");
            return Err(SignInError::Refused(code(error)));
        }
        let Some(authorization) = answered.code.filter(|code| !code.is_empty() && code.len() <= 4096) else {
            return Err(SignInError::Refused("it sent no code".to_owned()));
        };
        let token = self.exchange(&document, &authorization, &begun.verifier).await?;
        let identity = self.checked(&token, &begun.nonce, now).await?;
        Ok((identity, begun.back))
    }

    /// Refuses what came back before: a state is for one sign-in.
    fn once(&self, id: &str, now: Timestamp) -> Result<(), SignInError> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let too_old = |at: &Timestamp| u128::from(now.since(*at).as_millis()) > limits::SIGN_IN_TIME.as_millis() * 2;
        if done.len() >= limits::SIGN_INS_KEPT {
            done.retain(|_, at| !too_old(at));
            if done.len() >= limits::SIGN_INS_KEPT {
                return Err(SignInError::Busy);
            }
        }
        match done.insert(id.to_owned(), now) {
            None => Ok(()),
            Some(_) => Err(SignInError::NotBegun),
        }
    }

    /// The ID token that the provider gives for the code.
    async fn exchange(&self, document: &provider::Document, authorization: &str, verifier: &str) -> Result<String, SignInError> {
        let secret = self.settings.client_secret.read().await;
        let secret = secret.map_err(|why| SignInError::away(format!("the secret that it gave this server cannot be read: {why}")))?;
        let id = &self.settings.client_id;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", authorization),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", verifier),
        ];
        let header = if document.wants_secret_in_form() {
            fields.extend([("client_id", id.as_str()), ("client_secret", secret.expose_secret())]);
            None
        } else {
            // RFC 6749, section 2.3.1: both are encoded as in a form first.
            Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret.expose_secret())))))
        };
        let answer = self.wire.post(&document.token_endpoint, form(&fields), header).await.map_err(SignInError::away)?;
        let body = answer.body.unwrap_or_default();
        if answer.status != 200 {
            let error = body.get("error").and_then(Value::as_str).map(code).unwrap_or_default();
            let description = body.get("error_description").and_then(Value::as_str).unwrap_or_default();
            tracing::warn!(status = answer.status, error, description = %shown(description), "the identity provider gives no token for a code");
            return Err(match answer.status {
                500..=599 => SignInError::away(format!("it answered with {}", answer.status)),
                _ if error.is_empty() => SignInError::Refused(format!("it answered with {}", answer.status)),
                _ => SignInError::Refused(error),
            });
        }
        let token = body.get("id_token").and_then(Value::as_str).map(str::to_owned);
        token.ok_or_else(|| SignInError::Token("it has no ID token".to_owned()))
    }

    async fn checked(&self, token: &str, nonce: &str, now: Timestamp) -> Result<Identity, SignInError> {
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce,
            // Exact up to a time that no clock shows.
            now: now.as_millis() as f64 / 1000.0,
            username: &self.settings.username_claim,
        };
        let keys = self.provider.lock().await.keys(&self.wire, false).await?;
        let mut checked = claims::check(token, &keys, expected);
        if checked == Err(Fault::UnknownKey) {
            let keys = self.provider.lock().await.keys(&self.wire, true).await?;
            checked = claims::check(token, &keys, expected);
        }
        checked.map_err(|fault| SignInError::Token(fault.to_string()))
    }
}

/// Fields as a form's body, or a query, has them.
fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

/// An error's name (RFC 6749): what else is written in its place is left out, wherever it is shown.
fn code(error: &str) -> String {
    let sound = !error.is_empty() && error.len() <= 60 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if sound { error.to_owned() } else { "an error without a name".to_owned() }
}

/// What a log may hold of what others write.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
