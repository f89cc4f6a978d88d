//! Reports in a log: how a test hands its report over without any storage.
//!
//! A test job writes each report to its standard output between two lines, and Towpath takes it from the container's log. Plainly:
//!
//! ```text
//! -----BEGIN JUNIT REPORT smoke.xml-----
//! <testsuites>…</testsuites>
//! -----END JUNIT REPORT-----
//! ```
//!
//! or packed, which is shorter and survives other output of the same container in between (lines that are no base64 are passed over):
//!
//! ```text
//! -----BEGIN JUNIT REPORT smoke.xml (gzip+base64)-----
//! H4sIAAAAAAAAA7MpSS0uKS7NTEktVrLjUrCBCdoo6UMkAPPY0oMfAAAA
//! -----END JUNIT REPORT-----
//! ```
//!
//! In a shell, after the tests and whatever their outcome:
//!
//! ```sh
//! for file in reports/*.xml; do
//!   echo "-----BEGIN JUNIT REPORT $file (gzip+base64)-----"; gzip -c "$file" | base64; echo "-----END JUNIT REPORT-----"
//! done
//! ```
//!
//! The two lines stand alone, white space around them apart. A report that a new one begins in, or that the log ends in, was cut
//! short. Each container's log has a [`Collector`] of its own.

mod name;
mod unpack;

use self::name::{Names, sanitised};
use self::unpack::Packed;
use crate::error::ReportError;
use crate::limits::Limits;
use crate::report::{Document, Report};

const BEGIN: &str = "-----BEGIN JUNIT REPORT ";
const BEGIN_END: &str = "-----";
const END: &str = "-----END JUNIT REPORT";
const PACKED: &str = " (gzip+base64)";

/// The most reports of one log that are read.
const MOST_REPORTS: usize = 500;
/// The most reports of one log of which anything is told.
const MOST_TOLD: usize = 2 * MOST_REPORTS;

/// Takes reports out of a log, line by line.
#[derive(Debug)]
pub struct Collector {
    limits: Limits,
    open: Option<Open>,
    done: Vec<Document>,
    names: Names,
    /// How many bytes all reports of this log may still have.
    left: usize,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Part of a report, or one of the lines around it: no need to show it to people.
    Kept,
    /// An ordinary line of the log.
    Ordinary,
}

#[derive(Debug)]
struct Open {
    name: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Plain(String),
    Packed(Packed),
    /// It grew beyond the limit.
    TooLarge,
}

impl Collector {
    /// Takes reports within `limits`; their bytes bound all reports of this log together, too.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: None, done: Vec::new(), names: Names::default(), left: limits.bytes }
    }

    /// Takes the next line of the log, with or without its line break.
    pub fn line(&mut self, line: &str) -> Line {
        let text = line.trim();
        if let Some(begun) = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(BEGIN_END)) {
            self.close(true);
            self.begin(begun);
            return Line::Kept;
        }
        if text.starts_with(END) && text.ends_with(BEGIN_END) {
            let was_open = self.open.is_some();
            self.close(false);
            return if was_open { Line::Kept } else { Line::Ordinary };
        }
        match &mut self.open {
            None => Line::Ordinary,
            Some(open) => open.add(line, text, self.left),
        }
    }

    /// Whether a report is open.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.open.is_some()
    }

    /// The log is at its end: all reports, in order.
    #[must_use]
    pub fn finish(mut self) -> Vec<Document> {
        self.close(true);
        self.done
    }

    fn begin(&mut self, begun: &str) {
        let (name, is_packed) = match begun.trim_end().strip_suffix(PACKED) {
            Some(name) => (name, true),
            None => (begun, false),
        };
        // What comes after the last one that is told needs no name.
        let name = if self.done.len() < MOST_TOLD { self.names.add(sanitised(name)) } else { String::new() };
        let body = if self.left == 0 || self.done.len() >= MOST_REPORTS {
            Body::TooLarge
        } else if is_packed {
            Body::Packed(Packed::default())
        } else {
            Body::Plain(String::new())
        };
        self.open = Some(Open { name, body });
    }

    fn close(&mut self, is_cut_short: bool) {
        let Some(Open { name, body }) = self.open.take() else { return };
        if self.done.len() >= MOST_TOLD {
            return;
        }
        let bytes = match body {
            Body::Plain(text) => Ok(text.into_bytes()),
            Body::Packed(packed) => packed.unpack(self.left, is_cut_short),
            Body::TooLarge => Err(ReportError::TooLarge { limit: self.limits.bytes }),
        };
        let (raw, outcome) = match bytes {
            Ok(raw) => {
                self.left = self.left.saturating_sub(raw.len());
                let report = Report::parse(&raw, &self.limits);
                (raw, report)
            }
            Err(error) => (Vec::new(), Err(error)),
        };
        let report = match outcome {
            // Whatever else is wrong with it follows from that.
            Err(error) if is_cut_short && !matches!(error, ReportError::CutShort { .. } | ReportError::TooLarge { .. }) => {
                Err(ReportError::CutShort { so_far: Box::default() })
            }
            Ok(report) if is_cut_short => Err(ReportError::CutShort { so_far: Box::new(report) }),
            outcome => outcome,
        };
        self.done.push(Document { name, raw, report });
    }
}

impl Open {
    fn add(&mut self, line: &str, text: &str, limit: usize) -> Line {
        let is_too_large = match &mut self.body {
            Body::Plain(body) => {
                body.push_str(line.trim_end_matches(['\r', '\n']));
                body.push('\n');
                body.len() > limit
            }
            Body::Packed(packed) => {
                if !packed.add(text) {
                    return Line::Ordinary;
                }
                packed.is_larger_than(limit)
            }
            Body::TooLarge => false,
        };
        if is_too_large {
            self.body = Body::TooLarge;
        }
        Line::Kept
    }
}

#[cfg(test)]
mod tests;
