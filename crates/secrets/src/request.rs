//! What is asked for.

/// One field of one secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// Where the secret is: components divided by `/`; see [`check_path`](crate::check_path).
    pub path: String,
    /// Which of its fields.
    pub field: String,
    /// The version, if it is pinned; else the latest.
    pub version: Option<u64>,
    /// The stored value is base64, and what it encodes is wanted.
    pub base64: bool,
}

impl Request {
    /// The latest `field` of the secret at `path`, as it is stored.
    #[must_use]
    pub fn new(path: impl Into<String>, field: impl Into<String>) -> Self {
        Self { path: path.into(), field: field.into(), version: None, base64: false }
    }

    /// The same at `version`; `None` is the latest.
    #[must_use]
    pub fn at_version(mut self, version: Option<u64>) -> Self {
        self.version = version;
        self
    }

    /// The same, decoded from base64 if `base64`.
    #[must_use]
    pub fn decoded(mut self, base64: bool) -> Self {
        self.base64 = base64;
        self
    }
}

/// What a store that keeps no versions does with a request that pins one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pins {
    /// Refuses it: the pin could not be kept.
    #[default]
    Refuse,
    /// Answers with what is there. For stores that stand in for a versioned one, and for configuration that was written where pins
    /// of such secrets meant nothing.
    Ignore,
}
