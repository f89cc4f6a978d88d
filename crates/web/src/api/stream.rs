//! The stream of events (server-sent events).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use futures_util::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use towpath_control::Sight;

use super::Shared;
use super::extract::Query;
use crate::caller::Caller;
use crate::feed::{CHUNK, Feed, Line};
use crate::limits;
use crate::problem::Refusal;

pub(super) const MEDIA_TYPE: &str = "text/event-stream";

/// Where to begin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// After the event with this number. `Last-Event-ID` counts before it; without either, the stream begins now.
    #[schemars(range(min = 0, max = super::read::NUMBER_MAX))]
    after: Option<i64>,
}

pub(super) async fn events(
    State(shared): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Refusal> {
    let after = match headers.get("last-event-id") {
        Some(id) => Some(id.to_str().ok().and_then(|id| id.parse().ok()).filter(|id| *id >= 0).ok_or_else(bad_id)?),
        None => query.after.map(|after| after.max(0)),
    };
    let place = shared.feed.place()?;
    let (lines, newest) = shared.feed.follow().await;
    let over = caller.until.as_ref().map_or_else(|| Box::pin(std::future::pending()) as BoxFuture<'static, ()>, |until| until.over());
    let following = Following {
        stopping: shared.feed.stopping(),
        feed: shared.feed,
        sight: caller.sight(),
        lines,
        over,
        position: after.unwrap_or(newest),
        state: Some(Step::Greet { after, newest }),
        _place: place,
    };
    let body = Body::from_stream(stream::unfold(following, |mut following| async move {
        let bytes = following.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), following))
    }));
    // A proxy that gathers answers would hold events back.
    let headers = [(header::CONTENT_TYPE.as_str(), MEDIA_TYPE), ("cache-control", "no-store"), ("x-accel-buffering", "no")];
    Ok((headers, body).into_response())
}

fn bad_id() -> Refusal {
    let mend = "send the `id` of the last event as it came, or leave the header out";
    Refusal::new(StatusCode::BAD_REQUEST, "bad-header", "A header cannot be read", "Last-Event-ID is no event's number", mend)
}

/// One who follows.
struct Following {
    feed: Feed,
    sight: Sight,
    lines: broadcast::Receiver<Arc<Line>>,
    stopping: watch::Receiver<bool>,
    /// Resolves when the caller's session is over.
    over: BoxFuture<'static, ()>,
    /// All up to here was sent, or may not be seen.
    position: i64,
    /// None when the stream is at its end.
    state: Option<Step>,
    _place: OwnedSemaphorePermit,
}

enum Step {
    /// Nothing was sent yet.
    Greet { after: Option<i64>, newest: i64 },
    /// Reads what was missed.
    CatchUp,
    /// Waits for what is new.
    Wait,
}

impl Following {
    /// What is sent next; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.state.take()? {
                Step::Greet { after, newest } => {
                    let missed_too_much = after.is_some_and(|after| after > newest || newest - after > limits::EVENTS_MISSED_MAX);
                    let wait_ms = limits::STREAM_RETRY.as_millis();
                    self.state = Some(if after.is_some() && !missed_too_much { Step::CatchUp } else { Step::Wait });
                    if missed_too_much {
                        self.position = newest;
                        return Some(Bytes::from(format!("retry: {wait_ms}\n\n{}", reset(newest))));
                    }
                    return Some(Bytes::from(format!("retry: {wait_ms}\nid: {}\n\n", self.position)));
                }
                Step::CatchUp => {
                    // One that cannot read the ledger comes again; what it has already counts.
                    let missed = self.feed.missed(&self.sight, self.position).await?;
                    self.state = Some(if missed.len() < CHUNK as usize { Step::Wait } else { Step::CatchUp });
                    let mut messages = Vec::new();
                    for line in &missed {
                        self.position = self.position.max(line.id);
                        messages.extend_from_slice(&line.message);
                    }
                    if !messages.is_empty() {
                        return Some(Bytes::from(messages));
                    }
                }
                Step::Wait => {
                    let (said, then) = self.wait().await?;
                    self.state = Some(then);
                    if said.is_some() {
                        return said;
                    }
                }
            }
        }
    }

    /// What is sent once there is something, and how it goes on; none at the end.
    async fn wait(&mut self) -> Option<(Option<Bytes>, Step)> {
        let beat = tokio::time::sleep(limits::HEARTBEAT);
        tokio::pin!(beat);
        loop {
            let line = tokio::select! {
                biased;
                () = &mut self.over => return None,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                line = self.lines.recv() => line,
                // Tells both ends that the other is there, and how far what may not be seen has come.
                () = &mut beat => return Some((Some(Bytes::from(format!(":\nid: {}\n\n", self.position))), Step::Wait)),
            };
            match line {
                Ok(line) => {
                    let is_new = line.id > self.position;
                    self.position = self.position.max(line.id);
                    if is_new && line.is_seen(&self.sight) {
                        return Some((Some(line.message.clone()), Step::Wait));
                    }
                }
                // Too slow for what is kept: it is read from the ledger, unless it is too much.
                Err(RecvError::Lagged(_)) => {
                    let newest = self.feed.position();
                    if newest - self.position <= limits::EVENTS_MISSED_MAX {
                        return Some((None, Step::CatchUp));
                    }
                    self.position = newest;
                    return Some((Some(Bytes::from(reset(newest))), Step::Wait));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Says that what happened up to here is not told one by one.
fn reset(newest: i64) -> String {
    format!("event: reset\nid: {newest}\ndata: {{}}\n\n")
}
