//! How much of a report is taken.

/// Bounds. What goes beyond the first three is refused; the rest is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest document, in bytes after unpacking.
    pub bytes: usize,
    /// The most test cases of a document.
    pub cases: usize,
    /// How deep elements may be nested.
    pub depth: usize,
    /// How much of a failure's text is kept, in bytes: its beginning and its end.
    pub text: usize,
    /// How much of a test case's output is kept, in bytes; 0 drops it.
    pub output: usize,
    /// How much of all failures' texts and outputs of a document is kept, in bytes; what comes later is dropped.
    pub all_text: usize,
    /// The most properties kept, per document and per test case.
    pub properties: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, cases: 100_000, depth: 64, text: 64 << 10, output: 0, all_text: 16 << 20, properties: 200 }
    }
}

/// The longest name, class or message that is kept, in bytes.
pub(crate) const LONGEST_NAME: usize = 4 << 10;
