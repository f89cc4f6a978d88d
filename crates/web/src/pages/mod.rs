//! The pages: made on the server, whole without a script, live with one.
//!
//! Each page has a handler in a file of its own, a template in `templates/`, and asks the [`Brain`](crate::Brain) and nothing else.
//!
//! - `frame`: what every page stands in. - `words`: how times, commits, states and links are written. - `assets`: style sheets and scripts.
//! - `act`: what forms send. - `ask`: reading what pages are asked. - `sent`: how pages are sent. - `ansi`, `log`: logs.

mod act;
mod ansi;
mod ask;
mod assets;
mod board;
mod changes;
mod compare;
mod frame;
mod graph;
mod health;
mod history;
mod images;
mod incidents;
mod insight;
mod log;
mod release;
mod run;
mod runs;
pub(crate) mod sent;
pub(crate) mod sign_in;
mod tokens;
mod why;
mod wording;
mod words;

use askama::Template;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use towpath_control::view::Problem;

use crate::api::Shared;
use crate::limits;
use crate::problem::Refusal;

pub(crate) use act::local;
pub use frame::Csrf;
pub(crate) use frame::{Frame, Nav, cookie};
pub(crate) use sent::dressed;

/// What no page needs more of: no script, style or picture but this server's, no form to elsewhere, in nobody's frame.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The pages.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(board::page))
        .route("/commits/{id}", get(release::page))
        .route("/targets/{id}", get(why::page))
        .route("/sources/{name}", get(why::page))
        .route("/why", get(why::find))
        .route("/runs", get(runs::page))
        .route("/runs/{id}", get(run::page))
        .route("/runs/{id}/log", get(log::more))
        .route("/graph", get(graph::page))
        .route("/changes", get(changes::page))
        .route("/changes/{id}", get(changes::one))
        .route("/incidents", get(incidents::page))
        .route("/history", get(history::page))
        .route("/compare", get(compare::page))
        .route("/insight", get(insight::page))
        .route("/images", get(images::page))
        .route("/health", get(health::page))
        .layer(axum::Extension(health::Lookout::default()))
        .route("/tokens", get(tokens::page).post(tokens::make))
        .route("/tokens/{id}/revoke", post(tokens::revoke))
        .route("/theme", post(act::theme))
        .route("/act/{verb}", post(act::act))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .layer(middleware::from_fn(sent::sent))
        .route("/assets/{hash}/{name}", get(assets::get))
}

/// A page that cannot be shown, as a page.
pub(crate) struct Failed {
    frame: Box<Frame>,
    problem: Problem,
}

impl Failed {
    /// What the brain or the checks refuse, in this frame.
    pub(crate) fn new(frame: Frame, refusal: impl Into<Refusal>) -> Self {
        let problem = refusal.into().0;
        Self { frame: Box::new(frame.on(Nav::Elsewhere, problem.title.clone())), problem }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: &'a Frame,
    problem: &'a Problem,
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).ok().filter(|status| status.as_u16() >= 400);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, show(&ErrorPage { frame: &self.frame, problem: &self.problem })).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }
}

/// A page as it is sent.
pub(crate) fn show(page: &impl Template) -> Response {
    let mut response = match page.render() {
        Ok(html) => Html(html).into_response(),
        // Writing to memory does not fail; a template that fails anyway must not look like a page.
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made").into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}
