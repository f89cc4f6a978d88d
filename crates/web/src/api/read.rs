//! Questions.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;
use towpath_control::request::PlanRequest;
use towpath_control::view::{ExplainView, Finding, PageView, PlanView, RunView, StatusView};
use towpath_control::{Scope, Verb};

use super::Shared;
use super::extract::{Path, Query};
use crate::caller::Caller;
use crate::limits;
use crate::problem::Refusal;
use crate::query::{LogPage, LogQuery, MAX_LIMIT, RunFilter};

pub(super) type Shown<T> = Result<Json<T>, Refusal>;

pub(super) async fn status(State(shared): State<Shared>, caller: Caller) -> Shown<StatusView> {
    Ok(Json(shared.brain.status(caller.sight()).await?))
}

pub(super) async fn plan(State(shared): State<Shared>, caller: Caller, Query(request): Query<PlanRequest>) -> Shown<PlanView> {
    Ok(Json(shared.brain.plan(caller.sight(), request).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    /// What is asked about: a commit, target, channel, run or change; id, title or an unambiguous part of either.
    #[schemars(length(min = 1))]
    what: String,
}

pub(super) async fn explain(State(shared): State<Shared>, caller: Caller, Query(query): Query<ExplainQuery>) -> Shown<ExplainView> {
    Ok(Json(shared.brain.explain(caller.sight(), query.what).await?))
}

pub(super) async fn runs(State(shared): State<Shared>, caller: Caller, Query(filter): Query<RunFilter>) -> Shown<PageView<RunView>> {
    check_limit(filter.limit)?;
    Ok(Json(shared.brain.runs(caller.sight(), filter).await?))
}

/// The largest number that every program can hold exactly.
pub(super) const NUMBER_MAX: u64 = (1 << 53) - 1;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogsQuery {
    /// Where to begin: 0, or the `next` of the page before.
    #[serde(default)]
    #[schemars(range(max = NUMBER_MAX))]
    from: u64,
    /// How long to wait for a line at most, in milliseconds; no longer than half a minute.
    #[serde(default)]
    #[schemars(range(max = NUMBER_MAX))]
    wait_ms: u64,
    /// Only lines that hold this text; case counts.
    search: Option<String>,
}

/// A page of a log. With `waitMs`, an empty page of a run that goes on is held back until there is a line, or the wait is over.
pub(super) async fn logs(State(shared): State<Shared>, caller: Caller, Path(run): Path, Query(query): Query<LogsQuery>) -> Shown<LogPage> {
    if query.from > NUMBER_MAX || query.wait_ms > NUMBER_MAX {
        let mend = "begin with 0, and go on with `next` as it came";
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "bad-query",
            "A number is too large",
            format!("{NUMBER_MAX} is the largest"),
            mend,
        ));
    }
    let wait = Duration::from_millis(query.wait_ms).min(limits::LOG_WAIT_MAX);
    let deadline = Instant::now() + wait;
    let mut stopping = shared.stopping.clone();
    let mut asked = LogQuery { run, from: query.from, search: query.search };
    loop {
        let page = shared.brain.logs(caller.sight(), asked.clone()).await?;
        if !page.lines.is_empty() || page.done || *stopping.borrow() || Instant::now() >= deadline {
            return Ok(Json(page));
        }
        // What was searched in vain is not searched again.
        asked.from = page.next;
        tokio::select! {
            () = shared.brain.log_may_have_grown() => {}
            () = tokio::time::sleep_until(deadline) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
}

pub(super) async fn doctor(
    State(shared): State<Shared>,
    caller: Caller,
) -> Result<([(HeaderName, &'static str); 1], Json<Vec<Finding>>), Refusal> {
    caller.check(Verb::Administer, &[Scope::INSTALLATION])?;
    // It shows more of the installation than anything else.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(shared.brain.doctor().await?)))
}

pub(super) fn check_limit(limit: u32) -> Result<(), Refusal> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(());
    }
    let detail = format!("limit is {limit}");
    Err(Refusal::new(StatusCode::BAD_REQUEST, "bad-query", "The limit is out of range", detail, format!("ask for 1 to {MAX_LIMIT}")))
}
