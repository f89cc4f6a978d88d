//! Requests to do something. Each answers 202: what was asked for is written down, and happens by the loop.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use towpath_control::request::{
    AckRequest, CancelRequest, CheckRequest, ExtendRequest, FreeRequest, HoldRequest, PromoteRequest, ReleaseRequest, ReserveRequest,
    RetryRequest, RollbackRequest, TryRequest,
};
use towpath_control::view::Accepted;

use super::Shared;
use super::extract::Body;
use crate::act;
use crate::caller::Caller;
use crate::problem::Refusal;
use crate::query::BackupRequest;

type Done = Result<(StatusCode, Json<Accepted>), Refusal>;

fn accepted(accepted: Accepted) -> (StatusCode, Json<Accepted>) {
    (StatusCode::ACCEPTED, Json(accepted))
}

pub(super) async fn retry(State(shared): State<Shared>, caller: Caller, Body(request): Body<RetryRequest>) -> Done {
    act::retry(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn ack(State(shared): State<Shared>, caller: Caller, Body(request): Body<AckRequest>) -> Done {
    act::ack(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn cancel(State(shared): State<Shared>, caller: Caller, Body(request): Body<CancelRequest>) -> Done {
    act::cancel(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn promote(State(shared): State<Shared>, caller: Caller, Body(request): Body<PromoteRequest>) -> Done {
    act::promote(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn rollback(State(shared): State<Shared>, caller: Caller, Body(request): Body<RollbackRequest>) -> Done {
    act::rollback(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn hold(State(shared): State<Shared>, caller: Caller, Body(request): Body<HoldRequest>) -> Done {
    act::hold(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn release(State(shared): State<Shared>, caller: Caller, Body(request): Body<ReleaseRequest>) -> Done {
    act::release(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn reserve(State(shared): State<Shared>, caller: Caller, Body(request): Body<ReserveRequest>) -> Done {
    act::reserve(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn extend(State(shared): State<Shared>, caller: Caller, Body(request): Body<ExtendRequest>) -> Done {
    act::extend(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn free(State(shared): State<Shared>, caller: Caller, Body(request): Body<FreeRequest>) -> Done {
    act::free(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn retest(State(shared): State<Shared>, caller: Caller, Body(request): Body<CheckRequest>) -> Done {
    act::check_again(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn cancel_check(State(shared): State<Shared>, caller: Caller, Body(request): Body<CheckRequest>) -> Done {
    act::check_cancel(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn ok_to_test(State(shared): State<Shared>, caller: Caller, Body(request): Body<CheckRequest>) -> Done {
    act::check_ok(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn try_it(State(shared): State<Shared>, caller: Caller, Body(request): Body<TryRequest>) -> Done {
    act::try_it(&*shared.brain, &caller, request).await.map(accepted)
}

pub(super) async fn backup(State(shared): State<Shared>, caller: Caller, Body(request): Body<BackupRequest>) -> Done {
    act::backup(&*shared.brain, &caller, request).await.map(accepted)
}
