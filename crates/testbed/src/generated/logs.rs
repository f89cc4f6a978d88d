//! Logs of a few runs: what failed says why, and one build said very much.

use towpath_domain::{RunId, Timestamp};
use towpath_ledger::logs::{Logs, Masker, Stream};

use super::words::Trouble;

/// Lines of the long log.
const LONG: usize = 100_000;

pub(super) fn of_failure(logs: &Logs, run: &RunId, app: &str, trouble: &Trouble, at: Timestamp) {
    let log = logs.run(run, Masker::default()).expect("logs can be written");
    let mut step = log.step(trouble.step).expect("logs can be written");
    let lines = [
        format!("{app} begins"),
        "\u{1b}[32mok\u{1b}[0m   what there was before still works".to_owned(),
        "\u{1b}[33mwarn\u{1b}[0m slow answer from the database: 812 ms".to_owned(),
        format!("\u{1b}[31mfail\u{1b}[0m {}", trouble.message),
    ];
    for line in lines {
        step.line(Stream::Out, at, &line).expect("logs can be written");
    }
    step.finish(at).expect("logs can be written");
}

pub(super) fn long(logs: &Logs, run: &RunId, at: Timestamp) {
    let log = logs.run(run, Masker::default()).expect("logs can be written");
    let mut step = log.step("build").expect("logs can be written");
    let mut text = String::new();
    for number in 1..=LONG {
        text.push_str(&format!("[{number}/{LONG}] \u{1b}[36mcompiling\u{1b}[0m module_{:05} with its tests\n", number * 31 % LONG));
        if text.len() > 60_000 {
            step.push(Stream::Out, at, text.as_bytes()).expect("logs can be written");
            text.clear();
        }
    }
    step.push(Stream::Out, at, text.as_bytes()).expect("logs can be written");
    step.finish(at).expect("logs can be written");
}
