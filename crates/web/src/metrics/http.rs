//! Requests, counted by route.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::SharedHttp;

/// The upper ends of the buckets, in seconds: around the goal of 50 ms, and up to what a request may take.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// What is asked for: a route, not an address, so that there are few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Asked {
    route: String,
    method: &'static str,
}

/// What is asked for, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    route: String,
    method: &'static str,
    status: u32,
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Http {
    pub(super) requests: Family<Answered, Counter>,
    pub(super) took: Family<Asked, Histogram, fn() -> Histogram>,
}

impl Default for Http {
    fn default() -> Self {
        let took: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self { requests: Family::default(), took: Family::new_with_constructor(took) }
    }
}

impl Http {
    /// A request was answered.
    pub(super) fn note(&self, route: String, method: &'static str, status: u16, seconds: f64) {
        self.took.get_or_create(&Asked { route: route.clone(), method }).observe(seconds);
        self.requests.get_or_create(&Answered { route, method, status: u32::from(status) }).inc();
    }
}

/// Counts each request, and how long it took until its answer began.
pub(crate) async fn counted(State(http): State<SharedHttp>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let begun = Instant::now();
    let response = next.run(request).await;
    http.note(route, method, response.status().as_u16(), begun.elapsed().as_secs_f64());
    response
}

/// Methods that are asked with; others are strangers' inventions, and one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
