//! What happens, for all who follow it: one reader of the ledger, whoever many there are.
//!
//! The reader writes each event once, as the bytes that go out, and hands it to every stream; a stream lets through what its caller may see. What a
//! stream missed, since it came later or is slow, it reads from the ledger itself: so nothing is kept for anybody, and what is held in memory is
//! bounded by [`limits::EVENTS_KEPT`] whatever those do who follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use towpath_control::view::HistoryLine;
use towpath_control::{Scope, Sight};

use crate::brain::Brain;
use crate::limits;
use crate::problem::Refusal;

/// How many events are read from the ledger at once.
pub(crate) const CHUNK: u32 = 500;

/// An event, ready to be sent.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: i64,
    scopes: Vec<Scope>,
    pub(crate) message: Bytes,
}

impl Line {
    pub(crate) fn new(line: HistoryLine) -> Self {
        // JSON has no line breaks of its own, so one `data:` holds it.
        let data = serde_json::to_string(&line).unwrap_or_default();
        Self { id: line.id, message: Bytes::from(format!("id: {}\ndata: {data}\n\n", line.id)), scopes: line.scopes }
    }

    pub(crate) fn is_seen(&self, sight: &Sight) -> bool {
        *sight == Sight::Everything || self.scopes.iter().any(|scope| sight.sees_scope(scope))
    }
}

/// The reader, and the places of those who follow.
#[derive(Clone)]
pub(crate) struct Feed(Arc<Inner>);

struct Inner {
    brain: Arc<dyn Brain>,
    stopping: watch::Receiver<bool>,
    lines: broadcast::Sender<Arc<Line>>,
    /// The newest event that was handed out; -1 before the reader began.
    position: watch::Sender<i64>,
    reading: AtomicBool,
    places: Arc<Semaphore>,
    /// Who may read what they missed at the same time: after a restart, all come at once.
    readers: Semaphore,
}

impl Feed {
    pub(crate) fn new(brain: Arc<dyn Brain>, stopping: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Inner {
            brain,
            stopping,
            lines: broadcast::Sender::new(limits::EVENTS_KEPT),
            position: watch::Sender::new(-1),
            reading: AtomicBool::new(false),
            places: Arc::new(Semaphore::new(limits::STREAMS_MAX)),
            readers: Semaphore::new(limits::CATCHING_UP_MAX),
        }))
    }

    /// How many answers that last are open.
    pub(crate) fn open(&self) -> usize {
        limits::STREAMS_MAX.saturating_sub(self.0.places.available_permits())
    }

    /// A place for an answer that lasts.
    ///
    /// # Errors
    /// 503 `too-many-streams` when all are taken.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| {
            let detail = format!("{} streams are open", limits::STREAMS_MAX);
            let mend = "come again in a moment; nothing is missed by those who send Last-Event-ID";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", "Too many streams", detail, mend)
        })
    }

    /// All lines from now on, and the number of the newest event before them.
    pub(crate) async fn follow(&self) -> (broadcast::Receiver<Arc<Line>>, i64) {
        // Subscribed first: what comes in between is told twice rather than never.
        let lines = self.0.lines.subscribe();
        if !self.0.reading.swap(true, Ordering::SeqCst) {
            tokio::spawn(read(Arc::clone(&self.0)));
        }
        let mut position = self.0.position.subscribe();
        let mut stopping = self.0.stopping.clone();
        let newest = tokio::select! {
            newest = position.wait_for(|position| *position >= 0) => newest.map(|newest| *newest).unwrap_or_default(),
            _ = stopping.wait_for(|stopping| *stopping) => 0,
        };
        (lines, newest)
    }

    /// Lines after an event, oldest first, at most [`CHUNK`]: for those who missed some.
    pub(crate) async fn missed(&self, sight: &Sight, after: i64) -> Option<Vec<Line>> {
        let _turn = self.0.readers.acquire().await.ok()?;
        let events = self.0.brain.events(sight.clone(), after, CHUNK).await.ok()?;
        Some(events.into_iter().map(Line::new).collect())
    }

    /// The newest event that was handed out.
    pub(crate) fn position(&self) -> i64 {
        *self.0.position.borrow()
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.clone()
    }
}

/// Reads what is new and hands it out, until the server stops.
async fn read(inner: Arc<Inner>) {
    let mut stopping = inner.stopping.clone();
    let work = async {
        let mut after = inner.brain.newer_than(-1).await;
        inner.position.send_replace(after);
        loop {
            let newest = inner.brain.newer_than(after).await;
            while after < newest {
                match inner.brain.events(Sight::Everything, after, CHUNK).await {
                    Ok(events) => {
                        // What is left out of an answer, such as steps, is past as well.
                        let is_all = events.len() < CHUNK as usize;
                        for event in events {
                            after = after.max(event.id);
                            // Nobody may be there to hear it.
                            let _ = inner.lines.send(Arc::new(Line::new(event)));
                        }
                        if is_all {
                            after = after.max(newest);
                        }
                        inner.position.send_replace(after);
                    }
                    Err(problem) => {
                        tracing::warn!(%problem, "events cannot be read for those who follow them; trying again");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        }
    };
    tokio::select! {
        () = work => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}
