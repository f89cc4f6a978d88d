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
mod tested;
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
use crate::route::{Route, routed};
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
    let v1 = routed(operated())
        .merge(routed(described()))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), once::once))
        .layer(middleware::from_fn(fresh::fresh));
    let explained = routed(explained()).layer(middleware::from_fn(pages::sent::sent));
    let inside = Router::new()
        .nest(PREFIX, v1)
        .merge(pages::router())
        .merge(explained)
        .merge(auth.as_ref().map(pages::sign_in::router).unwrap_or_default())
        .merge(routed(measured()))
        .layer(middleware::from_fn_with_state(shared.clone(), in_a_place))
        .merge(routed(alive()))
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
        // A webhook may come through a proxy that keeps the outside name in Host. It can do nothing but wake, so it is let in.
        .merge(routed(hooked()))
        .layer(middleware::from_fn(within_time))
        .layer(middleware::from_fn(name_instance))
        .layer(middleware::from_fn_with_state(https, secured))
        .layer(middleware::from_fn_with_state(http, counted))
        .with_state(shared)
}

/// What the API does, below [`PREFIX`].
fn operated() -> Vec<Route> {
    let of = |operation: Operation| {
        let handler = match operation.deprecated {
            Some(deprecated) => deprecated.told(operation.handler),
            None => operation.handler,
        };
        (operation.method, operation.path, handler)
    };
    operations().into_iter().map(of).collect()
}

/// What the API says of itself, below [`PREFIX`].
fn described() -> Vec<Route> {
    vec![(Method::GET, "/openapi.json", get(reader::document))]
}

/// What explains it to people.
fn explained() -> Vec<Route> {
    let mut all = rules::list();
    all.push((Method::GET, "/api", get(reader::page)));
    all
}

/// What costs a look at the ledger.
fn measured() -> Vec<Route> {
    vec![(Method::GET, "/metrics", get(metrics::metrics)), (Method::GET, "/readyz", get(metrics::readyz))]
}

/// What is answered however busy the server is.
fn alive() -> Vec<Route> {
    vec![(Method::GET, "/healthz", get(|| async { "ok\n" }))]
}

/// Webhooks.
fn hooked() -> Vec<Route> {
    vec![
        (Method::POST, "/hooks/github", post(hooks::github)),
        (Method::POST, "/hooks/gitlab", post(hooks::gitlab)),
        (Method::POST, "/hooks/forgejo", post(hooks::forgejo)),
        (Method::POST, "/hooks/registry", post(hooks::registry)),
        (Method::POST, "/hooks/git", post(hooks::git)),
    ]
}

/// Every request that is taken beside the [`operations()`]: method and path, variable parts in braces. The router is made from the same lists.
#[must_use]
pub fn routes() -> Vec<(Method, String)> {
    let mut all: Vec<(Method, String)> = described().into_iter().map(|(method, path, _)| (method, format!("{PREFIX}{path}"))).collect();
    let lists = [explained(), measured(), alive(), hooked(), pages::list(), pages::files(), pages::sign_in::list()];
    all.extend(lists.into_iter().flatten().map(|(method, path, _)| (method, path.to_owned())));
    all
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
