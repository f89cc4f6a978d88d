//! The routes.

pub(crate) mod extract;
mod read;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::watch;

use crate::brain::Brain;
use crate::caller::Caller;
use crate::hooks::{self, Hooks};
use crate::problem::Refusal;
use crate::{guard, limits, pages};

/// What every handler shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) brain: Arc<dyn Brain>,
    /// Turns true when the server is told to stop: whoever waits then answers with what there is.
    stopping: watch::Receiver<bool>,
    pub(crate) hooks: Hooks,
}

/// The API over `brain`. Waiting requests end early once `stopping` turns true.
pub(crate) fn router(brain: Arc<dyn Brain>, hooks: Hooks, stopping: watch::Receiver<bool>) -> Router {
    let shared = Shared { brain, stopping, hooks };
    let v1 = Router::new()
        .route("/status", get(read::status))
        .route("/plan", get(read::plan))
        .route("/explain", get(read::explain))
        .route("/runs", get(read::runs))
        .route("/runs/{id}", get(read::run))
        .route("/runs/{id}/logs", get(read::logs))
        .route("/history", get(read::history))
        .route("/doctor", get(read::doctor))
        .route("/retry", post(write::retry))
        .route("/ack", post(write::ack))
        .route("/cancel", post(write::cancel))
        .route("/promote", post(write::promote))
        .route("/rollback", post(write::rollback))
        .route("/hold", post(write::hold))
        .route("/release", post(write::release))
        .route("/backup", post(write::backup))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX));
    // A webhook may come through a proxy that keeps the outside name in Host. It can do nothing but wake, so it is let in.
    let hook = Router::new()
        .route("/hooks/github", post(hooks::github))
        .route("/hooks/gitlab", post(hooks::gitlab))
        .route("/hooks/forgejo", post(hooks::forgejo))
        .route("/hooks/registry", post(hooks::registry))
        .route("/hooks/git", post(hooks::git));
    Router::new()
        .nest("/api/v1", v1)
        .merge(pages::router())
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(single_user))
        .layer(middleware::from_fn(guard::keep_pages_out))
        .merge(hook)
        .layer(middleware::from_fn(within_time))
        .with_state(shared)
}

/// Whoever can connect to loopback is the one user of this machine.
async fn single_user(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller::local());
    next.run(request).await
}

async fn no_such_path(uri: Uri) -> Refusal {
    let detail = format!("there is nothing at {}", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, "unknown-path", "Not found", detail, "the API's paths begin with /api/v1/")
}

async fn no_such_method(method: Method, uri: Uri) -> Refusal {
    let detail = format!("{} does not take {method}", uri.path());
    let mend = "questions are asked with GET, and everything that does something with POST";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "Method not allowed", detail, mend)
}

async fn within_time(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match tokio::time::timeout(limits::REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("{path} did not answer within {} s", limits::REQUEST_TIMEOUT.as_secs());
            let mend = "try again; `towpath doctor` shows what is slow";
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "The request took too long", detail, mend).into_response()
        }
    }
}
