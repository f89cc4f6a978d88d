//! What a plain scalar is: text, or something else.
//!
//! app-interface's data is read as YAML 1.1 (PyYAML), other readers take YAML 1.2. Where the two differ, the meaning of
//! 1.1 is kept, and the caller is told so that it can ask for quotes.

use serde_json::{Number, Value};

/// What a plain scalar means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plain {
    /// Its value.
    pub value: Value,
    /// Readers of YAML 1.1 and 1.2 differ about it.
    pub ambiguous: bool,
}

/// Reads the text of a plain scalar.
pub(crate) fn read_plain(text: &str) -> Plain {
    let sure = |value| Plain { value, ambiguous: false };
    let unsure = |value| Plain { value, ambiguous: true };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return sure(Value::Null),
        "true" | "True" | "TRUE" => return sure(Value::Bool(true)),
        "false" | "False" | "FALSE" => return sure(Value::Bool(false)),
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return unsure(Value::Bool(true)),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return unsure(Value::Bool(false)),
        // JSON has no such numbers.
        ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN" => return unsure(text.into()),
        _ => {}
    }
    // Only what begins like a number can be one: the usual text is done here.
    match text.as_bytes() {
        [b'0'..=b'9', ..] | [b'+' | b'-' | b'.', b'0'..=b'9' | b'.', ..] => {}
        _ => return sure(text.into()),
    }
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let all = |digits: &str, test: fn(&u8) -> bool| !digits.is_empty() && digits.bytes().all(|b| test(&b) || b == b'_');
    let integer = |digits: &str, radix| {
        let plain: String = digits.chars().filter(|c| *c != '_').collect();
        let number = i128::from_str_radix(&plain, radix).ok().map(|n| if negative { -n } else { n });
        number.and_then(Number::from_i128).map(Value::Number)
    };
    let underscored = digits.contains('_');
    if let Some(binary) = digits.strip_prefix("0b") {
        if all(binary, |b| matches!(b, b'0' | b'1')) {
            return unsure(integer(binary, 2).unwrap_or_else(|| text.into()));
        }
    } else if let Some(hex) = digits.strip_prefix("0x") {
        if all(hex, u8::is_ascii_hexdigit) {
            let read = integer(hex, 16).unwrap_or_else(|| text.into());
            return Plain { value: read, ambiguous: underscored };
        }
    } else if let Some(octal) = digits.strip_prefix("0o") {
        if all(octal, |b| matches!(b, b'0'..=b'7')) {
            return unsure(text.into());
        }
    } else if all(digits, u8::is_ascii_digit) && digits.starts_with(|c: char| c.is_ascii_digit()) {
        if digits.len() > 1 && digits.starts_with('0') {
            // 1.1 reads octal, and text where a digit is no octal one; 1.2 reads decimal.
            let octal = digits.bytes().all(|b| matches!(b, b'0'..=b'7' | b'_'));
            return unsure(if octal { integer(digits, 8).unwrap_or_else(|| text.into()) } else { text.into() });
        }
        return match integer(digits, 10) {
            Some(value) => Plain { value, ambiguous: underscored },
            None => unsure(text.into()),
        };
    } else if let Some(seconds) = sexagesimal(digits) {
        let seconds = if negative { -seconds } else { seconds };
        return unsure(seconds.into());
    } else if let Some(read) = float(text, digits) {
        return read;
    }
    sure(text.into())
}

/// `1:30` is 90 in YAML 1.1.
fn sexagesimal(digits: &str) -> Option<i64> {
    let (first, rest) = digits.split_once(':')?;
    if !first.starts_with(|c: char| matches!(c, '1'..='9')) || !first.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    rest.split(':').try_fold(first.parse::<i64>().ok()?, |total, part| {
        let value: i64 = part.parse().ok().filter(|value| (0..60).contains(value) && part.len() <= 2 && !part.starts_with('+'))?;
        total.checked_mul(60)?.checked_add(value)
    })
}

fn float(text: &str, digits: &str) -> Option<Plain> {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (digits.get(..at)?, Some(digits.get(at + 1..)?)),
        None => (digits, None),
    };
    let mut points = 0;
    for byte in mantissa.bytes() {
        match byte {
            b'.' => points += 1,
            b'0'..=b'9' => {}
            _ => return None,
        }
    }
    let exponent_digits = exponent.map(|e| e.trim_start_matches(['+', '-']));
    let shaped = points <= 1
        && mantissa.bytes().any(|b| b.is_ascii_digit())
        && exponent_digits
            .is_none_or(|e| !e.is_empty() && e.len() + 1 >= exponent.unwrap_or_default().len() && e.bytes().all(|b| b.is_ascii_digit()));
    if !shaped || (points == 0 && exponent.is_none()) {
        return None;
    }
    // 1.1 wants a point, and a sign in the exponent; 1.2 wants neither.
    let both = points == 1 && exponent.is_none_or(|e| e.starts_with(['+', '-']));
    let value = if both { text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number) } else { None };
    Some(Plain { ambiguous: !both || value.is_none(), value: value.unwrap_or_else(|| text.into()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, value: Value, ambiguous: bool) {
        assert_eq!(read_plain(text), Plain { value, ambiguous }, "{text}");
    }

    #[test]
    fn plain_scalars_mean_what_app_interface_takes_them_for() {
        for text in [
            "main",
            "a.b.c",
            "1.2.3",
            "v1",
            "10.0.0.1",
            "512Mi",
            "500m",
            "-x",
            "-",
            ".",
            "..",
            "2024-01-01",
            "1e",
            "5f8f0e1",
            "0xzz",
            "+",
            "=",
            "1-2",
            "8:99",
        ] {
            check(text, json!(text), false);
        }
        for text in ["", "~", "null", "NULL"] {
            check(text, json!(null), false);
        }
        check("true", json!(true), false);
        check("False", json!(false), false);
        check("3", json!(3), false);
        check("-17", json!(-17), false);
        check("0", json!(0), false);
        check("0x1F", json!(31), false);
        check("1.5", json!(1.5), false);
        check("-.5", json!(-0.5), false);
        check("1.5e+3", json!(1500.0), false);
        check("18446744073709551615", json!(u64::MAX), false);
    }

    #[test]
    fn where_readers_differ_the_older_meaning_is_kept_and_said() {
        check("yes", json!(true), true);
        check("Off", json!(false), true);
        check("0755", json!(493), true);
        check("0899", json!("0899"), true);
        check("0o17", json!("0o17"), true);
        check("1:30", json!(90), true);
        check("1e3", json!("1e3"), true);
        check("1234567e12", json!("1234567e12"), true);
        check("1.5e3", json!("1.5e3"), true);
        check("1_000", json!(1000), true);
        check(".inf", json!(".inf"), true);
        check("1234567890123456789012345678901234567890", json!("1234567890123456789012345678901234567890"), true);
    }
}
