//! Listens while a cluster is waited for: lines into the log, reports of tests out of it.

use towpath_cluster::{LogLine, Observer, Progress};

use crate::journal::Stop;
use crate::world::LogSink;

/// The step that waits.
pub(super) const STEP: &str = "wait";

/// Writes what a cluster tells into the log of the step that waits.
pub(super) struct Listener {
    sink: LogSink,
}

/// What the reports in the log say.
pub(super) struct Reports {
    /// In a sentence.
    pub(super) text: String,
    /// What follows, when they do not all say that the tests passed.
    pub(super) verdict: Option<Stop>,
}

impl Reports {
    /// The failed tests by name.
    pub(super) fn named_failures(&self) -> Option<&str> {
        self.verdict.is_some().then_some(self.text.as_str())
    }
}

impl Listener {
    pub(super) fn new(sink: LogSink) -> Self {
        Self { sink }
    }

    /// What the reports say that were printed; none when there were none.
    pub(super) fn reports(&self) -> Option<Reports> {
        None
    }
}

impl Observer for Listener {
    fn progress(&self, progress: Progress) {
        self.sink.line(STEP, "towpath", &format!("{}: {}", progress.object, progress.message));
    }

    fn line(&self, line: LogLine<'_>) {
        self.sink.line(STEP, &format!("{}/{}", line.pod, line.container), line.text);
    }

    fn told(&self, pod: &str, container: &str) -> u64 {
        self.sink.said(STEP, &format!("{pod}/{container}"))
    }
}
