//! HTTP to Ibutsu: bounded, tried again where that is safe, and told without what must not be seen.

mod form;
mod words;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Method, Response, StatusCode, redirect};
use serde::de::DeserializeOwned;
use serde_json::Value;
use towpath_domain::with_causes;
use towpath_secrets::{Redactor, SecretValue};

use crate::error::{IbutsuError, IbutsuErrorKind, clean};
use crate::settings::{IbutsuSettings, Limits};

pub(crate) use self::form::Form;
pub(crate) use self::words::{garbage, no_project, refused};

/// How long it may take until a server takes a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The longest pause between tries.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct Wire {
    client: Client,
    base: reqwest::Url,
    address: String,
    limits: Limits,
}

/// What is sent with a request.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Nothing,
    Json(&'a Value),
    Form(&'a Form),
}

/// One request.
pub(crate) struct Call<'a> {
    pub method: Method,
    /// Below the API's address, each component on its own: whatever it contains stays one component.
    pub path: &'a [&'a str],
    pub query: &'a [(&'a str, &'a str)],
    pub token: Option<&'a SecretValue>,
    pub body: Body<'a>,
}

/// What the server said.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Answer {
    /// The body as `T`, if it is one.
    pub fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether it contains `words`.
    pub fn says(&self, words: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(words)
    }

    /// Whether the same may be answered otherwise in a moment.
    fn passes(&self) -> bool {
        self.status.is_server_error() || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }
}

/// Why there is no answer.
pub(crate) struct Unanswered {
    pub error: IbutsuError,
    /// It was never sent.
    unsent: bool,
}

impl Wire {
    /// # Errors
    /// When the certificates cannot be used, or this process has no cryptography.
    pub(crate) fn new(settings: &IbutsuSettings) -> Result<Self, IbutsuError> {
        let setup = |why: String, mend: &str| IbutsuError::new(IbutsuErrorKind::Setup, why, mend);
        // The client would panic.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(setup("no TLS provider is installed in this process".into(), "this is a fault of the program: report it"));
        }
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(settings.limits.silence)
            // A token must not follow wherever an answer points.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("towpath/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        if let Some(file) = &settings.ca_file {
            let mend = "correct `ca` of [ibutsu] in towpath.toml: a file with PEM certificates";
            let pem = std::fs::read(file).map_err(|error| setup(format!("cannot read {}: {error}", file.display()), mend))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| setup(format!("{} is no PEM", file.display()), mend))?;
            if certificates.is_empty() {
                return Err(setup(format!("{} contains no certificate", file.display()), mend));
            }
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|error| {
            setup(format!("no TLS client can be made: {}", clean(&with_causes(&error))), "look at the system's certificates")
        })?;
        let (base, address) = (settings.address.url().clone(), settings.address.to_string());
        Ok(Self { client, base, address, limits: settings.limits })
    }

    /// The server's address, for people.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Asks what may be asked any number of times. A failure of the server's own that stays is an answer, too.
    pub(crate) async fn again(&self, call: Call<'_>) -> Result<Answer, IbutsuError> {
        self.tried(&call, |_| true, Answer::passes).await.map_err(|unanswered| unanswered.error)
    }

    /// Asks what makes something: sent again only where it surely did not arrive.
    pub(crate) async fn once(&self, call: Call<'_>) -> Result<Answer, Unanswered> {
        self.tried(&call, |unanswered| unanswered.unsent, |answer| answer.status == StatusCode::TOO_MANY_REQUESTS).await
    }

    /// Tries it as often as may be. A wait that is longer than one's patience is left to whoever called.
    async fn tried(
        &self,
        call: &Call<'_>,
        may_be_lost: impl Fn(&Unanswered) -> bool,
        passes: impl Fn(&Answer) -> bool,
    ) -> Result<Answer, Unanswered> {
        let (mut pause, mut tries) = (self.limits.pause, 1);
        loop {
            let answer = self.ask(call).await;
            let (again, asked) = match &answer {
                Ok(answer) => (passes(answer), answer.retry_after.unwrap_or_default()),
                Err(unanswered) => (may_be_lost(unanswered), Duration::ZERO),
            };
            if !again || tries >= self.limits.tries || asked > self.limits.patience {
                return answer;
            }
            tokio::time::sleep(pause.max(asked)).await;
            tries += 1;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn ask(&self, call: &Call<'_>) -> Result<Answer, Unanswered> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        let mut request = self.client.request(call.method.clone(), url);
        if let Some(token) = call.token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| Unanswered {
                error: IbutsuError::new(IbutsuErrorKind::Token, "the token is no plain text", "correct it"),
                unsent: false,
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request = match call.body {
            Body::Nothing => request,
            Body::Json(value) => request.header(CONTENT_TYPE, "application/json").body(value.to_string()),
            Body::Form(form) => request.header(CONTENT_TYPE, form.content_type()).body(form.body().to_vec()),
        };
        let response = request.send().await.map_err(|error| self.unanswered(error))?;
        let status = response.status();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        Ok(Answer { status, retry_after, body: self.body(response).await? })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Unanswered> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unanswered(error))? {
            if body.len() + chunk.len() > self.limits.answer {
                let why = format!("{} answers with more than {} bytes", self.address, self.limits.answer);
                let mend = "look whether `url` of [ibutsu] in towpath.toml is that of an Ibutsu server";
                return Err(Unanswered { error: IbutsuError::new(IbutsuErrorKind::Setup, why, mend), unsent: false });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unanswered(&self, error: reqwest::Error) -> Unanswered {
        let unsent = error.is_connect();
        let what = if error.is_timeout() {
            "does not answer in time".to_owned()
        } else {
            format!("is not reached, or cut the answer short: {}", clean(&with_causes(&error.without_url())))
        };
        Unanswered { error: IbutsuError::away(format!("Ibutsu at {} {what}", self.address)), unsent }
    }

    /// What an answer says for itself, fit to be shown, without the token; empty if nothing, or a page for browsers.
    pub(crate) fn said(answer: &Answer, token: Option<&SecretValue>) -> String {
        let text = String::from_utf8_lossy(&answer.body);
        let text = match serde_json::from_str::<Value>(&text) {
            Ok(Value::String(text)) => text,
            Ok(value) => {
                ["detail", "message", "error", "title"].iter().find_map(|field| value.get(field)?.as_str()).unwrap_or_default().to_owned()
            }
            Err(_) if text.trim_start().starts_with('<') => String::new(),
            Err(_) => text.into_owned(),
        };
        clean(&Redactor::new(token).redact(&text))
    }
}
