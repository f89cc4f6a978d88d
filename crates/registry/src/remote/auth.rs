//! Requests, and how a registry is told who asks.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Body, Client, Method, Response, StatusCode, Url};
use secrecy::ExposeSecret as _;

use super::token::{Challenge, TOKEN_LASTS, TokenAnswer};
use super::{RemoteRegistry, words};
use crate::RegistryError;

/// How much of a registry's complaint is told, in characters.
const COMPLAINT_MAX: usize = 300;

/// A token service's answer is one token.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// How often a registry is asked that is busy, and how long it is waited for between. One that wants to be left alone for longer is:
/// whoever asked has other things to do.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);
const PAUSE_MAX: Duration = Duration::from_secs(20);

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
        let url = self.url(path)?;
        let mut pause = PAUSE;
        let mut tries = 1;
        loop {
            let ask = || self.once(&self.client, method.clone(), url.clone(), scope, headers.clone(), body.clone().map(Body::from));
            let mut answer = ask().await?;
            if answer.status() == StatusCode::UNAUTHORIZED && self.sign_in(&answer, scope).await? {
                answer = ask().await?;
            }
            let wanted = left_alone(&answer);
            if !is_busy(answer.status()) || tries == TRIES || wanted.is_some_and(|wanted| wanted > PAUSE_MAX) {
                return Ok(answer);
            }
            tokio::time::sleep(wanted.unwrap_or(pause).max(PAUSE)).await;
            pause *= 2;
            tries += 1;
        }
    }

    /// Sends a request once. What goes to another host than the registry's own goes without credentials.
    pub(super) async fn once(
        &self,
        client: &Client,
        method: Method,
        url: Url,
        scope: &str,
        headers: HeaderMap,
        body: Option<Body>,
    ) -> Result<Response, RegistryError> {
        let own = url.origin() == self.base.origin();
        let mut request = client.request(method, url).headers(headers);
        if let Some(header) = self.tokens.get(scope).filter(|_| own) {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.map_err(|error| self.away(&error))
    }

    /// A path at the registry, or an address that the registry gave.
    pub(super) fn url(&self, place: &str) -> Result<Url, RegistryError> {
        let url = self.base.join(place).map_err(|error| self.nonsense(&format!("it names the address {place:?}: {error}")))?;
        if self.base.scheme() == "https" && url.scheme() != "https" {
            return Err(self.nonsense(&format!("it names the address {url}, which is not encrypted")));
        }
        Ok(url)
    }

    /// Does what the registry asks for to know us. Answers whether asking again makes sense.
    pub(super) async fn sign_in(&self, answer: &Response, scope: &str) -> Result<bool, RegistryError> {
        let tried = self.tokens.get(scope).is_some();
        self.tokens.forget(scope);
        match Challenge::read(answer.headers()).map_err(|why| self.refused(&why))? {
            Challenge::Basic => {
                if tried {
                    return Ok(false);
                }
                let header = self.basic().ok_or_else(|| self.refused("it wants a user and a password, and none is set"))?;
                self.tokens.put(scope, header, TOKEN_LASTS);
            }
            Challenge::Bearer { realm, service, scope: offered } => {
                let asked = if scope.is_empty() { offered } else { Some(scope.to_owned()) };
                let (header, lasts) = self.fetch_token(realm, service, asked).await?;
                self.tokens.put(scope, header, lasts);
            }
        }
        Ok(true)
    }

    fn basic(&self) -> Option<HeaderValue> {
        let credentials = self.settings.credentials.as_ref()?;
        let plain = format!("{}:{}", credentials.username, credentials.password.expose_secret());
        let mut header = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(plain))).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    async fn fetch_token(
        &self,
        realm: Url,
        service: Option<String>,
        scope: Option<String>,
    ) -> Result<(HeaderValue, Duration), RegistryError> {
        if realm.scheme() != "https" && !self.settings.plain_http {
            return Err(self.refused(&format!("it wants {realm} asked for a token without encryption, which is not done")));
        }
        let mut url = realm.clone();
        let parameters = [("service", service), ("scope", scope)];
        url.query_pairs_mut().extend_pairs(parameters.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let mut request = self.client.get(url);
        if let Some(header) = self.basic() {
            request = request.header(AUTHORIZATION, header);
        }
        let answer = request.send().await.map_err(|error| self.away(&error))?;
        let status = answer.status();
        if is_busy(status) {
            return Err(self.busy(&answer, &format!("its token service {realm} answers {status}")));
        }
        if !status.is_success() {
            return Err(self.refused(&format!("its token service {realm} answers {status}")));
        }
        let bytes = self.limited(answer, TOKEN_BYTES_MAX, "the token", realm.as_str()).await?;
        let token = serde_json::from_slice::<TokenAnswer>(&bytes).ok().and_then(TokenAnswer::header);
        token.ok_or_else(|| self.nonsense(&format!("its token service {realm} answers with no token")))
    }

    pub(super) fn refused(&self, why: &str) -> RegistryError {
        RegistryError::Refused { registry: self.settings.host.clone(), why: why.to_owned() }
    }

    /// It answers, but not as a registry does.
    pub(super) fn nonsense(&self, why: &str) -> RegistryError {
        RegistryError::Nonsense { registry: self.settings.host.clone(), why: why.to_owned() }
    }

    pub(super) fn away(&self, error: &reqwest::Error) -> RegistryError {
        RegistryError::Unreachable { registry: self.settings.host.clone(), why: words(&error), retry_after: None }
    }

    fn busy(&self, answer: &Response, why: &str) -> RegistryError {
        let retry_after = left_alone(answer);
        let why = match retry_after {
            Some(time) => format!("{why}, and wants to be left alone for {} s", time.as_secs()),
            None => why.to_owned(),
        };
        RegistryError::Unreachable { registry: self.settings.host.clone(), why, retry_after }
    }

    /// An answer that was not expected, as an error. `what` was asked for.
    pub(super) async fn unexpected(&self, answer: Response, what: &str) -> RegistryError {
        let status = answer.status();
        let busy = is_busy(status).then(|| self.busy(&answer, &format!("{status} for {what}")));
        if status == StatusCode::NOT_FOUND {
            return self.missing(what);
        }
        let said = self.limited(answer, 64 << 10, "the complaint", what).await.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).chars().filter(|c| !c.is_control()).take(COMPLAINT_MAX).collect();
        let why = if said.is_empty() { format!("{status} for {what}") } else { format!("{status} for {what}: {said}") };
        match (status, busy) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                self.refused(&format!("{why} (some registries say this of what is not there, too)"))
            }
            (_, Some(RegistryError::Unreachable { registry, why: told, retry_after })) => {
                let why = if said.is_empty() { told } else { format!("{told}: {said}") };
                RegistryError::Unreachable { registry, why, retry_after }
            }
            _ => RegistryError::Rejected { registry: self.settings.host.clone(), why },
        }
    }
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT || status.is_server_error()
}

/// How long the answer asks to be left alone. A date, which the header may also hold, is passed over: no registry is known to send one.
fn left_alone(answer: &Response) -> Option<Duration> {
    answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
