//! Progress of something long: one line on standard error that is written over, only when somebody looks.

use std::io::{self, Write};
use std::time::Instant;

use super::{Out, words};

/// The line. Dropping it takes it away.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    width: usize,
    began: Instant,
    last: String,
}

impl Progress {
    /// A line that is empty as yet.
    pub fn new(out: &Out) -> Self {
        let width = usize::from(out.look.width.unwrap_or(80));
        Self { shown: out.terminal_err, width, began: Instant::now(), last: String::new() }
    }

    /// Shows `text` with the time that passed.
    pub fn say(&mut self, text: &str) {
        if !self.shown {
            return;
        }
        let line = format!("{} ({} s)", words::line(text), self.began.elapsed().as_secs());
        let line: String = line.chars().take(self.width.saturating_sub(1)).collect();
        if line != self.last {
            let _ = write!(io::stderr().lock(), "\r\x1b[K{line}");
            self.last = line;
        }
    }

    /// A remark that stays, above the line.
    pub fn note(&mut self, out: &Out, text: &str) {
        self.clear();
        out.note(text);
    }

    fn clear(&mut self) {
        if !std::mem::take(&mut self.last).is_empty() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
