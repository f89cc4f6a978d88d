//! Listens while a cluster is waited for: lines into the log, reports of tests out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use towpath_cluster::artifacts::COLLECTOR;
use towpath_cluster::{LogLine, Observer, Progress};
use towpath_junit::{Collector, Limits, Report, ReportError};

use crate::world::LogSink;

/// The step that waits.
pub(super) const STEP: &str = "wait";

/// Writes what a cluster tells into the log of the step that waits, and picks the reports of tests out of what containers print.
pub(super) struct Listener {
    sink: LogSink,
    /// By the container, as the log calls it.
    collectors: Mutex<BTreeMap<String, Collector>>,
    /// Pods whose containers have begun.
    pods: Mutex<BTreeSet<String>>,
}

impl Listener {
    pub(super) fn new(sink: LogSink) -> Self {
        Self { sink, collectors: Mutex::default(), pods: Mutex::default() }
    }

    /// The reports that were printed.
    pub(super) fn printed(&self) -> Vec<(String, Result<Report, ReportError>)> {
        let collectors = std::mem::take(&mut *self.collectors.lock().unwrap_or_else(PoisonError::into_inner));
        collectors.into_values().flat_map(Collector::finish).collect()
    }

    /// The pods of tests whose containers have begun, also those that only a worker before this one saw.
    pub(super) fn pods(&self) -> Vec<String> {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.sink.speakers(STEP, &mut |speaker| {
            if let Some((pod, container)) = speaker.rsplit_once('/')
                && container != COLLECTOR
            {
                pods.insert(pod.to_owned());
            }
        });
        pods.into_iter().collect()
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
        if container != COLLECTOR {
            self.pods.lock().unwrap_or_else(PoisonError::into_inner).insert(pod.to_owned());
        }
        let container = format!("{pod}/{container}");
        let mut told = 0;
        self.sink.said(STEP, &container, &mut |text| {
            self.collect(&container, text);
            told += 1;
        });
        told
    }
}
