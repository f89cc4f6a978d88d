//! Spans of time as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A span of time in whole milliseconds, written as app-interface and Go write them: `90s`, `1h30m`, `2d`, `250ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    ms: u64,
}

/// Why a text is not a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a span of time (such as 90s, 1h30m, 2d or 250ms; at most ten years)")]
pub struct SpanError {
    text: String,
}

/// The longest span: ten years. Longer ones are slips of the pen.
const MAX_MS: u64 = 10 * 366 * 24 * 3_600_000;

impl Span {
    /// A span of `ms` milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self { ms }
    }

    /// A span of `seconds` seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self { ms: seconds * 1000 }
    }

    /// A span of `days` days of 24 hours.
    #[must_use]
    pub const fn from_days(days: u64) -> Self {
        Self { ms: days * 24 * 3_600_000 }
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_millis(&self) -> u64 {
        self.ms
    }

    /// As the standard library's type.
    #[must_use]
    pub const fn to_std(self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let bad = || SpanError { text: text.chars().take(80).collect() };
        let mut rest = text;
        let mut ms: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let unit_len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = match &rest[..unit_len] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 24 * 3_600_000,
                _ => return Err(bad()),
            };
            rest = &rest[unit_len..];
            ms = number.checked_mul(unit).and_then(|more| ms.checked_add(more)).filter(|ms| *ms <= MAX_MS).ok_or_else(bad)?;
        }
        if text.is_empty() { Err(bad()) } else { Ok(Self { ms }) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ms == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.ms;
        for (unit, name) in [(24 * 3_600_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")] {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, ms) in [("90s", 90_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("250ms", 250), ("1m500ms", 60_500), ("0s", 0)] {
            assert_eq!(text.parse::<Span>().unwrap().as_millis(), ms, "{text}");
        }
        assert_eq!(Span::from_millis(5_400_250).to_string(), "1h30m250ms");
        for bad in ["", "5", "s", "1x", "-1s", "1.5h", "99999999999999999999s", "9999999d", "1h m"] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?}");
        }
    }
}
