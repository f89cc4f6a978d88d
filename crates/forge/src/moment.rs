//! Moments as forges write them.

use towpath_domain::Timestamp;

/// A moment in RFC 3339, with any offset.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_have_whatever_offset_the_server_has() {
        let utc = super::read("2026-11-26T13:00:00Z").unwrap();
        assert_eq!(super::read("2026-11-26T15:00:00.000+02:00"), Some(utc));
        assert_eq!(super::read("yesterday"), None);
    }
}
