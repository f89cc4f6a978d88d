//! What is wrong, where, and how to mend it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in a file of the config repository. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Path from the repository's root, such as `data/services/web/deploy.yml`.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// First byte of the text in the file, from 0.
    pub start: u32,
    /// Byte after its last.
    pub end: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth a look; nothing is held by it.
    Warning,
    /// What it names is not used until it is mended.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The rule's stable name, such as `unknown-reference`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What is wrong, in a sentence.
    pub message: String,
    /// How to mend it.
    pub mend: String,
    /// Other places that belong to it, each with a remark.
    pub related: Vec<(Place, String)>,
}

/// The longest message or advice in bytes. Values are quoted in them, and a value may have megabytes.
const MAX_TEXT: usize = 600;

/// `text`, cut where it is longer than people read.
pub(crate) fn clip(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}
