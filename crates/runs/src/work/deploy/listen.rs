//! Listens while a cluster is waited for: lines into the log, reports of tests out of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use towpath_cluster::{LogLine, Observer, Progress};
use towpath_domain::FailureClass;
use towpath_junit::{Collector, Limits, Summary};

use crate::journal::Stop;
use crate::world::LogSink;

/// The step that waits.
pub(super) const STEP: &str = "wait";

/// How many failed tests are named in a run's end; the log has all.
const NAMED: usize = 5;

/// Writes what a cluster tells into the log of the step that waits, and picks the reports of tests out of what containers print.
pub(super) struct Listener {
    sink: LogSink,
    /// By the container, as the log calls it.
    collectors: Mutex<BTreeMap<String, Collector>>,
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

    fn of(summary: &Summary) -> Self {
        let unread = summary.unread.first().map(|report| format!("the report {} cannot be read: {}", report.name, report.why));
        let text = format!("tests: {summary}{}", named(summary));
        let verdict = match unread {
            _ if summary.failed + summary.errors > 0 => Some(Stop::own(&text)),
            Some(why) => Some(Stop::failed(FailureClass::Environment, format!("inconclusive: {why}"))),
            None if summary.is_hollow() => {
                Some(Stop::failed(FailureClass::Environment, format!("inconclusive: nothing was really tested ({summary})")))
            }
            None => None,
        };
        Self { text, verdict }
    }
}

/// The first failed tests, with what they say.
fn named(summary: &Summary) -> String {
    let shown = summary.failures.iter().take(NAMED).map(|case| {
        let message = case.detail.message.lines().next().unwrap_or_default().to_owned();
        if message.is_empty() { case.title() } else { format!("{} ({message})", case.title()) }
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { String::new() } else { format!(": {}", shown.join("; ")) }
}

impl Listener {
    pub(super) fn new(sink: LogSink) -> Self {
        Self { sink, collectors: Mutex::default() }
    }

    /// What the reports say that were printed; none when there were none.
    pub(super) fn reports(&self) -> Option<Reports> {
        let collectors = std::mem::take(&mut *self.collectors.lock().unwrap_or_else(PoisonError::into_inner));
        let found: Vec<_> = collectors.into_values().flat_map(Collector::finish).collect();
        (!found.is_empty()).then(|| Reports::of(&Summary::of(&found)))
    }

    fn collect(&self, container: &str, text: &str) {
        let mut collectors = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
        let collector = collectors.entry(container.to_owned()).or_insert_with(|| Collector::new(Limits::default()));
        collector.line(text);
    }
}

impl Observer for Listener {
    fn progress(&self, progress: Progress) {
        self.sink.line(STEP, "towpath", &format!("{}: {}", progress.object, progress.message));
    }

    fn line(&self, line: LogLine<'_>) {
        let container = format!("{}/{}", line.pod, line.container);
        self.collect(&container, line.text);
        self.sink.line(STEP, &container, line.text);
    }

    /// What an earlier worker wrote down is read again: a report may have begun in it.
    fn told(&self, pod: &str, container: &str) -> u64 {
        let container = format!("{pod}/{container}");
        let mut told = 0;
        self.sink.said(STEP, &container, &mut |text| {
            self.collect(&container, text);
            told += 1;
        });
        told
    }
}
