//! Listens while a cluster is waited for: lines into the log, reports of tests out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use towpath_cluster::artifacts::COLLECTOR;
use towpath_cluster::{LogLine, Observer, Progress};
use towpath_junit::{Collector, Limits};

use crate::tested::keep::FoundReport;
use crate::world::LogSink;

/// Writes what a cluster tells into the log of the step that waits, and picks the reports of tests out of what containers print.
pub(super) struct Listener {
    sink: LogSink,
    step: String,
    /// By the container, as the log calls it.
    collectors: Mutex<BTreeMap<String, Collector>>,
    /// Pods whose containers have begun.
    pods: Mutex<BTreeSet<String>>,
}

impl Listener {
    pub(super) fn new(sink: LogSink, step: &str) -> Self {
        Self { sink, step: step.to_owned(), collectors: Mutex::default(), pods: Mutex::default() }
    }

    /// The reports that were printed.
    pub(super) fn printed(&self) -> Vec<FoundReport> {
        let collectors = std::mem::take(&mut *self.collectors.lock().unwrap_or_else(PoisonError::into_inner));
        let found = |(from, collector): (String, Collector)| {
            collector.finish().into_iter().map(move |document| FoundReport { from: from.clone(), document })
        };
        collectors.into_iter().flat_map(found).collect()
    }

    /// The pods of tests whose containers have begun, also those that only a worker before this one saw.
    pub(super) fn pods(&self) -> Vec<String> {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.sink.speakers(&self.step, &mut |speaker| {
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
        self.sink.line(&self.step, "towpath", &format!("{}: {}", progress.object, progress.message));
    }

    fn line(&self, line: LogLine<'_>) {
        let container = format!("{}/{}", line.pod, line.container);
        self.collect(&container, line.text);
        self.sink.line(&self.step, &container, line.text);
    }

    /// What an earlier worker wrote down is read again: a report may have begun in it.
    fn told(&self, pod: &str, container: &str) -> u64 {
        if container != COLLECTOR {
            self.pods.lock().unwrap_or_else(PoisonError::into_inner).insert(pod.to_owned());
        }
        let container = format!("{pod}/{container}");
        let mut told = 0;
        self.sink.said(&self.step, &container, &mut |text| {
            self.collect(&container, text);
            told += 1;
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use towpath_domain::RunId;
    use towpath_junit::Outcome;
    use towpath_ledger::logs::{Limits as LogLimits, Logs};

    use super::*;
    use crate::world::Clock;

    const BEGIN: &str = "-----BEGIN JUNIT REPORT smoke.xml-----";
    const END: &str = "-----END JUNIT REPORT-----";

    /// A listener of a worker that has taken the run up, after whoever had it before.
    fn worker(folder: &TempDir) -> Listener {
        let logs = Logs::new(folder.path(), LogLimits::default());
        Listener::new(LogSink::open(&logs, &RunId::new("deploy-web-1").unwrap(), &Clock::system()), "wait")
    }

    fn hears(listener: &Listener, pod: &str, lines: &[&str]) {
        let container = "smoke";
        lines.iter().for_each(|text| listener.line(LogLine { pod, container, text }));
    }

    fn outcomes(listener: &Listener) -> Vec<(String, Vec<Outcome>)> {
        let printed = listener.printed().into_iter().map(|found| found.document);
        printed.map(|document| (document.name, document.report.unwrap().cases.iter().map(|case| case.outcome).collect())).collect()
    }

    #[test]
    fn a_report_that_one_worker_began_to_hear_is_whole_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let first = worker(&folder);
        assert_eq!(first.told("smoke-a", "smoke"), 0);
        hears(&first, "smoke-a", &["starting", BEGIN, "<testsuite><testcase name=\"a\"/>", ""]);
        // It dies: nothing is finished.
        drop(first);
        let second = worker(&folder);
        assert_eq!(second.told("smoke-a", "smoke"), 4);
        hears(&second, "smoke-a", &["<testcase name=\"b\"><failure/></testcase></testsuite>", END]);
        assert_eq!(outcomes(&second), [("smoke.xml".to_owned(), vec![Outcome::Passed, Outcome::Failed])]);
        assert_eq!(second.pods(), ["smoke-a"]);
        // Its pod is gone before a third one looks, which still knows that there was one.
        assert_eq!(worker(&folder).pods(), ["smoke-a"]);
    }

    #[test]
    fn pods_that_print_at_the_same_time_do_not_get_into_each_others_reports() {
        let folder = tempfile::tempdir().unwrap();
        let listener = worker(&folder);
        for line in [BEGIN, "<testsuite>", "<testcase name=\"x\"/>", "</testsuite>", END] {
            hears(&listener, "smoke-a", &[line]);
            hears(&listener, "smoke-b", &[&line.replace("<testcase name=\"x\"/>", "<testcase name=\"x\"><error/></testcase>")]);
        }
        let passed = ("smoke.xml".to_owned(), vec![Outcome::Passed]);
        assert_eq!(outcomes(&listener), [passed, ("smoke.xml".to_owned(), vec![Outcome::Error])]);
    }

    #[test]
    fn what_reads_a_volume_is_heard_and_is_no_pod_of_a_test() {
        let folder = tempfile::tempdir().unwrap();
        let listener = worker(&folder);
        listener.told("reports-smoke-x", COLLECTOR);
        for text in [BEGIN, "<testsuite><testcase name=\"a\"/></testsuite>", END] {
            listener.line(LogLine { pod: "reports-smoke-x", container: COLLECTOR, text });
        }
        assert_eq!(outcomes(&listener).len(), 1);
        assert!(listener.pods().is_empty());
    }

    #[test]
    fn a_line_that_only_holds_the_agreed_one_somewhere_begins_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let listener = worker(&folder);
        let long = format!("{}{BEGIN}{}", "x".repeat(2 << 20), "y".repeat(1 << 20));
        hears(&listener, "smoke-a", &[&long, &format!("log: {BEGIN}"), END]);
        assert!(listener.printed().is_empty());
        // And is passed over by whoever counts lines afterwards.
        assert_eq!(worker(&folder).told("smoke-a", "smoke"), 3);
    }
}
