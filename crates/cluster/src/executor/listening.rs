//! Passes on what is heard of a task, and remembers what its end is told with.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::api::{LogLine, Observer, Progress};

/// How many of a task's last lines are told with its failure.
const TAIL_LINES: usize = 50;

/// Listens for the executor, and passes everything on.
pub(super) struct Listening<'a> {
    observer: &'a dyn Observer,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    began: BTreeSet<String>,
    tail: VecDeque<String>,
}

impl<'a> Listening<'a> {
    pub(super) fn to(observer: &'a dyn Observer) -> Self {
        Self { observer, heard: Mutex::default() }
    }

    /// Whether a container has begun whose name `wanted` agrees to.
    pub(super) fn has_begun(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.heard().began.iter().any(|container| wanted(container))
    }

    /// The last lines that were heard.
    pub(super) fn tail(&self) -> Vec<String> {
        self.heard().tail.iter().cloned().collect()
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Listening<'_> {
    fn progress(&self, progress: Progress) {
        self.observer.progress(progress);
    }

    fn line(&self, line: LogLine<'_>) {
        let mut heard = self.heard();
        if heard.tail.len() == TAIL_LINES {
            heard.tail.pop_front();
        }
        heard.tail.push_back(line.text.to_owned());
        drop(heard);
        self.observer.line(line);
    }

    /// Asked once for each container that has started.
    fn told(&self, pod: &str, container: &str) -> u64 {
        self.heard().began.insert(container.to_owned());
        self.observer.told(pod, container)
    }
}
