//! Webhooks. They only wake: what one says is not read, so a forged one can do no harm, and a lost one costs a poll's time.

use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::StreamExt;

use super::Shared;
use crate::limits;
use crate::problem::Refusal;

/// A repository may be new.
pub(super) async fn git(State(shared): State<Shared>, body: Body) -> Result<StatusCode, Refusal> {
    take(&shared, body).await?;
    shared.brain.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// An image may be new. Whatever registry it is that tells: the images that are waited for are looked at.
pub(super) async fn registry(State(shared): State<Shared>, body: Body) -> Result<StatusCode, Refusal> {
    take(&shared, body).await?;
    shared.brain.wake_for_images();
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the body to its end, keeping nothing of it.
async fn take(shared: &Shared, body: Body) -> Result<(), Refusal> {
    let granted = shared.hooks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(Instant::now());
    if !granted {
        let mend = "nothing is lost: the wakes before this one look at everything, and so does polling";
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too-many-hooks", "Too many webhooks", "webhooks come too fast", mend));
    }
    let mut chunks = body.into_data_stream();
    let mut read = 0usize;
    while let Some(chunk) = chunks.next().await {
        // A sender that breaks off has told all that matters: that it is there.
        let Ok(chunk) = chunk else { break };
        read = read.saturating_add(chunk.len());
        if read > limits::HOOK_BODY_BYTES_MAX {
            let detail = format!("the body has more than {} bytes", limits::HOOK_BODY_BYTES_MAX);
            let mend = "send an empty body: nothing of it is read";
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The webhook is too large", detail, mend));
        }
    }
    Ok(())
}
