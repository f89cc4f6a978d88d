//! What the pages show, for programs.

use axum::Json;
use axum::extract::State;
use towpath_control::view::{
    BoardFilter, BoardView, ChangeDetail, ChangeFilter, ChangeView, CompareRequest, CompareView, GraphFilter, GraphView, ImageFilter,
    ImageView, IncidentView, InsightFilter, InsightView, NamespaceFilter, NamespaceView, PageView, PoolView, PullDetail, PullFilter,
    PullView, ReleaseView, ReservationView, RunDetail, WhyView,
};

use super::Shared;
use super::extract::{Path, Query};
use super::read::{Shown, check_limit};
use crate::caller::{Caller, unknown};
use crate::problem::Refusal;

pub(super) async fn board(State(shared): State<Shared>, caller: Caller, Query(filter): Query<BoardFilter>) -> Shown<BoardView> {
    Ok(Json(shared.brain.board(caller.sight(), filter).await?))
}

pub(super) async fn release(State(shared): State<Shared>, caller: Caller, Path(sha): Path) -> Shown<ReleaseView> {
    Ok(Json(shared.brain.release_of(caller.sight(), sha).await?))
}

pub(super) async fn target(State(shared): State<Shared>, caller: Caller, Path(id): Path) -> Shown<WhyView> {
    Ok(Json(why(&shared, &caller, "target", id).await?))
}

pub(super) async fn source(State(shared): State<Shared>, caller: Caller, Path(name): Path) -> Shown<WhyView> {
    // By its full name: a target may be called like its source.
    Ok(Json(why(&shared, &caller, "source", format!("source/{name}")).await?))
}

/// The verdict on what is named, if that is of this kind: all else is not there.
pub(super) async fn why(shared: &Shared, caller: &Caller, kind: &str, what: String) -> Result<WhyView, Refusal> {
    match shared.brain.why(caller.sight(), what).await {
        Ok(why) if why.kind == kind => Ok(why),
        Ok(_) => Err(unknown()),
        Err(problem) if problem.r#type == "no-subject" => Err(unknown()),
        Err(problem) => Err(Refusal(problem)),
    }
}

pub(super) async fn graph(State(shared): State<Shared>, caller: Caller, Query(filter): Query<GraphFilter>) -> Shown<GraphView> {
    Ok(Json(shared.brain.graph(caller.sight(), filter).await?))
}

pub(super) async fn run(State(shared): State<Shared>, caller: Caller, Path(id): Path) -> Shown<RunDetail> {
    Ok(Json(shared.brain.run_detail(caller.sight(), id).await?))
}

pub(super) async fn pools(State(shared): State<Shared>, caller: Caller) -> Shown<Vec<PoolView>> {
    Ok(Json(shared.brain.pools(caller.sight()).await?))
}

pub(super) async fn namespaces(
    State(shared): State<Shared>,
    caller: Caller,
    Query(filter): Query<NamespaceFilter>,
) -> Shown<Vec<NamespaceView>> {
    Ok(Json(shared.brain.namespaces(caller.sight(), filter).await?))
}

pub(super) async fn reservations(State(shared): State<Shared>, caller: Caller) -> Shown<Vec<ReservationView>> {
    Ok(Json(shared.brain.reservations(caller.sight()).await?))
}

pub(super) async fn reservation(State(shared): State<Shared>, caller: Caller, Path(what): Path) -> Shown<ReservationView> {
    Ok(Json(shared.brain.reservation(caller.sight(), what).await?))
}

pub(super) async fn checks(State(shared): State<Shared>, caller: Caller, Query(filter): Query<PullFilter>) -> Shown<Vec<PullView>> {
    Ok(Json(shared.brain.pulls(caller.sight(), filter).await?))
}

pub(super) async fn check(State(shared): State<Shared>, caller: Caller, Path(id): Path) -> Shown<PullDetail> {
    Ok(Json(shared.brain.pull(caller.sight(), id).await?))
}

pub(super) async fn changes(
    State(shared): State<Shared>,
    caller: Caller,
    Query(filter): Query<ChangeFilter>,
) -> Shown<PageView<ChangeView>> {
    optional_limit(filter.limit)?;
    Ok(Json(shared.brain.changes(caller.sight(), filter).await?))
}

pub(super) async fn change(State(shared): State<Shared>, caller: Caller, Path(id): Path) -> Shown<ChangeDetail> {
    Ok(Json(shared.brain.change(caller.sight(), id).await?))
}

pub(super) async fn incidents(State(shared): State<Shared>, caller: Caller) -> Shown<Vec<IncidentView>> {
    Ok(Json(shared.brain.incidents(caller.sight()).await?))
}

pub(super) async fn images(State(shared): State<Shared>, caller: Caller, Query(filter): Query<ImageFilter>) -> Shown<PageView<ImageView>> {
    optional_limit(filter.limit)?;
    Ok(Json(shared.brain.images(caller.sight(), filter).await?))
}

pub(super) async fn compare(State(shared): State<Shared>, caller: Caller, Query(request): Query<CompareRequest>) -> Shown<CompareView> {
    Ok(Json(shared.brain.compare(caller.sight(), request).await?))
}

pub(super) async fn insight(State(shared): State<Shared>, caller: Caller, Query(filter): Query<InsightFilter>) -> Shown<InsightView> {
    Ok(Json(shared.brain.insight(caller.sight(), filter).await?))
}

pub(super) fn optional_limit(limit: Option<u32>) -> Result<(), Refusal> {
    limit.map_or(Ok(()), check_limit)
}
