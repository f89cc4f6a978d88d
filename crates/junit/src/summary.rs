//! Several reports, added up.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ReportError;
use crate::report::{Case, Detail, Outcome, Report};

/// The most failures that a summary lists; all are counted.
const MOST_FAILURES: usize = 200;
/// How much of a failure's text a summary keeps, in bytes.
const LONGEST_TEXT: usize = 8 << 10;

/// What all reports of a run say together. It shows itself as one line for people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Test cases, skipped ones included.
    pub tests: u64,
    /// Passed ones, flaky ones included.
    pub passed: u64,
    /// Failed ones.
    pub failed: u64,
    /// Ones that could not be run to their end.
    pub errors: u64,
    /// Skipped ones.
    pub skipped: u64,
    /// Passed ones that did not pass at the first try.
    pub flaky: u64,
    /// How long they took, one report after the other.
    pub time: Duration,
    /// The first failures and errors, in order.
    pub failures: Vec<FailedCase>,
    /// How many failures are not listed.
    pub more_failures: u64,
    /// Flaky ones, as `class › name`, as many as failures are listed.
    pub flaky_names: Vec<String>,
    /// How many reports were added up.
    pub reports: u64,
    /// Reports that could not be read, or not to their end.
    pub unread: Vec<UnreadReport>,
}

/// A failure, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailedCase {
    /// The report it is in.
    pub report: String,
    /// Its suite.
    pub suite: String,
    /// Its class; may be empty.
    pub class: String,
    /// Its name.
    pub name: String,
    /// Whether it could not be run to its end.
    pub is_error: bool,
    /// The file, where the report says.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u64>,
    /// Why: type, message and the beginning of the text.
    pub detail: Detail,
}

/// A report that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnreadReport {
    /// Its name.
    pub name: String,
    /// Why, and what to do.
    pub why: String,
}

impl Summary {
    /// Adds up what was read and what was not; a report that is there twice counts once. The part of a report that was cut short
    /// counts, and so does that it was.
    #[must_use]
    pub fn of(reports: &[(String, Result<Report, ReportError>)]) -> Self {
        let mut summary = Self::default();
        for (index, (name, outcome)) in reports.iter().enumerate() {
            let seen = |(_, earlier): &(String, Result<Report, ReportError>)| earlier.is_ok() && earlier == outcome;
            match outcome {
                Ok(report) if !report.cases.is_empty() && reports[..index].iter().any(seen) => {}
                Ok(report) => summary.add(name, report),
                Err(error) => {
                    if let ReportError::CutShort { so_far } = error {
                        summary.add(name, so_far);
                    }
                    summary.unread.push(UnreadReport { name: name.clone(), why: error.to_string() });
                }
            }
        }
        summary
    }

    /// Adds a report.
    pub fn add(&mut self, name: &str, report: &Report) {
        self.reports += 1;
        self.time = self.time.saturating_add(report.time.unwrap_or_default());
        for case in &report.cases {
            self.tests += 1;
            match case.outcome {
                Outcome::Passed => self.passed += 1,
                Outcome::Skipped => self.skipped += 1,
                Outcome::Failed => self.failed += 1,
                Outcome::Error => self.errors += 1,
            }
            if case.flaky {
                self.flaky += 1;
                if self.flaky_names.len() < MOST_FAILURES {
                    self.flaky_names.push(title(&case.class, &case.name));
                }
            }
            if case.outcome.is_bad() {
                if self.failures.len() < MOST_FAILURES {
                    self.failures.push(FailedCase::new(name, case));
                } else {
                    self.more_failures += 1;
                }
            }
        }
    }

    /// Whether a test failed or could not be run to its end, or a report could not be read.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.failed + self.errors > 0 || !self.unread.is_empty()
    }

    /// Whether nothing was really tested: no test at all, or every one skipped.
    #[must_use]
    pub fn is_hollow(&self) -> bool {
        self.tests == self.skipped
    }
}

impl FailedCase {
    fn new(report: &str, case: &Case) -> Self {
        let mut detail = case.detail.clone().unwrap_or_default();
        if detail.text.len() > LONGEST_TEXT {
            detail.text.truncate(detail.text.floor_char_boundary(LONGEST_TEXT));
            detail.text.push('…');
        }
        Self {
            report: report.to_owned(),
            suite: case.suite.to_string(),
            class: case.class.clone(),
            name: case.name.clone(),
            is_error: case.outcome == Outcome::Error,
            file: case.file.clone(),
            line: case.line,
            detail,
        }
    }

    /// `class › name`, for people.
    #[must_use]
    pub fn title(&self) -> String {
        title(&self.class, &self.name)
    }
}

fn title(class: &str, name: &str) -> String {
    match (class.is_empty(), name.is_empty()) {
        // Some tools write the class into the name, too.
        (true, _) => name.to_owned(),
        (false, true) => class.to_owned(),
        (false, false) if class == name => name.to_owned(),
        (false, false) => format!("{class} › {name}"),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        };
        say(self.failed, "failed");
        say(self.errors, if self.errors == 1 { "error" } else { "errors" });
        say(self.flaky, "flaky");
        say(self.skipped, "skipped");
        let parts = parts.join(", ");
        if self.tests == 0 {
            f.write_str("no tests")?;
        } else if self.failed + self.errors > 0 {
            write!(f, "{parts} of {} in {}", self.tests, Told(self.time))?;
        } else {
            let others = if parts.is_empty() { String::new() } else { format!(", {parts}") };
            write!(f, "{} passed{others} in {}", self.passed, Told(self.time))?;
        }
        match self.unread.len() {
            0 => Ok(()),
            1 => f.write_str("; 1 report could not be read to its end"),
            more => write!(f, "; {more} reports could not be read to their end"),
        }
    }
}

/// A time, as people say it.
struct Told(Duration);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, _) if self.0 < Duration::from_secs(10) => write!(f, "{:.1} s", self.0.as_secs_f64()),
            (0, 0, seconds) => write!(f, "{seconds} s"),
            (0, minutes, 0) => write!(f, "{minutes} min"),
            (0, minutes, seconds) => write!(f, "{minutes} min {seconds} s"),
            (hours, minutes, _) => write!(f, "{hours} h {minutes} min"),
        }
    }
}

#[cfg(test)]
#[path = "summary/tests.rs"]
mod tests;
