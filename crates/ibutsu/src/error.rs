//! Why results could not be told.

use std::fmt;
use std::time::Duration;

use towpath_domain::FailureClass;

/// The longest text of somebody else's that is repeated, in bytes.
const SAID_MAX: usize = 300;

/// What kept results from being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IbutsuErrorKind {
    /// The server was not reached, or cannot now.
    Away,
    /// The server answers others, and fails at this.
    Failing,
    /// The token cannot be read, or the server does not take it.
    Token,
    /// There is no such project, or the token's user is none of its members.
    Project,
    /// What answers is no Ibutsu, or this installation's settings are wrong.
    Setup,
    /// The server does not take what it is told.
    Content,
    /// It is more than the server takes, even without files.
    TooLarge,
    /// The server took it, and does not say what came of it.
    Stuck,
}

/// Why results could not be told, and what to do. Holds no token, whatever the server repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IbutsuError {
    kind: IbutsuErrorKind,
    why: String,
    mend: String,
    retry_after: Option<Duration>,
}

impl IbutsuError {
    pub(crate) fn new(kind: IbutsuErrorKind, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { kind, why: why.into(), mend: mend.into(), retry_after: None }
    }

    pub(crate) fn away(why: impl Into<String>) -> Self {
        Self::new(IbutsuErrorKind::Away, why, "look whether it runs and is reached from here; it is tried again")
    }

    /// The same, not to be tried again before so long.
    pub(crate) fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// What it was.
    #[must_use]
    pub fn kind(&self) -> IbutsuErrorKind {
        self.kind
    }

    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self.kind {
            IbutsuErrorKind::Away | IbutsuErrorKind::Failing => FailureClass::Environment,
            IbutsuErrorKind::TooLarge => FailureClass::Own,
            IbutsuErrorKind::Token
            | IbutsuErrorKind::Project
            | IbutsuErrorKind::Setup
            | IbutsuErrorKind::Content
            | IbutsuErrorKind::Stuck => FailureClass::Unknown,
        }
    }

    /// Whether another try of the same is in vain. What is wrong with the installation is mended by people, and what waits is told then.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.kind, IbutsuErrorKind::Content | IbutsuErrorKind::TooLarge | IbutsuErrorKind::Stuck)
    }

    /// How long to leave the server alone at least, where it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What went wrong, without the mending.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for IbutsuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why, self.mend)
    }
}

impl std::error::Error for IbutsuError {}

/// Text from outside, fit to be shown: on one line, without control characters, and not too long.
pub(crate) fn clean(text: &str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = words.chars().map(|c| if odd(c) { '_' } else { c }).collect();
    if shown.len() > SAID_MAX {
        shown.truncate(shown.floor_char_boundary(SAID_MAX));
        shown.push('…');
    }
    shown
}
