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
mod checks;
mod compare;
mod frame;
mod graph;
mod health;
mod history;
mod images;
mod incidents;
mod insight;
mod log;
mod namespaces;
mod release;
mod run;
mod runs;
pub(crate) mod sent;
pub(crate) mod sign_in;
mod tested;
mod tokens;
mod why;
mod wording;
mod words;

use askama::Template;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use towpath_control::view::Problem;

use crate::api::Shared;
use crate::limits;
use crate::problem::Refusal;
use crate::route::{Route, routed};

pub(crate) use act::local;
pub use frame::Csrf;
pub(crate) use frame::{Frame, Nav, cookie};
pub(crate) use sent::dressed;

/// What no page needs more of: no script, style or picture but this server's, no form to elsewhere, in nobody's frame.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// All pages and all that they send.
pub(crate) fn list() -> Vec<Route> {
    vec![
        (Method::GET, "/", get(board::page)),
        (Method::GET, "/commits/{id}", get(release::page)),
        (Method::GET, "/targets/{id}", get(why::page)),
        (Method::GET, "/sources/{name}", get(why::page)),
        (Method::GET, "/why", get(why::find)),
        (Method::GET, "/runs", get(runs::page)),
        (Method::GET, "/runs/{id}", get(run::page)),
        (Method::GET, "/runs/{id}/log", get(log::more)),
        (Method::GET, "/tests", get(tested::page)),
        (Method::GET, "/tests/{id}", get(tested::one)),
        (Method::GET, "/graph", get(graph::page)),
        (Method::GET, "/changes", get(changes::page)),
        (Method::GET, "/changes/{id}", get(changes::one)),
        (Method::GET, "/incidents", get(incidents::page)),
        (Method::GET, "/history", get(history::page)),
        (Method::GET, "/compare", get(compare::page)),
        (Method::GET, "/insight", get(insight::page)),
        (Method::GET, "/images", get(images::page)),
        (Method::GET, "/namespaces", get(namespaces::page)),
        (Method::GET, "/checks", get(checks::page)),
        (Method::GET, "/checks/{id}", get(checks::one)),
        (Method::GET, "/health", get(health::page)),
        (Method::GET, "/tokens", get(tokens::page)),
        (Method::POST, "/tokens", post(tokens::make)),
        (Method::POST, "/tokens/{id}/revoke", post(tokens::revoke)),
        (Method::POST, "/theme", post(act::theme)),
        (Method::POST, "/act/{verb}", post(act::act)),
    ]
}

/// Their style sheets and scripts.
pub(crate) fn files() -> Vec<Route> {
    vec![(Method::GET, "/assets/{hash}/{name}", get(assets::get))]
}

/// The pages.
pub(crate) fn router() -> Router<Shared> {
    routed(list())
        .layer(axum::Extension(health::Lookout::default()))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .layer(middleware::from_fn(sent::sent))
        .merge(routed(files()))
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
