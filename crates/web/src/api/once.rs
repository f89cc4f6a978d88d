//! `Idempotency-Key`: a write that comes again with the same key is answered as the first one was, and does nothing.
//!
//! Keys and answers are kept in the ledger, so that a restart does nothing twice. A key is taken before the write begins; when the server dies before
//! the answer is kept, nobody can say whether it was done, and whoever comes again is told so. A refusal by which nothing was done frees the key: what
//! is refused today may be right tomorrow.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Shared;
use crate::brain::{Begun, Once};
use crate::caller::Caller;
use crate::limits;
use crate::problem::Refusal;

const HEADER: &str = "idempotency-key";

/// What is kept of an answer instead of its body: one that holds a secret is not told twice.
#[derive(Clone)]
pub(super) struct KeptAs(pub(super) String);

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    body: String,
}

pub(super) async fn once(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    match key(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => done_once(shared, key, request, next).await.unwrap_or_else(IntoResponse::into_response),
        Err(refusal) => refusal.into_response(),
    }
}

/// The key that the request names, if it does.
fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut keys = headers.get_all(HEADER).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let sound =
        |key: &HeaderValue| !key.is_empty() && key.len() <= limits::KEY_BYTES_MAX && key.as_bytes().iter().all(u8::is_ascii_graphic);
    if !sound(key) || keys.next().is_some() {
        let detail = format!("Idempotency-Key is not one key of 1 to {} visible ASCII characters", limits::KEY_BYTES_MAX);
        let mend = "send something that is new for each thing to be done, such as a random UUID";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "bad-header", "A header cannot be read", detail, mend));
    }
    Ok(key.to_str().ok().map(str::to_owned))
}

async fn done_once(shared: Shared, key: String, request: Request, next: Next) -> Result<Response, Refusal> {
    // Nobody's keys are kept.
    let Some(caller) = request.extensions().get::<Caller>() else { return Ok(next.run(request).await) };
    // The single user has no name; a person's is never empty.
    let key = hash(&[caller.name.as_deref().unwrap_or_default().as_bytes(), key.as_bytes()]);
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, limits::BODY_BYTES_MAX).await.map_err(|_| {
        let detail = format!("it has more than {} bytes, or broke off", limits::BODY_BYTES_MAX);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "bad-body", "The request's body cannot be read", detail, "send a shorter one")
    })?;
    let asked = hash(&[parts.uri.path().as_bytes(), &body]);
    match shared.brain.begin_once(Once { key: key.clone(), request: asked }).await? {
        Begun::New => {}
        Begun::Done(kept) => return Ok(replayed(&kept)),
        Begun::Other => {
            let detail = "another request had this Idempotency-Key";
            let mend = "make a new key for each thing that is to be done";
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "key-used", "The key is used already", detail, mend));
        }
        Begun::Unended => {
            let detail = "a request with this Idempotency-Key was begun, and how it ended is not known";
            let mend = "ask again in a moment; if it stays so, look in the history whether it was done, and use another key if not";
            return Err(Refusal::new(StatusCode::CONFLICT, "key-unended", "The key is taken", detail, mend));
        }
    }
    // To its end, even when whoever asked goes away meanwhile.
    let request = Request::from_parts(parts, Body::from(body));
    let done = tokio::spawn(async move {
        let response = next.run(request).await;
        keep(&shared, key, response).await
    });
    done.await.map_err(|_| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "ledger", "The write ended badly", "it broke off", "the server's log says why")
    })
}

/// Keeps a success as it was; says of a refusal that nothing was done. What else went wrong leaves the key taken.
async fn keep(shared: &Shared, key: String, response: Response) -> Response {
    let status = response.status();
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return Response::from_parts(parts, Body::empty()) };
    let answer = if status.is_success() {
        let body = parts.extensions.get::<KeptAs>().map(|kept| kept.0.clone());
        let kept = Kept { status: status.as_u16(), body: body.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned()) };
        Some(serde_json::to_string(&kept).unwrap_or_default())
    } else {
        None
    };
    if (status.is_success() || status.is_client_error())
        && let Err(problem) = shared.brain.end_once(key, answer).await
    {
        tracing::warn!(%problem, "the answer to a write could not be kept: its key stays taken");
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn replayed(kept: &str) -> Response {
    let Ok(kept) = serde_json::from_str::<Kept>(kept) else {
        let mend = "look in the history what was done";
        return Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "ledger", "The answer cannot be read", "it was kept in another form", mend)
            .into_response();
    };
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::ACCEPTED);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

/// A hash over texts, none of which can be taken for a part of its neighbour.
fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_do_not_run_into_each_other() {
        assert_ne!(hash(&[b"ada", b"1"]), hash(&[b"ad", b"a1"]));
        assert_eq!(hash(&[b"ada", b"1"]), hash(&[b"ada", b"1"]));
    }
}
