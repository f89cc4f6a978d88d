//! What a report says.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ReportError;
use crate::limits::Limits;
use crate::{decode, parse};

/// One report as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its name, fit to be shown and to be a file's.
    pub name: String,
    /// What it says, byte for byte; empty where it was never had in whole: too large, or packed and damaged.
    pub raw: Vec<u8>,
    /// What was read of it.
    pub report: Result<Report, ReportError>,
}

impl Document {
    /// Reads a document.
    #[must_use]
    pub fn read(name: String, raw: Vec<u8>, limits: &Limits) -> Self {
        let report = Report::parse(&raw, limits);
        Self { name, raw, report }
    }
}

/// One report, read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// The test cases, in the document's order; several tries of the same one are one case.
    pub cases: Vec<Case>,
    /// Properties of the document and its suites.
    pub properties: Vec<Property>,
    /// When the run began, as written: with or without zone.
    pub started: Option<String>,
    /// How long the run took: as declared for the whole, else the sum of what its parts declare.
    pub time: Option<Duration>,
    /// What is odd about the document, for people: counts that are not true, what was repaired, what was cut.
    pub notes: Vec<String>,
}

/// One test case.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Case {
    /// The names of the suites around it, outermost first, divided by ` > `; may be empty.
    pub suite: Arc<str>,
    /// Class, module, package or file, as the tool has it; may be empty.
    pub class: String,
    /// Its name.
    pub name: String,
    /// The file, where the report says.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u64>,
    /// How long it took, all tries together.
    pub time: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
    /// How often it was tried: 1 or more.
    pub attempts: u32,
    /// It passed, but not at the first try.
    pub flaky: bool,
    /// Why it failed, was skipped, or failed before it passed.
    pub detail: Option<Detail>,
    /// Its properties.
    pub properties: Vec<Property>,
    /// What it wrote, if that is kept.
    pub output: Option<String>,
}

/// How a test case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed.
    #[default]
    Passed,
    /// It was not run, or was expected to fail and did.
    Skipped,
    /// It ran, and what it checks is not so.
    Failed,
    /// It could not be run to its end.
    Error,
}

impl Outcome {
    /// Whether it is a failure of either kind.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

/// Why a test case ended as it did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Detail {
    /// The type, such as an exception's name; may be empty.
    pub kind: String,
    /// The message; may be empty.
    pub message: String,
    /// The text, such as a stack trace, without colour codes; the middle of a long one is left out.
    pub text: String,
}

/// A property.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Report {
    /// Reads a document. Wrong encodings, characters that XML does not allow and stray `&` are repaired.
    ///
    /// # Errors
    ///
    /// It is empty, cut short, no XML, no JUnit report, declares a document type, or goes beyond a limit.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, ReportError> {
        if bytes.len() > limits.bytes {
            return Err(ReportError::TooLarge { limit: limits.bytes });
        }
        parse::document(&decode::text(bytes), limits)
    }
}
