//! What the containers of jobs print, followed from the first line to the last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::AsyncBufReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::watching::text;

/// Lines that wait for whoever writes them down.
const LINES_WAITING: usize = 1000;

/// A longer line is cut: what has no end is no line.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The pause before a log is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// How often an ended container's log is asked for that cannot be read: it may be gone with its node.
const TRIES_AFTER_END: u32 = 10;

/// A pod's container.
pub(super) type Place = (String, String);

/// How following a container came to its end.
struct Read {
    place: Place,
    /// To the last line.
    whole: bool,
}

/// A line of a container.
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) text: String,
}

/// Follows containers, each in a task of its own.
pub(super) struct Followers {
    client: kube::Client,
    namespace: String,
    begun: BTreeSet<Place>,
    tasks: JoinSet<Read>,
    unread: BTreeSet<Place>,
    ended: BTreeMap<Place, tokio::sync::watch::Sender<bool>>,
    sender: mpsc::Sender<Line>,
    /// What was printed.
    pub(super) lines: mpsc::Receiver<Line>,
}

impl Followers {
    pub(super) fn new(client: kube::Client, namespace: String) -> Self {
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        Self {
            client,
            namespace,
            begun: BTreeSet::new(),
            tasks: JoinSet::new(),
            unread: BTreeSet::new(),
            ended: BTreeMap::new(),
            sender,
            lines,
        }
    }

    /// Begins to follow the containers of a pod that have started, and notes which have ended. `told` says how many lines of a container
    /// were told before.
    pub(super) fn look_at(&mut self, pod: &Value, told: &dyn Fn(&str, &str) -> u64) {
        let name = text(pod, "/metadata/name");
        for list in ["initContainerStatuses", "containerStatuses"] {
            let containers = pod.pointer(&format!("/status/{list}")).and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                let state = |state: &str| {
                    container.pointer(&format!("/state/{state}")).is_some() || container.pointer(&format!("/lastState/{state}")).is_some()
                };
                let (running, ended) = (state("running"), state("terminated"));
                if !running && !ended {
                    continue;
                }
                let place = (name.to_owned(), text(container, "/name").to_owned());
                let is_over = container.pointer("/state/terminated").is_some();
                if self.begun.insert(place.clone()) {
                    let (over, ended) = tokio::sync::watch::channel(is_over);
                    self.ended.insert(place.clone(), over);
                    let skip = told(&place.0, &place.1);
                    let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
                    self.tasks.spawn(follow(api, place, skip, ended, self.sender.clone()));
                } else if is_over && let Some(over) = self.ended.get(&place) {
                    over.send_if_modified(|before| !std::mem::replace(before, true));
                }
            }
        }
    }

    /// Containers of pods that are gone print nothing more.
    pub(super) fn forget_gone(&mut self, is_there: &dyn Fn(&str) -> bool) {
        for ((pod, _), over) in &self.ended {
            if !is_there(pod) {
                over.send_if_modified(|before| !std::mem::replace(before, true));
            }
        }
    }

    /// Whether nothing more is to be read.
    pub(super) fn are_done(&mut self) -> bool {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok(Read { place, whole: false }) = ended {
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

/// Reads one container's log to its end. What was read is counted, so that a cut connection is taken up where it broke.
async fn follow(api: Api<Pod>, place: Place, skip: u64, mut ended: tokio::sync::watch::Receiver<bool>, sender: mpsc::Sender<Line>) -> Read {
    let mut read = skip;
    let mut failures = 0;
    loop {
        // Asked before reading: what was printed before the end is read after it.
        let over = *ended.borrow_and_update();
        let params = LogParams { container: Some(place.1.clone()), follow: !over, ..LogParams::default() };
        let whole = match pass(&api, &place, &params, &mut read, &sender).await {
            Ok(whole) => whole,
            Err(()) => return Read { place, whole: false },
        };
        if over && whole {
            return Read { place, whole };
        }
        failures = if whole { 0 } else { failures + 1 };
        if over && failures >= TRIES_AFTER_END {
            return Read { place, whole };
        }
        // A stream that ended before the container is known to have: the news comes by the watch.
        let wait = tokio::time::timeout(PAUSE, ended.changed()).await;
        if matches!(wait, Ok(Err(_))) {
            return Read { place, whole: false };
        }
    }
}

/// Reads the log once, from its first line, telling what comes after the first `read` lines. Answers whether it came to an end in order;
/// an error when nobody listens any more.
async fn pass(api: &Api<Pod>, place: &Place, params: &LogParams, read: &mut u64, sender: &mpsc::Sender<Line>) -> Result<bool, ()> {
    let Ok(mut stream) = api.log_stream(&place.0, params).await else { return Ok(false) };
    let mut number = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        match stream.read_until(b'\n', &mut line).await {
            Ok(0) => return Ok(true),
            Ok(_) => {
                // Half a line that was cut by the connection is read again.
                if line.last() != Some(&b'\n') && params.follow {
                    return Ok(true);
                }
                number += 1;
                if number > *read {
                    *read = number;
                    line.truncate(LINE_BYTES_MAX);
                    let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                    sender.send(Line { place: place.clone(), text }).await.map_err(|_| ())?;
                }
            }
            Err(_) => return Ok(false),
        }
    }
}
