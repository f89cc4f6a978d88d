//! Runs' logs in one order over all their steps, read once: pages and programs ask for parts of them again and again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use towpath_domain::{RunId, Timestamp};
use towpath_ledger::logs::{Logs, Stream};
use towpath_web::{LogLine, LogPage};

/// Lines on one page of a log.
const PAGE: usize = 2000;

/// How much is read of a file at a time, in bytes.
const CHUNK: u64 = 1 << 20;

/// Logs that are kept: those that people look at now. One is at most as large as a run's log may be, and a quarter more.
const KEPT: usize = 4;

/// Logs as they were last read.
#[derive(Debug, Default)]
pub(super) struct KeptLogs(Mutex<VecDeque<(RunId, Arc<Mutex<Kept>>)>>);

impl KeptLogs {
    /// The log of a run, as far as it was read.
    pub(super) fn of(&self, run: &RunId) -> Arc<Mutex<Kept>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|(id, _)| id == run).and_then(|at| all.remove(at));
        let (id, kept) = known.unwrap_or_else(|| (run.clone(), Arc::default()));
        let found = Arc::clone(&kept);
        all.push_front((id, kept));
        all.truncate(KEPT);
        found
    }
}

/// A line, without its text.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: Timestamp,
    step: usize,
    stream: Stream,
    /// Where its text ends; it begins where the one before ends.
    end: usize,
}

/// A line that is new: when, in which step, by whom, what.
type Fresh = (Timestamp, usize, Stream, String);

/// A log as far as it was read. A line keeps its place: what comes late is put to the end.
#[derive(Debug, Default)]
pub(super) struct Kept {
    steps: Vec<String>,
    /// How far each step's file was read, and when its last line was said.
    read: BTreeMap<String, (u64, Option<Timestamp>)>,
    text: String,
    lines: Vec<Place>,
}

impl Kept {
    /// Reads what is new. Of lines that nobody knows the time of, `queued_at` and the line before count.
    ///
    /// # Errors
    /// As [`Logs::read`].
    pub(super) fn grow(&mut self, logs: &Logs, run: &RunId, queued_at: Timestamp) -> towpath_ledger::Result<()> {
        let mut fresh = Vec::new();
        let read = self.read_new(logs, run, queued_at, &mut fresh);
        // What was read before it failed is not read again.
        fresh.sort_by_key(|(at, ..)| *at);
        for (at, step, stream, text) in fresh {
            self.text.push_str(&text);
            self.lines.push(Place { at, step, stream, end: self.text.len() });
        }
        read
    }

    fn read_new(&mut self, logs: &Logs, run: &RunId, queued_at: Timestamp, fresh: &mut Vec<Fresh>) -> towpath_ledger::Result<()> {
        for name in logs.steps(run)? {
            let step = self.steps.iter().position(|known| *known == name).unwrap_or_else(|| {
                self.steps.push(name.clone());
                self.steps.len() - 1
            });
            let (from, last) = self.read.entry(name.clone()).or_default();
            loop {
                let chunk = logs.read(run, &name, *from, CHUNK)?;
                if chunk.next == *from {
                    break;
                }
                *from = chunk.next;
                for line in chunk.lines {
                    let at = line.at.or(*last).unwrap_or(queued_at);
                    *last = Some(at);
                    fresh.push((at, step, line.stream, line.text));
                }
            }
        }
        Ok(())
    }

    /// The lines after the first `from`; with `search`, those of them that hold it. `over` says that nothing more will come.
    pub(super) fn page(&self, from: u64, search: Option<&str>, over: bool) -> LogPage {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.lines.len());
        let (mut lines, mut next) = (Vec::new(), from);
        for (number, place) in self.lines.iter().enumerate().skip(from) {
            if lines.len() == PAGE {
                break;
            }
            next = number + 1;
            let begin = number.checked_sub(1).and_then(|before| self.lines.get(before)).map_or(0, |before| before.end);
            let text = self.text.get(begin..place.end).unwrap_or_default();
            if search.is_none_or(|search| text.contains(search)) {
                lines.push(LogLine {
                    number: next as u64,
                    at: place.at,
                    step: self.steps.get(place.step).cloned().unwrap_or_default(),
                    stream: stream_name(place.stream).to_owned(),
                    text: text.to_owned(),
                });
            }
        }
        let total = self.lines.len();
        LogPage { lines, next: next as u64, total: total as u64, done: over && next == total }
    }
}

fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Out => "stdout",
        Stream::Err => "stderr",
        Stream::Towpath => "towpath",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(texts: &[&str]) -> Kept {
        let mut kept = Kept { steps: vec!["build".into()], ..Kept::default() };
        for (at, text) in texts.iter().enumerate() {
            kept.text.push_str(text);
            kept.lines.push(Place { at: Timestamp::from_millis(at as i64), step: 0, stream: Stream::Out, end: kept.text.len() });
        }
        kept
    }

    #[test]
    fn a_log_is_told_in_pages_that_follow_each_other_and_count_its_lines() {
        let all: Vec<String> = (1..=4500).map(|line| format!("line {line}")).collect();
        let kept = kept(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let (mut from, mut seen) = (0, Vec::new());
        loop {
            let page = kept.page(from, None, true);
            assert!(page.lines.len() <= PAGE && page.total == 4500);
            seen.extend(page.lines.iter().map(|line| (line.number, line.text.clone())));
            from = page.next;
            if page.done {
                break;
            }
        }
        assert_eq!(seen, (1..=4500).map(|line| (line, format!("line {line}"))).collect::<Vec<_>>());
        assert!(kept.page(u64::MAX, None, true).lines.is_empty());
        assert!(!kept.page(4500, None, false).done, "it goes on");
    }

    #[test]
    fn a_search_looks_through_all_that_is_there() {
        let all: Vec<String> = (1..=9000).map(|line| if line % 4000 == 0 { "here".to_owned() } else { format!("line {line}") }).collect();
        let found = kept(&all.iter().map(String::as_str).collect::<Vec<_>>()).page(0, Some("here"), true);
        assert_eq!(found.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [4000, 8000]);
        assert!(found.done && found.next == 9000);
        assert!(kept(&["he", "re"]).page(0, Some("here"), true).lines.is_empty(), "a line ends where it ends");
    }

    #[test]
    fn few_logs_are_kept_and_the_last_ones_asked_for() {
        let logs = KeptLogs::default();
        let run = |n: usize| RunId::new(format!("r{n}")).unwrap();
        let first = logs.of(&run(0));
        for n in 1..KEPT {
            logs.of(&run(n));
        }
        assert!(Arc::ptr_eq(&first, &logs.of(&run(0))));
        logs.of(&run(9));
        assert!(Arc::ptr_eq(&first, &logs.of(&run(0))), "it was asked for of late");
        assert_eq!(logs.0.lock().unwrap().len(), KEPT);
    }
}
