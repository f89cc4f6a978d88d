//! Questions.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;
use towpath_control::request::PlanRequest;
use towpath_control::view::{ExplainView, Finding, HistoryLine, PageView, PlanView, RunView, StatusView};
use towpath_control::{Scope, Verb};

use super::Shared;
use super::extract::{Path, Query};
use crate::caller::Caller;
use crate::limits;
use crate::problem::Refusal;
use crate::query::{HistoryFilter, LogPage, LogQuery, MAX_LIMIT, RunFilter};

type Shown<T> = Result<Json<T>, Refusal>;

pub(super) async fn status(State(shared): State<Shared>, caller: Caller) -> Shown<StatusView> {
    Ok(Json(shared.brain.status(caller.sight()).await?))
}

pub(super) async fn plan(State(shared): State<Shared>, caller: Caller, Query(request): Query<PlanRequest>) -> Shown<PlanView> {
    Ok(Json(shared.brain.plan(caller.sight(), request).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    what: String,
}

pub(super) async fn explain(State(shared): State<Shared>, caller: Caller, Query(query): Query<ExplainQuery>) -> Shown<ExplainView> {
    Ok(Json(shared.brain.explain(caller.sight(), query.what).await?))
}

pub(super) async fn runs(State(shared): State<Shared>, caller: Caller, Query(filter): Query<RunFilter>) -> Shown<PageView<RunView>> {
    check_limit(filter.limit)?;
    Ok(Json(shared.brain.runs(caller.sight(), filter).await?))
}

pub(super) async fn run(State(shared): State<Shared>, caller: Caller, Path(id): Path) -> Shown<RunView> {
    Ok(Json(shared.brain.run(caller.sight(), id).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogsQuery {
    #[serde(default)]
    from: u64,
    #[serde(default)]
    wait_ms: u64,
    search: Option<String>,
}

/// A page of a log. With `waitMs`, an empty page of a run that goes on is held back until there is a line, or the wait is over.
pub(super) async fn logs(State(shared): State<Shared>, caller: Caller, Path(run): Path, Query(query): Query<LogsQuery>) -> Shown<LogPage> {
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

pub(super) async fn history(
    State(shared): State<Shared>,
    caller: Caller,
    Query(filter): Query<HistoryFilter>,
) -> Shown<PageView<HistoryLine>> {
    check_limit(filter.limit)?;
    Ok(Json(shared.brain.history(caller.sight(), filter).await?))
}

pub(super) async fn doctor(State(shared): State<Shared>, caller: Caller) -> Shown<Vec<Finding>> {
    caller.check(Verb::Administer, &[Scope::INSTALLATION])?;
    Ok(Json(shared.brain.doctor().await?))
}

fn check_limit(limit: u32) -> Result<(), Refusal> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(());
    }
    let detail = format!("limit is {limit}");
    Err(Refusal::new(StatusCode::BAD_REQUEST, "bad-query", "The limit is out of range", detail, format!("ask for 1 to {MAX_LIMIT}")))
}
