//! Listens while a build is carried out elsewhere: what it prints goes into the run's log.

use std::sync::atomic::{AtomicBool, Ordering};

use towpath_cluster::{LogLine, Observer, Progress};

use crate::world::LogSink;

/// Writes what is heard into the log of the step that builds.
pub(super) struct Telling {
    sink: LogSink,
    step: &'static str,
    heard: AtomicBool,
}

impl Telling {
    pub(super) fn new(sink: LogSink, step: &'static str) -> Self {
        Self { sink, step, heard: AtomicBool::new(false) }
    }

    /// Whether anything was printed, now or before an earlier worker died.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Observer for Telling {
    fn progress(&self, progress: Progress) {
        self.sink.line(self.step, "towpath", &format!("{}: {}", progress.object, progress.message));
    }

    fn line(&self, line: LogLine<'_>) {
        self.heard.store(true, Ordering::Relaxed);
        self.sink.line(self.step, &format!("{}/{}", line.pod, line.container), line.text);
    }

    fn told(&self, pod: &str, container: &str) -> u64 {
        let mut told = 0;
        self.sink.said(self.step, &format!("{pod}/{container}"), &mut |_| told += 1);
        if told > 0 {
            self.heard.store(true, Ordering::Relaxed);
        }
        told
    }
}
