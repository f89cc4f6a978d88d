//! The routes.

mod badge;
mod deprecated;
pub(crate) mod extract;
mod fresh;
mod history;
mod look;
mod once;
mod openapi;
mod operation;
mod operations;
mod read;
mod reader;
mod stream;
mod tokens;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{Semaphore, watch};

use crate::auth::{Auth, identify};
use crate::brain::Brain;
use crate::caller::Caller;
use crate::feed::Feed;
use crate::headers::secured;
use crate::hooks::{self, Hooks};
use crate::metrics::{self, Http, counted};
use crate::problem::{Refusal, name_instance};
use crate::{guard, limits, pages, rules};

pub use deprecated::Deprecated;
pub use openapi::document;
pub use operation::Operation;
pub use operations::{PREFIX, operations};

/// What every handler shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) brain: Arc<dyn Brain>,
    /// Turns true when the server is told to stop: whoever waits then answers with what there is.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) hooks: Hooks,
    pub(crate) feed: Feed,
    pub(crate) http: Arc<Http>,
    /// None where whoever can connect is the single user.
    pub(crate) auth: Option<Arc<Auth>>,
    /// Places of requests that are answered at the same time.
    places: Arc<Semaphore>,
}

/// The API over `brain`. Waiting requests end early once `stopping` turns true.
pub(crate) fn router(brain: Arc<dyn Brain>, hooks: Hooks, auth: Option<Arc<Auth>>, stopping: watch::Receiver<bool>) -> Router {
    let feed = Feed::new(Arc::clone(&brain), stopping.clone());
    let http = Arc::new(Http::default());
    let shared = Shared {
        brain,
        stopping,
        hooks,
        feed,
        http: Arc::clone(&http),
        auth: auth.clone(),
        places: Arc::new(Semaphore::new(limits::REQUESTS_MAX)),
    };
    let mut v1 = Router::new().route("/openapi.json", get(reader::document));
    for operation in operations() {
        let handler = match operation.deprecated {
            Some(deprecated) => deprecated.told(operation.handler),
            None => operation.handler,
        };
        v1 = v1.route(operation.path, handler);
    }
    let v1 = v1
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), once::once))
        .layer(middleware::from_fn(fresh::fresh));
    // A webhook may come through a proxy that keeps the outside name in Host. It can do nothing but wake, so it is let in.
    let hook = Router::new()
        .route("/hooks/github", post(hooks::github))
        .route("/hooks/gitlab", post(hooks::gitlab))
        .route("/hooks/forgejo", post(hooks::forgejo))
        .route("/hooks/registry", post(hooks::registry))
        .route("/hooks/git", post(hooks::git));
    let explained = Router::new().route("/api", get(reader::page)).merge(rules::router()).layer(middleware::from_fn(pages::sent::sent));
    let inside = Router::new()
        .nest(PREFIX, v1)
        .merge(pages::router())
        .merge(explained)
        .merge(auth.as_ref().map(pages::sign_in::router).unwrap_or_default())
        .layer(middleware::from_fn_with_state(shared.clone(), in_a_place))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(metrics::readyz))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method);
    let https = auth.as_ref().is_some_and(|auth| auth.settings.base_url.is_https());
    let asked = match auth {
        None => inside.layer(middleware::from_fn(single_user)).layer(middleware::from_fn(guard::keep_pages_out)),
        Some(auth) => {
            let base = Arc::new(auth.settings.base_url.clone());
            inside.layer(middleware::from_fn_with_state(auth, identify)).layer(middleware::from_fn_with_state(base, guard::keep_others_out))
        }
    };
    asked
        .layer(middleware::from_fn(pages::dressed))
        .merge(hook)
        .layer(middleware::from_fn(within_time))
        .layer(middleware::from_fn(name_instance))
        .layer(middleware::from_fn_with_state(https, secured))
        .layer(middleware::from_fn_with_state(http, counted))
        .with_state(shared)
}

/// Whoever can connect to loopback is the one user of this machine.
async fn single_user(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller::local());
    next.run(request).await
}

/// Refuses what is more than the server answers at once. A stream leaves its place when it begins: it takes one of another kind.
async fn in_a_place(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Ok(_place) = shared.places.try_acquire() else {
        let detail = format!("{} requests are being answered", limits::REQUESTS_MAX);
        let mend = "come again in a moment";
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "The server is busy", detail, mend).into_response();
    };
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
