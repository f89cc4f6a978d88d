//! One request to the API server: turns, patience, and errors as people need them.

use std::time::Duration;

use http::{HeaderMap, Method, Request};
use kube::client::Body as Content;
use kube::core::Status;
use kube::core::response::StatusDetails;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use towpath_domain::{FailureClass, with_causes};

use super::Core;
use crate::api::ClusterError;

/// How often a request is tried that the server had no time for (429) or failed at (5xx), or that it did not answer.
const TRIES: u32 = 6;

/// The first pause between tries; it doubles. A server that says how long to wait is believed.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest that a server is believed.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long one answer may take: longer than the server's own limit of 60 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(75);

/// After how long a server that does not answer is no longer asked: whoever wanted it tries again later.
const AWAY_AFTER: Duration = Duration::from_secs(30);

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
        self.ask(&method, path, accept, body.as_ref(), TRIES).await
    }

    /// Sends a request that is not tried again: for those who only want to know whether the server is there.
    pub(super) async fn send_once(&self, method: Method, path: &str) -> Result<Value, Fault> {
        self.ask(&method, path, None, None, 1).await
    }

    async fn ask(&self, method: &Method, path: &str, accept: Option<&str>, body: Option<&Body<'_>>, tries: u32) -> Result<Value, Fault> {
        let client = self.client().await.map_err(Fault::Away)?;
        let begun = Instant::now();
        let mut pause = PAUSE;
        for attempt in 1.. {
            let request = build(method, path, accept, body).map_err(|e| Fault::Away(e.to_string()))?;
            let turn = self.turns.take().await;
            let answer = tokio::time::timeout(ANSWER_WITHIN, answer(&client, request)).await;
            let answer = answer.unwrap_or_else(|_| Err(Fault::Away(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))));
            let fault = match answer {
                Ok(value) => {
                    turn.went_well();
                    return Ok(value);
                }
                Err(fault) => fault,
            };
            if let Some(asked) = busy(&fault) {
                // What holds for this request holds for all: the server has no time now.
                turn.was_too_much(asked.min(PAUSE_MAX));
            } else {
                drop(turn);
            }
            let Some(wait) = patience(&fault, pause, begun.elapsed()).filter(|_| attempt < tries) else { return Err(fault) };
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

fn build(method: &Method, path: &str, accept: Option<&str>, body: Option<&Body<'_>>) -> Result<Request<Content>, http::Error> {
    let mut request = Request::builder().method(method.clone()).uri(path);
    if let Some(accept) = accept {
        request = request.header("Accept", accept);
    }
    match body {
        Some(body) => request.header("Content-Type", body.kind).body(serde_json::to_vec(body.value).unwrap_or_default().into()),
        None => request.body(Content::empty()),
    }
}

/// What the server says.
async fn answer(client: &kube::Client, request: Request<Content>) -> Result<Value, Fault> {
    let away = |error: kube::Error| Fault::Away(with_causes(&error));
    let (head, body) = client.send(request).await.map_err(away)?.into_parts();
    let bytes = body.collect_bytes().await.map_err(away)?;
    if !(head.status.is_client_error() || head.status.is_server_error()) {
        return serde_json::from_slice(&bytes).map_err(|e| Fault::Away(format!("the answer is not JSON: {e}")));
    }
    // Priority and fairness, proxies and paths that are not there answer in plain text.
    let mut status: Box<Status> = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&bytes);
        let code = head.status.as_u16();
        let text = if text.trim().is_empty() { head.status.to_string() } else { text.trim().chars().take(1000).collect() };
        Status::failure(&text, "").with_code(code).boxed()
    });
    if let Some(seconds) = retry_after(&head.headers) {
        let details = status.details.get_or_insert_with(none_yet);
        details.retry_after_seconds = details.retry_after_seconds.max(seconds);
    }
    Err(Fault::Refused(status))
}

fn none_yet() -> StatusDetails {
    let text = String::new;
    StatusDetails { name: text(), group: text(), kind: text(), uid: text(), causes: Vec::new(), retry_after_seconds: 0 }
}

/// How many seconds the server wants to be left alone.
fn retry_after(headers: &HeaderMap) -> Option<u32> {
    headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// Older servers call it their own failure (500) when an object does not fit its kind's schema, and webhooks give the code they like.
pub(super) fn is_refusal(status: &Status) -> bool {
    let words = ["failed to create typed", "failed to convert new object"];
    let misfit = status.code == 500 && words.iter().any(|start| status.message.starts_with(start));
    misfit || (status.message.starts_with("admission webhook ") && status.message.contains(" denied the request"))
}

/// For how long the server wants to be left alone that has no time (429); none when it does not say that.
fn busy(fault: &Fault) -> Option<Duration> {
    let Fault::Refused(status) = fault else { return None };
    let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    (status.code == 429).then(|| Duration::from_secs(asked.into()))
}

/// How long to wait before the same is asked again; none when asking again would not help.
fn patience(fault: &Fault, pause: Duration, asked_for: Duration) -> Option<Duration> {
    match fault {
        Fault::Refused(status) if is_refusal(status) => None,
        Fault::Refused(status) if status.code == 429 || matches!(status.code, 500 | 502..=504) => {
            let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            Some(Duration::from_secs(asked.into()).max(pause).min(PAUSE_MAX))
        }
        Fault::Refused(_) => None,
        // Whatever is asked may be asked twice: what was made before is found made.
        Fault::Away(_) => (asked_for < AWAY_AFTER).then_some(pause),
    }
}
