//! Towpath as a GitHub App: it proves by its key that it is the App, and is given a token for the repository that lasts an hour.
//!
//! See <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};
use towpath_domain::{FailureClass, Timestamp};
use towpath_git::Credential;

use crate::http::{Authorization, Client};
use crate::{Answer, ForgeError};

/// How long what the key signs is good for, in seconds. GitHub takes ten minutes at most.
const SIGNED_FOR: i64 = 9 * 60;

/// How far the clocks may differ, in seconds: GitHub refuses what is signed in its future.
const CLOCKS_DIFFER: i64 = 60;

/// How long before its end a token is exchanged for a new one, in milliseconds: whatever is under way with it comes to its end.
const RENEWED_BEFORE: i64 = 10 * 60 * 1000;

/// How long it is waited before a token that could not be had is asked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(20);

/// The user's name that Git sends with a token of an App.
const GIT_USER: &str = "x-access-token";

/// An App's number, or client id, and its private key.
#[derive(Clone)]
pub struct AppKey {
    id: String,
    key: Arc<dyn SigningKey>,
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl AppKey {
    /// Reads a key as GitHub hands it out: an RSA key in PEM.
    ///
    /// # Errors
    /// [`ForgeError::Api`] when it is no such key.
    pub fn new(id: &str, pem: &str) -> Result<Self, ForgeError> {
        let bad = |why: String| ForgeError::Api {
            forge: "GitHub".to_owned(),
            what: format!("reading the private key of the App {id}"),
            why: format!("{why}; it is the .pem file that is downloaded from the App's page, from its BEGIN line to its END line"),
            class: FailureClass::Own,
        };
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| bad(error.to_string()))?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).map_err(|error| bad(error.to_string()))?;
        if key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).is_none() {
            return Err(bad("it is no RSA key".to_owned()));
        }
        Ok(Self { id: id.trim().to_owned(), key })
    }

    /// What proves for some minutes that whoever holds it is the App.
    fn signed(&self, now: Timestamp) -> Result<String, String> {
        let now = now.as_millis().div_euclid(1000);
        let claims = json!({"iat": now - CLOCKS_DIFFER, "exp": now + SIGNED_FOR, "iss": self.id});
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or("the key signs no RS256")?;
        let signature = signer.sign(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Who an App is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Info {
    /// Its number.
    pub(super) id: u64,
    /// Its name in URLs and, with `[bot]`, of its account.
    pub(super) slug: String,
}

/// The App where it was installed.
#[derive(Debug, Deserialize)]
pub(super) struct Installation {
    id: u64,
}

/// What GitHub hands out.
#[derive(Deserialize)]
pub(super) struct Token {
    token: String,
    expires_at: String,
}

/// A token, and until when it is good.
#[derive(Clone)]
struct Held {
    token: String,
    until: Timestamp,
}

/// Towpath as an App on one repository.
pub struct App {
    key: AppKey,
    /// A client of whoever has signed this.
    signed_client: Box<SignedClient>,
    /// `/repos/OWNER/NAME`.
    path: String,
    repository: String,
    held: Mutex<Option<Held>>,
    info: OnceCell<Info>,
    credential: Option<Credential>,
}

/// Makes a client that proves itself by what a key has signed.
type SignedClient = dyn Fn(SecretString) -> Result<Client, ForgeError> + Send + Sync;

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("key", &self.key).field("path", &self.path).finish_non_exhaustive()
    }
}

impl App {
    /// The App of this key on the repository `owner/repository` of the server that `signed_client` talks to. Each new token is given to
    /// `credential`, too, for Git.
    pub(crate) fn new(
        key: AppKey,
        signed_client: Box<SignedClient>,
        owner: &str,
        repository: &str,
        credential: Option<Credential>,
    ) -> Self {
        let path = format!("/repos/{}/{}", super::encoded(owner), super::encoded(repository));
        let (held, info) = (Mutex::default(), OnceCell::new());
        Self { key, signed_client, path, repository: repository.to_owned(), held, info, credential }
    }

    /// A token that is good for some minutes at least: the one that is held, or a new one.
    ///
    /// # Errors
    /// [`ForgeError::Api`] when GitHub gives none: it cannot be reached, does not know the key, or the App is not installed.
    pub async fn token(&self) -> Result<String, ForgeError> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| held.until.as_millis() - RENEWED_BEFORE > now().as_millis()) {
            return Ok(held.token.clone());
        }
        let fresh = self.exchange().await?;
        if let Some(credential) = &self.credential {
            credential.set(GIT_USER, &fresh.token)?;
        }
        Ok(held.insert(fresh).token.clone())
    }

    /// Holds `token` no longer: GitHub refused it, whatever it said when it gave it.
    pub(crate) async fn forget(&self, token: &str) {
        self.held.lock().await.take_if(|held| held.token == token);
    }

    /// Sees to it, until it is dropped, that Git always has a token that is good. What talks to the API alone does not need it.
    pub async fn keep_fresh(&self) {
        loop {
            let wait = match self.token().await {
                Ok(_) => {
                    let until = self.held.lock().await.as_ref().map_or(0, |held| held.until.as_millis());
                    let left = until - RENEWED_BEFORE - now().as_millis();
                    Duration::from_millis(u64::try_from(left).unwrap_or(0)).max(Duration::from_secs(1))
                }
                Err(error) => {
                    tracing::warn!(%error, "no new token for Git yet");
                    AGAIN_AFTER
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Who it is.
    pub(super) async fn info(&self) -> Result<&Info, ForgeError> {
        let ask = async || {
            let what = "asking which App it is";
            let client = self.client(what)?;
            let reply = client.get::<Info>("/app").await?;
            reply.body.ok_or_else(|| {
                refused(&client, what, reply.status, &reply.text, "the App's number and its private key do not belong together")
            })
        };
        self.info.get_or_try_init(ask).await
    }

    /// Has what the key signed exchanged for a token for this repository alone.
    async fn exchange(&self) -> Result<Held, ForgeError> {
        let what = "asking for a token for the App";
        let client = self.client(what)?;
        let reply = client.get::<Installation>(&format!("{}/installation", self.path)).await?;
        let Some(installation) = reply.body else {
            let help = "the App is not installed on the repository, or its number and private key do not belong together";
            return Err(refused(&client, what, reply.status, &reply.text, help));
        };
        let body = json!({"repositories": [self.repository]});
        let reply = client.send::<_, Token>("POST", &format!("/app/installations/{}/access_tokens", installation.id), &body).await?;
        let Some(Token { token, expires_at }) = reply.body.filter(|_| reply.status == 201) else {
            return Err(refused(&client, what, reply.status, &reply.text, "the installation of the App may be suspended"));
        };
        Ok(Held { token, until: super::answers::moment(&client, &expires_at)? })
    }

    /// What is asked by the App itself, and not by its installation.
    fn client(&self, what: &str) -> Result<Client, ForgeError> {
        let signed = self.key.signed(now()).map_err(|why| ForgeError::Api {
            forge: "GitHub".to_owned(),
            what: what.to_owned(),
            why: format!("the App's key cannot sign: {why}"),
            class: FailureClass::Own,
        })?;
        (self.signed_client)(SecretString::from(signed))
    }
}

fn refused(client: &Client, what: &str, status: u16, text: &str, help: &str) -> ForgeError {
    client.error(what, &format!("it answered {status}: {}; {help}", super::words(text)), FailureClass::Own)
}

/// The one clock that is read here.
fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

impl Authorization for App {
    fn value(&self) -> Answer<'_, SecretString> {
        Box::pin(async move { Ok(SecretString::from(format!("Bearer {}", self.token().await?))) })
    }

    fn refused<'a>(&'a self, value: &'a SecretString) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if let Some(token) = value.expose_secret().strip_prefix("Bearer ") {
                self.forget(token).await;
            }
        })
    }
}
