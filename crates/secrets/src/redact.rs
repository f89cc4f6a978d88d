//! Takes secrets out of text that somebody else wrote.

use std::borrow::Cow;
use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::value::SecretValue;

/// Values shorter than this many bytes are not looked for: they are in every text, and hiding them would tell what they are.
const SHORTEST: usize = 4;

/// Replaces known secrets in texts that others wrote (output of programs, answers of servers) before they are shown or kept: each
/// value, each of its longer lines, and both in base64.
pub struct Redactor {
    finder: Option<AhoCorasick>,
}

impl Redactor {
    /// Looks for these values.
    #[must_use]
    pub fn new<'a>(values: impl IntoIterator<Item = &'a SecretValue>) -> Self {
        let mut patterns: Vec<String> = Vec::new();
        for value in values {
            let text = value.expose();
            let lines = text.lines().map(str::trim).filter(|line| line.len() >= 2 * SHORTEST);
            for part in std::iter::once(text.trim()).chain(lines).filter(|part| part.len() >= SHORTEST) {
                patterns.push(part.to_owned());
                // The last bytes depend on what follows them, so they are left to the plain look.
                let whole = part.len() / 3 * 3;
                if whole >= 2 * SHORTEST {
                    patterns.push(STANDARD_NO_PAD.encode(&part.as_bytes()[..whole]));
                }
            }
        }
        patterns.sort_unstable();
        patterns.dedup();
        let finder =
            if patterns.is_empty() { None } else { AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).ok() };
        Self { finder }
    }

    /// `text` with each of the values replaced by `(secret)`.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.finder {
            Some(finder) if finder.is_match(text) => {
                let mut out = String::with_capacity(text.len());
                finder.replace_all_with(text, &mut out, |_, _, out| {
                    out.push_str("(secret)");
                    true
                });
                Cow::Owned(out)
            }
            _ => Cow::Borrowed(text),
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_their_lines_and_their_base64_are_replaced() {
        let values = [SecretValue::new("hunter2-hunter2"), SecretValue::new("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n")];
        let redactor = Redactor::new(&values);
        assert_eq!(redactor.redact("login hunter2-hunter2 failed"), "login (secret) failed");
        assert_eq!(redactor.redact("line MIIEvQIBADANBg here"), "line (secret) here");
        assert_eq!(redactor.redact("data: aHVudGVyMi1odW50ZXIy"), "data: (secret)");
        assert!(matches!(redactor.redact("nothing here"), Cow::Borrowed("nothing here")));
        assert_eq!(format!("{redactor:?}"), "Redactor(hidden)");
    }

    #[test]
    fn short_and_empty_values_do_not_eat_the_text() {
        let redactor = Redactor::new(&[SecretValue::new(""), SecretValue::new("abc"), SecretValue::new("\n\n")]);
        assert_eq!(redactor.redact("abc\n\n"), "abc\n\n");
    }
}
