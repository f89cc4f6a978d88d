//! One request to the API server: turns, patience, and errors as people need them.

use std::time::Duration;

use http::{Method, Request};
use kube::core::Status;
use serde::de::DeserializeOwned;
use serde_json::Value;
use towpath_domain::FailureClass;

use super::Core;
use crate::api::ClusterError;

/// How often a request is tried that the server had no time for (429) or failed at (5xx).
const TRIES: u32 = 6;

/// The first pause between tries; it doubles. A server that says how long to wait is believed.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest that a server is believed.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long one answer may take: longer than the server's own limit of 60 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(75);

/// Why a request was not answered as asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server refused.
    Refused(Box<Status>),
    /// It did not answer.
    Away(String),
}

/// The body of a request.
pub(super) struct Body<'a> {
    /// How it is to be read.
    pub(super) kind: &'a str,
    /// What it holds.
    pub(super) value: &'a Value,
}

/// Server-side apply.
pub(super) const APPLY: &str = "application/apply-patch+yaml";

/// Plain JSON.
pub(super) const JSON: &str = "application/json";

impl Core {
    /// Sends a request, waiting for a turn, and again as long as the server only asks for patience.
    pub(super) async fn send(&self, method: Method, path: &str, accept: Option<&str>, body: Option<Body<'_>>) -> Result<Value, Fault> {
        let client = self.client().await.map_err(Fault::Away)?;
        let mut pause = PAUSE;
        for attempt in 1.. {
            let request = build(&method, path, accept, body.as_ref()).map_err(|e| Fault::Away(e.to_string()))?;
            let turn = self.turns.acquire().await;
            let answer = tokio::time::timeout(ANSWER_WITHIN, client.request_text(request)).await;
            drop(turn);
            let fault = match answer {
                Ok(Ok(text)) => return serde_json::from_str(&text).map_err(|e| Fault::Away(format!("the answer is not JSON: {e}"))),
                Ok(Err(kube::Error::Api(status))) => Fault::Refused(status),
                Ok(Err(error)) => Fault::Away(words(&error)),
                Err(_) => Fault::Away(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
            };
            let Some(wait) = patience(&fault, pause).filter(|_| attempt < TRIES) else { return Err(fault) };
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Err(Fault::Away("it was tried too often".to_owned()))
    }

    /// Reads what is at `path`; none when nothing is.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ClusterError> {
        match self.send(Method::GET, path, None, None).await {
            Ok(value) => serde_json::from_value(value).map(Some).map_err(|e| self.away(format!("{path}: {e}"))),
            Err(Fault::Refused(status)) if status.code == 404 => Ok(None),
            Err(fault) => Err(self.error(&format!("reading {path}"), fault)),
        }
    }

    /// The fault as an error, in the server's own words.
    pub(super) fn error(&self, what: &str, fault: Fault) -> ClusterError {
        match fault {
            Fault::Away(why) => self.away(why),
            Fault::Refused(status) if matches!(status.code, 401 | 403) => {
                ClusterError::Forbidden { cluster: self.name.clone(), why: status.message }
            }
            Fault::Refused(status) if (status.code == 429 || status.code >= 500) && !is_refusal(&status) => self.away(status.message),
            Fault::Refused(status) => {
                ClusterError::Api { cluster: self.name.clone(), what: what.to_owned(), why: status.message, class: FailureClass::Own }
            }
        }
    }

    /// The cluster does not answer.
    pub(super) fn away(&self, why: String) -> ClusterError {
        ClusterError::Unreachable { cluster: self.name.clone(), why }
    }
}

fn build(method: &Method, path: &str, accept: Option<&str>, body: Option<&Body<'_>>) -> Result<Request<Vec<u8>>, http::Error> {
    let mut request = Request::builder().method(method.clone()).uri(path);
    if let Some(accept) = accept {
        request = request.header("Accept", accept);
    }
    match body {
        Some(body) => request.header("Content-Type", body.kind).body(serde_json::to_vec(body.value).unwrap_or_default()),
        None => request.body(Vec::new()),
    }
}

/// Older servers call it their own failure (500) when an object does not fit its kind's schema.
pub(super) fn is_refusal(status: &Status) -> bool {
    let words = ["failed to create typed", "failed to convert new object"];
    status.code == 500 && words.iter().any(|start| status.message.starts_with(start))
}

/// How long to wait before the same is asked again; none when asking again would not help.
fn patience(fault: &Fault, pause: Duration) -> Option<Duration> {
    match fault {
        Fault::Refused(status) if is_refusal(status) => None,
        Fault::Refused(status) if status.code == 429 || matches!(status.code, 500 | 502..=504) => {
            let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            Some(Duration::from_secs(asked.into()).max(pause).min(PAUSE_MAX))
        }
        _ => None,
    }
}

/// An error with what caused it: the outermost alone says little.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
