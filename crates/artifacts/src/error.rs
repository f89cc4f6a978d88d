//! Why files could not be had.

use std::fmt;

/// What kept a file or a listing from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketErrorKind {
    /// The server was not reached, or failed. It is tried again.
    Away,
    /// The server does not let this installation read there.
    Refused,
    /// The credentials cannot be read.
    Keys,
    /// The answer is none that can be used.
    Answer,
    /// There is more than is taken.
    TooMuch,
    /// There can be no such bucket.
    Name,
}

/// Why files could not be had. Shows neither credentials nor what the server says in its own words: servers repeat what they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketError {
    pub(crate) kind: BucketErrorKind,
    pub(crate) place: String,
    pub(crate) why: String,
    pub(crate) mend: &'static str,
}

impl BucketError {
    pub(crate) fn new(kind: BucketErrorKind, why: impl Into<String>, mend: &'static str) -> Self {
        Self { kind, place: String::new(), why: why.into(), mend }
    }

    /// The same, with where it happened.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        if self.place.is_empty() {
            self.place = place.to_string();
        }
        self
    }

    /// What it was.
    #[must_use]
    pub fn kind(&self) -> BucketErrorKind {
        self.kind
    }
}

impl fmt::Display for BucketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}; {}", self.why, self.mend)
    }
}

impl std::error::Error for BucketError {}

/// A name from outside, fit to be shown: on one line, and not too long.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 200;
    let odd = |c: char| c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut text: String = name.chars().map(|c| if odd(c) { '_' } else { c }).take(LONGEST).collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}
