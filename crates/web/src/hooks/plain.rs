//! Hooks that anybody may send. What one says is not read.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::StreamExt;

use super::Hooks;
use crate::api::Shared;
use crate::brain::Wake;
use crate::limits;
use crate::problem::Refusal;

/// A repository may be new.
pub(crate) async fn git(State(shared): State<Shared>, body: Body) -> Result<StatusCode, Refusal> {
    take(&shared.hooks, body).await?;
    shared.brain.wake_for(Wake::Everything);
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the body to its end, keeping nothing of it.
pub(super) async fn take(hooks: &Hooks, body: Body) -> Result<(), Refusal> {
    hooks.anybodys_turn()?;
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
