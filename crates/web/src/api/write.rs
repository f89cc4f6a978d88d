//! Requests to do something. Each answers 202: what was asked for is written down, and happens by the loop.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use towpath_control::request::{
    AckRequest, Asked, CancelRequest, HoldRequest, PromoteRequest, ReleaseRequest, RetryRequest, RollbackRequest,
};
use towpath_control::view::Accepted;

use super::Shared;
use super::extract::Body;
use crate::problem::Refusal;
use crate::query::BackupRequest;

type Done = Result<(StatusCode, Json<Accepted>), Refusal>;

fn accepted(accepted: Accepted) -> (StatusCode, Json<Accepted>) {
    (StatusCode::ACCEPTED, Json(accepted))
}

pub(super) async fn retry(State(shared): State<Shared>, Body(request): Body<RetryRequest>) -> Done {
    said(&request.asked)?;
    Ok(accepted(shared.brain.retry(request).await?))
}

pub(super) async fn ack(State(shared): State<Shared>, Body(request): Body<AckRequest>) -> Done {
    said(&request.asked)?;
    Ok(accepted(shared.brain.ack(request).await?))
}

pub(super) async fn cancel(State(shared): State<Shared>, Body(request): Body<CancelRequest>) -> Done {
    said(&request.asked)?;
    Ok(accepted(shared.brain.cancel(request).await?))
}

pub(super) async fn promote(State(shared): State<Shared>, Body(request): Body<PromoteRequest>) -> Done {
    said(&request.asked)?;
    Ok(accepted(shared.brain.promote(request).await?))
}

pub(super) async fn rollback(State(shared): State<Shared>, Body(request): Body<RollbackRequest>) -> Done {
    said(&request.asked)?;
    Ok(accepted(shared.brain.rollback(request).await?))
}

pub(super) async fn hold(State(shared): State<Shared>, Body(request): Body<HoldRequest>) -> Done {
    said(&request.asked)?;
    Ok(accepted(shared.brain.hold(request).await?))
}

pub(super) async fn release(State(shared): State<Shared>, Body(request): Body<ReleaseRequest>) -> Done {
    said(&request.asked)?;
    Ok(accepted(shared.brain.release(request).await?))
}

pub(super) async fn backup(State(shared): State<Shared>, Body(request): Body<BackupRequest>) -> Done {
    Ok(accepted(shared.brain.backup(request.dest).await?))
}

/// Who asks and why goes into a commit: neither may be missing, and a name is one line.
fn said(asked: &Asked) -> Result<(), Refusal> {
    let refuse = |detail: &str, mend: &str| {
        Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "who-and-why", "The request does not say who asks and why", detail, mend))
    };
    if asked.by.trim().is_empty() || asked.by.chars().any(char::is_control) {
        return refuse("`by` must be a name on one line", "say who asks, with --by NAME");
    }
    if asked.why.trim().is_empty() {
        return refuse("`why` is empty", "say why, with --reason TEXT");
    }
    Ok(())
}
