//! One client for every hosted forge: JSON over HTTPS, with what all of them ask of a polite caller.
//!
//! What passes is waited out within the caller's patience: limits, failing servers, connections that break. What changes something is sent
//! again only where that does no harm; where an answer was lost and it may have taken place, the error says so
//! ([`ForgeError::Lost`]), and the caller looks. The token goes to the API that it is for, and nowhere else.

mod ask;
mod attempt;
mod authorization;
mod etags;
mod limits;
mod pages;
mod settings;
#[cfg(test)]
mod tests;
mod wait;
mod words;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use towpath_domain::FailureClass;

use crate::{Budget, ForgeError};
use attempt::{Answer, Ask};
pub(crate) use authorization::{Authorization, Bearer};
pub use authorization::{Token, TokenSource};
pub(crate) use settings::Settings;
pub(crate) use words::words;

/// Calls of one forge's API. Clones are the same client.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    forge: String,
    base: Url,
    authorization: Arc<dyn Authorization>,
    patience: Duration,
    etags: etags::Etags,
    limits: limits::Limits,
    /// Held by what changes anything.
    turn: Mutex<()>,
    sleep: Sleep,
}

/// How time is let pass between two tries.
type Sleep = fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer that is no failure of the way to the server, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    pub(crate) status: u16,
    /// What it holds, where it is what was asked for.
    pub(crate) body: Option<T>,
    /// The same as it came, for what a refusal says; see [`words()`].
    pub(crate) text: String,
}

impl Client {
    /// Nothing is sent before it is needed.
    ///
    /// # Errors
    /// When the settings make no sense, or the certificates cannot be read.
    pub(crate) fn new(settings: Settings) -> Result<Self, ForgeError> {
        Self::sleeping_by(settings, |span| Box::pin(tokio::time::sleep(span)))
    }

    fn sleeping_by(settings: Settings, sleep: Sleep) -> Result<Self, ForgeError> {
        let (base, http, patience) = (settings.base()?, settings.build()?, settings.patience.to_std());
        let Settings { forge, authorization, .. } = settings;
        let (etags, limits, turn) = (etags::Etags::default(), limits::Limits::default(), Mutex::default());
        Ok(Self { inner: Arc::new(Inner { http, forge, base, authorization, patience, etags, limits, turn, sleep }) })
    }

    pub(crate) fn error(&self, what: &str, why: &str, class: FailureClass) -> ForgeError {
        ForgeError::Api { forge: self.inner.forge.clone(), what: what.to_owned(), why: why.to_owned(), class }
    }

    /// How many requests the forge allows, as it last said.
    pub(crate) fn budget(&self) -> Option<Budget> {
        self.inner.limits.budget()
    }

    /// What is at `path`, which begins with a slash and is beneath the API's address, or is an address at the same host.
    ///
    /// # Errors
    /// [`ForgeError::Api`] when there is no answer within the caller's patience, or it is not what it should be.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, ForgeError> {
        let ask = self.to_ask(Method::GET, path, None)?;
        let answer = self.ask(&ask).await?;
        self.reply(&ask, answer)
    }

    /// A list with all its pages.
    ///
    /// # Errors
    /// As [`get`](Self::get), and when it answers with anything but a list, or there is no end to it.
    pub(crate) async fn get_all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ForgeError> {
        Ok(self.get_pages::<Vec<T>>(path).await?.into_iter().flatten().collect())
    }

    /// The pages of a list as they come, for those that are more than a list.
    ///
    /// # Errors
    /// As [`get_all`](Self::get_all).
    pub(crate) async fn get_pages<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ForgeError> {
        let mut ask = self.to_ask(Method::GET, path, None)?;
        let what = ask.what();
        let (mut all, mut bytes) = (Vec::new(), 0);
        while all.len() < pages::PAGES_MAX {
            let answer = self.ask(&ask).await?;
            bytes += answer.text.len();
            if bytes > pages::LIST_BYTES_MAX {
                let why = format!("the list holds more than {} MiB", pages::LIST_BYTES_MAX >> 20);
                return Err(self.error(&what, &why, FailureClass::Unknown));
            }
            let next = answer.next.clone();
            let reply = self.reply(&ask, answer)?;
            let Some(page) = reply.body else {
                return Err(self.error(&what, &format!("it answered {}: {}", reply.status, words(&reply.text)), FailureClass::Own));
            };
            all.push(page);
            match next {
                None => return Ok(all),
                Some(next) if self.is_own(&next) => ask.url = next,
                Some(next) => {
                    let there = next.origin().ascii_serialization();
                    let why =
                        format!("its list goes on at {there}, which is another place: no token is taken there; is its own URL set right?");
                    return Err(self.error(&what, &why, FailureClass::Own));
                }
            }
        }
        let why = format!("its list has more than {} pages", pages::PAGES_MAX);
        Err(self.error(&what, &why, FailureClass::Unknown))
    }

    /// Sends a body, or none where it is null, by POST, PUT, PATCH or DELETE. All but POST is sent again where an answer did not come.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`ForgeError::Lost`] when it may have taken place all the same.
    pub(crate) async fn send<B: Serialize, T: DeserializeOwned>(&self, method: &str, path: &str, body: &B) -> Result<Reply<T>, ForgeError> {
        let wrong = |why: String| self.error(&format!("{method} {path}"), &why, FailureClass::Unknown);
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let body = serde_json::to_value(body).map_err(|error| wrong(error.to_string()))?;
        let body = if body == Value::Null { None } else { Some(body.to_string().into_bytes()) };
        let ask = self.to_ask(method, path, body)?;
        let answer = self.ask(&ask).await?;
        self.reply(&ask, answer)
    }

    fn to_ask(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Ask, ForgeError> {
        let base = &self.inner.base;
        let url = if path.starts_with('/') {
            let beneath = base.path().trim_end_matches('/');
            let url = Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/'))).ok();
            // Dots in names that come from outside could lead out of the API.
            url.filter(|url| url.path().strip_prefix(beneath).is_some_and(|rest| rest.starts_with('/')))
        } else {
            Url::parse(path).ok()
        };
        match url.filter(|url| self.is_own(url)) {
            Some(url) => Ok(Ask { method, url, body }),
            None => Err(self.error(&format!("{method} {path}"), "this is no address of its API", FailureClass::Own)),
        }
    }

    /// Whether the token is for what is there.
    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.inner.base.origin() && url.username().is_empty() && url.password().is_none()
    }

    fn reply<T: DeserializeOwned>(&self, ask: &Ask, answer: Answer) -> Result<Reply<T>, ForgeError> {
        let Answer { status, text, .. } = answer;
        let body = match status.is_success() && !text.trim().is_empty() {
            true => Some(serde_json::from_str(&text).map_err(|error| {
                let why = format!("its answer ({}) makes no sense: {}", status.as_u16(), words::one_line(&error.to_string()));
                self.error(&ask.what(), &why, FailureClass::Unknown)
            })?),
            false => None,
        };
        Ok(Reply { status: status.as_u16(), body, text })
    }

    /// Any number. What is by chance here makes nothing come out otherwise, only at another time.
    fn chance(&self) -> u16 {
        getrandom::u32().map_or(u16::MAX, |number| (number & 0xFFFF) as u16)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (forge, base) = (&self.inner.forge, self.inner.base.as_str());
        f.debug_struct("Client").field("forge", forge).field("base", &base).finish_non_exhaustive()
    }
}
