//! One client for every hosted forge: JSON over HTTPS, and patience for what passes.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use towpath_domain::{FailureClass, Span};

use crate::{Answer, Budget, ForgeError};

/// The first pause between two tries; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// No pause is longer, whatever the server asks for: the caller's patience ends the tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many pages of a list are read: ten thousand things at a hundred a page.
const MAX_PAGES: usize = 100;

/// Calls of one forge's API.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    authorization: Arc<dyn Authorization>,
    patience: Duration,
}

/// What proves to a server who asks.
pub(crate) trait Authorization: Send + Sync {
    /// The token to send, which may be a new one each time.
    fn token(&self) -> Answer<'_, String>;

    /// The server does not know this token; whether there may be another one.
    fn refused<'a>(&'a self, token: &'a str) -> Answer<'a, bool>;
}

/// The token of an account, which stays as it is.
struct Token(String);

impl Authorization for Token {
    fn token(&self) -> Answer<'_, String> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }

    fn refused<'a>(&'a self, _token: &'a str) -> Answer<'a, bool> {
        Box::pin(std::future::ready(Ok(false)))
    }
}

/// An answer that is no failure of the way to the server, whatever its status.
pub(crate) struct Reply<T> {
    pub(crate) status: u16,
    /// What it holds, where it could be read as such.
    pub(crate) body: Option<T>,
    /// The same as it came, for what a refusal says.
    pub(crate) text: String,
}

struct Raw {
    status: StatusCode,
    next: Option<String>,
    text: String,
}

impl Client {
    /// For the API at `base`, with the token of Towpath's account.
    pub(crate) fn new(base: &str, token: &str, patience: Span) -> Result<Self, ForgeError> {
        Self::with(base, Arc::new(Token(token.to_owned())), patience)
    }

    /// The same, with whatever proves who asks.
    pub(crate) fn with(base: &str, authorization: Arc<dyn Authorization>, patience: Span) -> Result<Self, ForgeError> {
        let patience = patience.to_std();
        // A token goes to the API that it is for: whoever sends elsewhere is not followed.
        let builder = reqwest::Client::builder().timeout(patience.min(LONGEST_PAUSE)).redirect(reqwest::redirect::Policy::none());
        let http = builder.user_agent("towpath").build().map_err(|error| {
            let (forge, what) = (base.to_owned(), "preparing to ask it".to_owned());
            ForgeError::Api { forge, what, why: error.to_string(), class: FailureClass::Environment }
        })?;
        Ok(Self { http, base: base.to_owned(), authorization, patience })
    }

    pub(crate) fn error(&self, what: &str, why: &str, class: FailureClass) -> ForgeError {
        ForgeError::Api { forge: self.base.clone(), what: what.to_owned(), why: why.to_owned(), class }
    }

    pub(crate) fn budget(&self) -> Option<Budget> {
        None
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, ForgeError> {
        let raw = self.ask(&Method::GET, &self.at(path), None).await?;
        let body = if raw.status == StatusCode::OK { Some(self.parsed(path, &raw.text)?) } else { None };
        Ok(Reply { status: raw.status.as_u16(), body, text: raw.text })
    }

    /// A list with all its pages.
    pub(crate) async fn get_all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ForgeError> {
        let mut all = Vec::new();
        let mut next = Some(self.at(path));
        for _ in 0..MAX_PAGES {
            let Some(url) = next.take() else { return Ok(all) };
            let raw = self.ask(&Method::GET, &url, None).await?;
            if raw.status != StatusCode::OK {
                return Err(self.error(&format!("GET {path}"), &format!("it answered {}: {}", raw.status, raw.text), FailureClass::Own));
            }
            all.extend(self.parsed::<Vec<T>>(path, &raw.text)?);
            // A list that goes on elsewhere would take the token there.
            next = raw.next.filter(|next| next.starts_with(&format!("{}/", self.base)));
        }
        Ok(all)
    }

    /// Sends. A POST whose answer was lost is an error, since it may have taken place: the caller looks. All else is sent again.
    pub(crate) async fn send<B: Serialize, T: DeserializeOwned>(&self, method: &str, path: &str, body: &B) -> Result<Reply<T>, ForgeError> {
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|error| self.error(method, &error.to_string(), FailureClass::Unknown))?;
        let body = serde_json::to_value(body).map_err(|error| self.error(path, &error.to_string(), FailureClass::Unknown))?;
        let raw = self.ask(&method, &self.at(path), Some(body).filter(|body| !body.is_null())).await?;
        let body = if raw.status.is_success() { serde_json::from_str(&raw.text).ok() } else { None };
        Ok(Reply { status: raw.status.as_u16(), body, text: raw.text })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn parsed<T: DeserializeOwned>(&self, path: &str, text: &str) -> Result<T, ForgeError> {
        let nonsense = |error: serde_json::Error| self.error(&format!("reading {path}"), &error.to_string(), FailureClass::Unknown);
        serde_json::from_str(text).map_err(nonsense)
    }

    async fn ask(&self, method: &Method, url: &str, body: Option<Value>) -> Result<Raw, ForgeError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut token_is_new = false;
        loop {
            let token = self.authorization.token().await?;
            let (why, wait, again) = match self.once(method, url, body.as_ref(), &token).await {
                // Nothing took place: another token may be taken, once.
                Ok((raw, _)) if raw.status == StatusCode::UNAUTHORIZED && !token_is_new && self.authorization.refused(&token).await? => {
                    token_is_new = true;
                    continue;
                }
                Ok((raw, wait)) if raw.status.is_server_error() => (format!("it answered {}", raw.status), wait, true),
                Ok((raw, wait)) if raw.status == StatusCode::TOO_MANY_REQUESTS || wait.is_some() && raw.status == StatusCode::FORBIDDEN => {
                    (format!("it allows no more requests for now ({})", raw.status), wait, true)
                }
                Ok((raw, _)) => return Ok(raw),
                // What never came there did not take place.
                Err(error) => (error.to_string(), None, *method != Method::POST || error.is_connect()),
            };
            let wait = wait.unwrap_or(pause).min(LONGEST_PAUSE);
            if !again || begun.elapsed() + wait > self.patience {
                return Err(self.error(&format!("{method} {url}"), &why, FailureClass::Environment));
            }
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
    }

    async fn once(&self, method: &Method, url: &str, body: Option<&Value>, token: &str) -> Result<(Raw, Option<Duration>), reqwest::Error> {
        let mut request = self.http.request(method.clone(), url).bearer_auth(token).header(header::ACCEPT, "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let said = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let wait = said("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let next = said("link").and_then(|link| next_page(&link));
        let status = answer.status();
        Ok((Raw { status, next, text: answer.text().await? }, wait))
    }
}

/// The next page that a `Link` header names.
fn next_page(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}
