//! Why a secret could not be had.

use std::fmt;

use towpath_domain::FailureClass;

/// The longest text of somebody else's that is repeated in an error, in bytes.
const LONGEST_WHY: usize = 400;

/// Why a secret could not be had, and what to do. Says path and field, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SecretError {
    kind: SecretErrorKind,
    path: Option<String>,
    field: Option<String>,
    why: String,
    mend: String,
}

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretErrorKind {
    /// The path or the request makes no sense, or asks for what the store cannot do.
    Refused,
    /// There is no such secret, version or field.
    Missing,
    /// The version was deleted or destroyed.
    Deleted,
    /// The value is there but cannot be used: not base64, not text, a document that cannot be read.
    Unusable,
    /// The store knows us and does not allow it.
    Denied,
    /// The store does not let us in.
    SignIn,
    /// The store does not answer, or not now. The environment's fault.
    Unreachable,
    /// This installation's own configuration is wrong.
    Setup,
}

impl SecretError {
    pub(crate) fn new(kind: SecretErrorKind, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { kind, path: None, field: None, why: why.into(), mend: mend.into() }
    }

    pub(crate) fn at(mut self, path: &str) -> Self {
        self.path.get_or_insert_with(|| clean(path));
        self
    }

    /// The same under the path that people know the secret by.
    pub(crate) fn seen_at(mut self, path: &str) -> Self {
        self.path = Some(clean(path));
        self
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.field.get_or_insert_with(|| clean(field));
        self
    }

    /// What kind of reason it is.
    #[must_use]
    pub fn kind(&self) -> SecretErrorKind {
        self.kind
    }

    /// Whose fault it is: only what the environment does wrong is worth trying again.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self.kind {
            SecretErrorKind::Refused | SecretErrorKind::Missing | SecretErrorKind::Deleted | SecretErrorKind::Unusable => FailureClass::Own,
            SecretErrorKind::Unreachable => FailureClass::Environment,
            SecretErrorKind::Denied | SecretErrorKind::SignIn | SecretErrorKind::Setup => FailureClass::Unknown,
        }
    }

    /// The secret's path, where the error is about one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// What went wrong, without path and mending.
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

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, &self.field) {
            (Some(path), Some(field)) => write!(f, "secret `{path}`, field `{field}`: ")?,
            (Some(path), None) => write!(f, "secret `{path}`: ")?,
            _ => {}
        }
        write!(f, "{}; {}", self.why, self.mend)
    }
}

/// Text that came from outside, on one line, without control characters, cut to a bearable length.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::new();
    for char in text.trim().chars() {
        if out.len() >= LONGEST_WHY {
            out.push('…');
            break;
        }
        if char.is_whitespace() {
            out.push(' ');
        } else if char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            out.extend(char.escape_unicode());
        } else {
            out.push(char);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_what_and_how_to_mend_it() {
        let error = SecretError::new(SecretErrorKind::Missing, "it is not there", "write it").field("password").at("app/db");
        assert_eq!(error.to_string(), "secret `app/db`, field `password`: it is not there; write it");
        assert_eq!(error.class(), FailureClass::Own);
    }

    #[test]
    fn foreign_text_stays_on_one_line_and_is_cut() {
        assert_eq!(clean("a\nb\u{1b}[31m\u{202e}"), "a b\\u{1b}[31m\\u{202e}");
        assert!(clean(&"x".repeat(10_000)).len() < LONGEST_WHY + 8);
    }
}
