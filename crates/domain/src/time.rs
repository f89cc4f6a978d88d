//! Moments.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Span;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z. Handed in wherever it is needed: no pure part reads a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "format": "int64", "description": "Milliseconds since 1970-01-01T00:00:00Z." })
    }
}

impl Timestamp {
    /// A moment from its milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(&self) -> i64 {
        self.0
    }

    /// This moment and `span` more. Stays at the end of time rather than wrapping.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `span` before this one.
    #[must_use]
    pub fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; nothing if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_count_forwards_and_show_as_rfc_3339() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let later = start.plus(Span::from_secs(90));
        assert_eq!(later.since(start), Span::from_secs(90));
        assert_eq!(start.since(later), Span::from_millis(0));
        assert_eq!(later.to_string(), "2023-11-14T22:14:50.000Z");
        assert_eq!(Timestamp::from_millis(i64::MAX).plus(Span::from_secs(1)).as_millis(), i64::MAX);
    }
}
