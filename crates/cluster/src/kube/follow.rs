//! What the containers of jobs print, followed from the first line to the last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncBufReadExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::watching::text;

/// Lines that wait for whoever writes them down.
const LINES_WAITING: usize = 1000;

/// How much text may wait, in bytes: containers that print faster than it is written down are held up.
const BYTES_WAITING: usize = 16 << 20;

/// A longer line is cut: what has no end is no line. Reports are often written as one line.
const LINE_BYTES_MAX: usize = 4 << 20;

/// The pause before a log is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// How often an ended container's log is asked for that cannot be read: it may be gone with its node.
const TRIES_AFTER_END: u32 = 10;

/// A pod's container. One that was started again is called by its name and which start it was: `smoke#2`.
pub(super) type Place = (String, String);

/// How following a start of a container came to its end.
struct Followed {
    place: Place,
    /// To the last line.
    whole: bool,
}

/// The container's own name in a [`Place`], and which start of it is meant, from 0.
pub(super) fn start_of(shown: &str) -> (&str, i64) {
    match shown.split_once('#').and_then(|(container, start)| Some((container, start.parse::<i64>().ok()?))) {
        Some((container, start)) => (container, start - 1),
        None => (shown, 0),
    }
}

/// A line of a container.
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) text: String,
    _room: OwnedSemaphorePermit,
}

/// Where the log of one start of a container is to be had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It runs.
    Runs,
    /// It has ended.
    Ended,
    /// It has ended, and the container was started again since: it is the one before.
    Before,
    /// It has ended, and so has the one after it, or its pod is gone.
    Gone,
}

/// Follows containers, each in a task of its own.
pub(super) struct Followers {
    client: kube::Client,
    namespace: String,
    begun: BTreeSet<Place>,
    tasks: JoinSet<Followed>,
    unread: BTreeSet<Place>,
    /// With the container's own name, and which start it is.
    stages: BTreeMap<Place, (String, i64, watch::Sender<Stage>)>,
    sender: mpsc::Sender<Line>,
    room: Arc<Semaphore>,
    /// What was printed.
    pub(super) lines: mpsc::Receiver<Line>,
}

impl Followers {
    pub(super) fn new(client: kube::Client, namespace: String) -> Self {
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        let room = Arc::new(Semaphore::new(BYTES_WAITING));
        let (begun, unread) = (BTreeSet::new(), BTreeSet::new());
        Self { client, namespace, begun, tasks: JoinSet::new(), unread, stages: BTreeMap::new(), sender, room, lines }
    }

    /// Begins to follow the containers of a pod that have started, and notes which have ended. `told` says how many lines of a container
    /// were told before.
    pub(super) fn look_at(&mut self, pod: &Value, told: &dyn Fn(&str, &str) -> u64) {
        let name = text(pod, "/metadata/name");
        for list in ["initContainerStatuses", "containerStatuses"] {
            let containers = pod.pointer(&format!("/status/{list}")).and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                let own = text(container, "/name");
                for (start, stage) in starts(container) {
                    self.note(name, own, start, stage, told);
                }
                let newest = starts(container).last().map(|(start, _)| *start);
                for (of, start, stage) in self.stages.iter().filter(|((pod, _), _)| pod == name).map(|(_, known)| known) {
                    if of == own && newest.is_some_and(|newest| *start + 1 < newest) {
                        advance(stage, Stage::Gone);
                    }
                }
            }
        }
    }

    fn note(&mut self, pod: &str, container: &str, start: i64, stage: Stage, told: &dyn Fn(&str, &str) -> u64) {
        let shown = if start == 0 { container.to_owned() } else { format!("{container}#{}", start + 1) };
        let place = (pod.to_owned(), shown);
        if !self.begun.insert(place.clone()) {
            if let Some((_, _, known)) = self.stages.get(&place) {
                advance(known, stage);
            }
            return;
        }
        let (known, stages) = watch::channel(stage);
        self.stages.insert(place.clone(), (container.to_owned(), start, known));
        let following = Following {
            api: Api::namespaced(self.client.clone(), &self.namespace),
            container: container.to_owned(),
            read: told(&place.0, &place.1),
            place,
            sender: self.sender.clone(),
            room: Arc::clone(&self.room),
        };
        self.tasks.spawn(following.follow(stages));
    }

    /// Containers of pods that are gone print nothing more.
    pub(super) fn forget_gone(&mut self, is_there: &dyn Fn(&str) -> bool) {
        for ((pod, _), (_, _, stage)) in &self.stages {
            if !is_there(pod) {
                advance(stage, Stage::Ended);
            }
        }
    }

    /// Whether nothing more is to be read.
    pub(super) fn are_done(&mut self) -> bool {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok(Followed { place, whole: false }) = ended {
                self.unread.insert(place);
            }
        }
        self.tasks.is_empty() && self.lines.is_empty()
    }

    /// The containers whose log could not be read to its end.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Place> {
        self.unread.iter()
    }
}

/// A start never goes back to an earlier stage: what watches say may come late.
fn advance(known: &watch::Sender<Stage>, stage: Stage) {
    known.send_if_modified(|now| *now < stage && std::mem::replace(now, stage) != stage);
}

/// The starts of a container whose logs are there, by number from 0, the newest last.
fn starts(container: &Value) -> Vec<(i64, Stage)> {
    let is = |pointer: &str| container.pointer(pointer).is_some();
    let restarts = container.pointer("/restartCount").and_then(Value::as_i64).unwrap_or_default();
    let newest = match (is("/state/running"), is("/state/terminated"), is("/lastState/terminated")) {
        (true, ..) => Stage::Runs,
        (_, true, _) => Stage::Ended,
        // It waits to be started again: the count is still that of the one that ended.
        (.., true) => return vec![(restarts, Stage::Ended)],
        _ => return Vec::new(),
    };
    let before = (restarts > 0 && is("/lastState/terminated")).then_some((restarts - 1, Stage::Before));
    before.into_iter().chain([(restarts, newest)]).collect()
}

/// One start of a container, followed to its end.
struct Following {
    api: Api<Pod>,
    place: Place,
    /// The container's own name.
    container: String,
    /// How many lines were told: a cut connection is taken up where it broke.
    read: u64,
    sender: mpsc::Sender<Line>,
    room: Arc<Semaphore>,
}

impl Following {
    async fn follow(mut self, mut stages: watch::Receiver<Stage>) -> Followed {
        let mut failures = 0;
        loop {
            // Asked before reading: what was printed before the end is read after it.
            let stage = *stages.borrow_and_update();
            let over = stage != Stage::Runs;
            if stage == Stage::Gone {
                return self.ended(false);
            }
            let params = LogParams {
                container: Some(self.container.clone()),
                follow: !over,
                previous: stage == Stage::Before,
                ..LogParams::default()
            };
            let whole = match self.pass(&params).await {
                Ok(whole) => whole,
                Err(()) => return self.ended(false),
            };
            if over && whole {
                return self.ended(true);
            }
            failures = if whole { 0 } else { failures + 1 };
            if over && failures >= TRIES_AFTER_END {
                return self.ended(whole);
            }
            // A stream that ended before the container is known to have: the news comes by the watch.
            let wait = tokio::time::timeout(PAUSE, stages.changed()).await;
            if matches!(wait, Ok(Err(_))) {
                return self.ended(false);
            }
        }
    }

    fn ended(self, whole: bool) -> Followed {
        Followed { place: self.place, whole }
    }

    /// Reads the log once, from its first line, telling what comes after the lines that were read. Answers whether it came to an end in
    /// order; an error when nobody listens any more.
    async fn pass(&mut self, params: &LogParams) -> Result<bool, ()> {
        let Ok(mut stream) = self.api.log_stream(&self.place.0, params).await else { return Ok(false) };
        let mut number = 0;
        let mut line = Vec::new();
        loop {
            match next_line(&mut stream, &mut line).await {
                Ok(Read::End) => return Ok(true),
                // Half a line that was cut by the connection is read again.
                Ok(Read::Rest) if params.follow => return Ok(true),
                Ok(Read::Line | Read::Rest) => {
                    number += 1;
                    if number > self.read {
                        self.read = number;
                        self.tell(&line).await?;
                    }
                }
                Err(_) => return Ok(false),
            }
        }
    }

    async fn tell(&self, line: &[u8]) -> Result<(), ()> {
        let text = String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned();
        let bytes = u32::try_from(text.len().clamp(1, BYTES_WAITING)).map_err(|_| ())?;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| ())?;
        self.sender.send(Line { place: self.place.clone(), text, _room: room }).await.map_err(|_| ())
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// A line with its end.
    Line,
    /// What comes after the last line's end.
    Rest,
    /// Nothing more.
    End,
}

/// Reads a line, and keeps no more of it than [`LINE_BYTES_MAX`].
async fn next_line(stream: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> std::io::Result<Read> {
    line.clear();
    let mut began = false;
    loop {
        let part = stream.fill_buf().await?;
        if part.is_empty() {
            return Ok(if began { Read::Rest } else { Read::End });
        }
        began = true;
        let end = part.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let length = end.unwrap_or(part.len());
        let kept = length.min(LINE_BYTES_MAX.saturating_sub(line.len()));
        line.extend_from_slice(part.get(..kept).unwrap_or_default());
        stream.consume_unpin(length);
        if end.is_some() {
            return Ok(Read::Line);
        }
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
