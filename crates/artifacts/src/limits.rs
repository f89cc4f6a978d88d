//! How much is asked for and taken.

use std::time::Duration;

/// Bounds for all that is fetched for one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most buckets or prefixes that are looked into.
    pub places: usize,
    /// The most files that are listed in one place, reports or not.
    pub listed: usize,
    /// The most pages of the listing of one place: servers answer with a thousand files at a time, and may answer with none.
    pub pages: usize,
    /// The most reports.
    pub files: usize,
    /// The most bytes of all reports together.
    pub bytes: usize,
    /// The largest page of a listing, in bytes.
    pub page_bytes: usize,
    /// How long one answer may keep silent.
    pub silence: Duration,
    /// How long all of it may take.
    pub within: Duration,
    /// How often a request is tried that was not answered, or answered with a failure of the server's own.
    pub tries: u32,
    /// The first pause between tries; it doubles.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            places: 100,
            listed: 10_000,
            pages: 100,
            files: 500,
            bytes: 64 << 20,
            page_bytes: 8 << 20,
            silence: Duration::from_secs(20),
            within: Duration::from_secs(120),
            tries: 4,
            pause: Duration::from_millis(250),
        }
    }
}
