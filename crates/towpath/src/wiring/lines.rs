//! A run's log as one: lines of all its steps, numbered, in the order in which the steps began. What was counted once is not read again, so that a
//! page of a long log costs what it shows, and following one what is new.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use towpath_domain::{RunId, Timestamp};
use towpath_ledger::Error;
use towpath_ledger::logs::{Line, Logs};

/// Bytes between two marks: what is read in vain at most to come to a line.
const STRIDE: u64 = 32 * 1024;

/// Runs whose marks are kept: a long log of 16 MiB has some 500, of 16 bytes each.
const RUNS: usize = 64;

/// Where lines stand in the logs of the last few runs that somebody looked at.
#[derive(Debug, Default)]
pub struct Lines {
    known: Mutex<VecDeque<(RunId, Vec<Marks>)>>,
}

/// A step's log as far as it was counted.
#[derive(Debug, Clone)]
struct Marks {
    step: String,
    /// When its first line was written.
    at: Option<Timestamp>,
    /// Lines before, and bytes before.
    marks: Vec<(u64, u64)>,
    lines: u64,
    bytes: u64,
}

/// A line with its place.
pub struct Numbered {
    /// From 1.
    pub number: u64,
    /// Its step.
    pub step: String,
    /// Itself.
    pub line: Line,
}

impl Lines {
    /// The lines after the first `from`, at most `most`, and how many there are in all.
    ///
    /// # Errors
    /// What reading a log runs into.
    pub fn page(&self, logs: &Logs, run: &RunId, from: u64, most: u64) -> Result<(Vec<Numbered>, u64), Error> {
        let mut all = self.take(run);
        let counted = count(logs, run, &mut all);
        let total = all.iter().map(|marks| marks.lines).sum();
        let page = counted.and_then(|()| read(logs, run, &all, from.min(total), most));
        self.keep(run, all);
        Ok((page?, total))
    }

    fn take(&self, run: &RunId) -> Vec<Marks> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(id, _)| id == run).map(|(_, marks)| marks.clone()).unwrap_or_default()
    }

    fn keep(&self, run: &RunId, marks: Vec<Marks>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(id, _)| id != run);
        known.push_back((run.clone(), marks));
        while known.len() > RUNS {
            known.pop_front();
        }
    }
}

/// Counts what was written since.
fn count(logs: &Logs, run: &RunId, all: &mut Vec<Marks>) -> Result<(), Error> {
    let before = all.len();
    for step in logs.steps(run)? {
        if !all.iter().any(|marks| marks.step == step) {
            all.push(Marks { step, at: None, marks: Vec::new(), lines: 0, bytes: 0 });
        }
    }
    for marks in all.iter_mut() {
        loop {
            let chunk = logs.read(run, &marks.step, marks.bytes, STRIDE)?;
            if chunk.lines.is_empty() {
                break;
            }
            marks.at = marks.at.or_else(|| chunk.lines.iter().find_map(|line| line.at));
            marks.marks.push((marks.lines, marks.bytes));
            marks.lines += u64::try_from(chunk.lines.len()).unwrap_or(0);
            marks.bytes = chunk.next;
        }
    }
    // Those that were there keep their places, and with them their lines' numbers. What said nothing yet has no place.
    all.retain(|marks| marks.lines > 0);
    all.get_mut(before..).unwrap_or_default().sort_by_key(|marks| marks.at);
    Ok(())
}

fn read(logs: &Logs, run: &RunId, all: &[Marks], from: u64, most: u64) -> Result<Vec<Numbered>, Error> {
    let mut page = Vec::new();
    let (mut before, mut from, mut left) = (0, from, most);
    for marks in all {
        let within = from.saturating_sub(before);
        if within < marks.lines && left > 0 {
            let at = marks.marks.partition_point(|(lines, _)| *lines <= within).saturating_sub(1);
            let (mut number, mut bytes) = marks.marks.get(at).copied().unwrap_or_default();
            while number < marks.lines && left > 0 {
                let chunk = logs.read(run, &marks.step, bytes, STRIDE)?;
                if chunk.lines.is_empty() {
                    break;
                }
                for line in chunk.lines {
                    number += 1;
                    // What came meanwhile is not counted yet.
                    if number > within && number <= marks.lines && left > 0 {
                        page.push(Numbered { number: before + number, step: marks.step.clone(), line });
                        left -= 1;
                    }
                }
                bytes = chunk.next;
            }
        }
        before += marks.lines;
        from = from.max(before);
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use towpath_ledger::logs::{Limits, Masker, Stream};

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// A log of two steps, the later one first in the alphabet.
    fn log(dir: &std::path::Path) -> (Logs, RunId, towpath_ledger::logs::RunLog) {
        let (logs, run) = (Logs::new(dir, Limits::default()), RunId::new("build-1").unwrap());
        let log = logs.run(&run, Masker::default()).unwrap();
        (logs, run, log)
    }

    fn write(log: &towpath_ledger::logs::RunLog, step: &str, from: u64, to: u64, ms: i64) {
        let mut step = log.step(step).unwrap();
        let text: String = (from..=to).map(|number| format!("line {number} {}\n", "x".repeat(50))).collect();
        step.push(Stream::Out, at(ms), text.as_bytes()).unwrap();
        step.finish(at(ms)).unwrap();
    }

    fn numbers(page: &[Numbered]) -> Vec<u64> {
        page.iter()
            .map(|line| {
                assert!(line.line.text.starts_with(&format!("line {} ", line.number)), "{} is {}", line.number, line.line.text);
                line.number
            })
            .collect()
    }

    #[test]
    fn every_line_is_found_by_its_number_wherever_a_page_begins() {
        let dir = tempfile::tempdir().unwrap();
        let (logs, run, log) = log(dir.path());
        write(&log, "checkout", 1, 3000, 1);
        write(&log, "build", 3001, 9000, 2);
        let lines = Lines::default();
        for from in [0, 1, 499, 2998, 2999, 3000, 3001, 7777, 8999] {
            let (page, total) = lines.page(&logs, &run, from, 2000).unwrap();
            assert_eq!(total, 9000);
            assert_eq!(numbers(&page), (from + 1..=(from + 2000).min(9000)).collect::<Vec<_>>(), "from {from}");
        }
        for from in [9000, u64::MAX] {
            assert!(lines.page(&logs, &run, from, 2000).unwrap().0.is_empty());
        }
    }

    #[test]
    fn a_line_keeps_its_number_while_the_log_grows() {
        let dir = tempfile::tempdir().unwrap();
        let (logs, run, log) = log(dir.path());
        let lines = Lines::default();
        assert_eq!(lines.page(&logs, &run, 0, 10).unwrap().1, 0);
        write(&log, "wait", 1, 700, 5);
        assert_eq!(lines.page(&logs, &run, 0, 10).unwrap().1, 700);
        write(&log, "wait", 701, 900, 6);
        write(&log, "prune", 901, 902, 7);
        let (page, total) = lines.page(&logs, &run, 690, 1000).unwrap();
        assert_eq!((numbers(&page), total), ((691..=902).collect(), 902));
        // Somebody who looks for the first time sees the same.
        assert_eq!(numbers(&Lines::default().page(&logs, &run, 690, 1000).unwrap().0), numbers(&page));
    }

    #[test]
    fn only_the_last_few_runs_are_kept_in_mind() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::new(dir.path(), Limits::default());
        let lines = Lines::default();
        for number in 0..RUNS + 10 {
            lines.page(&logs, &RunId::new(format!("build-{number}")).unwrap(), 0, 1).unwrap();
        }
        assert_eq!(lines.known.lock().unwrap().len(), RUNS);
    }
}
