//! Numbers as tools write them.

use std::time::Duration;

/// The longest time that is believed, in seconds: a year.
const LONGEST: f64 = 366.0 * 86_400.0;

/// Seconds: `1.5`, `1,234.567` (thousands), `0,5` (a decimal comma). `None` for what is no number, negative, or beyond a year.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim().trim_end_matches('s');
    let plain = match (text.contains('.'), text.matches(',').count()) {
        (false, 1) if text.split(',').nth(1).is_some_and(|end| end.len() != 3) => text.replace(',', "."),
        _ => text.replace(',', ""),
    };
    let seconds: f64 = plain.parse().ok()?;
    (0.0..=LONGEST).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// A count; `None` for what is none.
pub(crate) fn count(text: &str) -> Option<u64> {
    text.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_dialects_are_understood() {
        for (text, millis) in [
            ("1.5", Some(1500)),
            ("1,234.567", Some(1_234_567)),
            ("1,234", Some(1_234_000)),
            ("0,5", Some(500)),
            ("12", Some(12_000)),
            (" 0.001 ", Some(1)),
            ("2.5s", Some(2500)),
            ("1e3", Some(1_000_000)),
            ("NaN", None),
            ("inf", None),
            ("-1", None),
            ("", None),
            ("1e300", None),
            ("abc", None),
        ] {
            assert_eq!(seconds(text), millis.map(Duration::from_millis), "{text:?}");
        }
        assert_eq!(count("1,234"), Some(1234));
        assert_eq!(count("x"), None);
    }
}
