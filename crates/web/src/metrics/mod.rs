//! Figures for Prometheus, and whether the server is ready.
//!
//! What the installation is like is asked of the [`Brain`](crate::Brain) when somebody asks; only what this server itself does is counted here. No
//! label names a source, target, commit or person: their number is small and known.

mod http;
mod process;
mod shown;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use towpath_control::view::InsightFilter;
use towpath_control::{Scope, Sight, Verb};

use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;

pub(crate) use http::{Http, counted};
pub use shown::NAMES;

/// The days over which the time in stations is told.
const DAYS: u32 = 7;

/// What OpenMetrics is sent as.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`, for whoever may look at the whole installation.
pub(crate) async fn metrics(State(shared): State<Shared>, caller: Caller) -> Result<Response, Refusal> {
    caller.check(Verb::Look, &[Scope::INSTALLATION])?;
    if !matches!(caller.sight(), Sight::Everything) {
        let mend = "use a token that may look at all apps in all environments";
        let detail = "figures of the whole installation are for those who may look at all of it";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "not-allowed", "You may not do that", detail, mend));
    }
    let pulse = shared.brain.pulse().await?;
    let filter = InsightFilter { days: Some(DAYS), app: None, environment: None };
    let insight = shared.brain.insight(Sight::Everything, filter).await?;
    let process = process::Process::now();
    let Ok(text) = shown::text(&pulse, &insight, &shared.http, shared.feed.open(), &process) else {
        // Writing to memory does not fail; what fails anyway must not look like figures.
        tracing::error!("the figures could not be written");
        return Ok((StatusCode::INTERNAL_SERVER_ERROR, "the figures could not be written\n").into_response());
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)), NO_STORE], text).into_response())
}

const NO_STORE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// `GET /readyz`: 200 once the server does its work, and before and after that 503 with the reasons, a line each. It tells no names: anybody may ask.
pub(crate) async fn readyz(State(shared): State<Shared>) -> Response {
    let mut reasons = Vec::new();
    if *shared.stopping.borrow() {
        reasons.push("it is told to stop");
    }
    match shared.brain.pulse().await {
        Ok(pulse) if pulse.config_commit.is_none() => {
            reasons.push("no commit of the config repository was read yet; `towpath doctor` says why")
        }
        Ok(_) => {}
        Err(problem) => {
            tracing::warn!(problem.detail = %problem.detail, "not ready: the ledger does not answer");
            reasons.push("the ledger does not answer; the log says why");
        }
    }
    if reasons.is_empty() {
        return ([NO_STORE], "ready\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, [NO_STORE], format!("not ready: {}\n", reasons.join("\nnot ready: "))).into_response()
}

/// What is shared with the routes.
pub(crate) type SharedHttp = Arc<Http>;
