//! JSON in fixed forms, for hashing.

use std::fmt::Write;

use serde_json::{Number, Value};

/// Which separators are put: Python's `json.dumps` by default, or without spaces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{"a": 1, "b": 2}`
    Python,
    /// `{"a":1,"b":2}`
    Compact,
}

impl Form {
    pub fn comma(self) -> &'static str {
        if self == Self::Python { ", " } else { "," }
    }

    pub fn colon(self) -> &'static str {
        if self == Self::Python { ": " } else { ":" }
    }
}

/// Appends `value` with sorted keys and all beyond ASCII escaped.
pub(crate) fn json(value: &Value, form: Form, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(value) => number(value, out),
        Value::String(value) => text(value, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(form.comma());
                }
                json(item, form, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            // Sorted here, since whether the map is sorted depends on a feature that any crate of the build may switch on.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            object(sorted.into_iter().map(|(key, value)| (key.as_str(), value)), form, out);
        }
    }
}

/// Appends an object whose keys come sorted.
pub(crate) fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>, form: Form, out: &mut String) {
    out.push('{');
    for (at, (key, value)) in fields.enumerate() {
        if at > 0 {
            out.push_str(form.comma());
        }
        text(key, out);
        out.push_str(form.colon());
        json(value, form, out);
    }
    out.push('}');
}

/// Appends a string.
pub(crate) fn text(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// The original's data passes through JavaScript, which knows no `1.0`, and then through Python, which writes exponents
/// with a sign and at least two digits.
fn number(value: &Number, out: &mut String) {
    let Some(float) = value.as_f64().filter(|_| value.is_f64()) else {
        let _ = write!(out, "{value}");
        return;
    };
    if float.fract() == 0.0 && float.abs() < 1e21 {
        let _ = write!(out, "{float:.0}");
        return;
    }
    if (1e-4..1e16).contains(&float.abs()) {
        let _ = write!(out, "{float}");
        return;
    }
    let scientific = format!("{float:e}");
    if let Some((mantissa, exponent)) = scientific.split_once('e') {
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[track_caller]
    fn check(given: Value, form: Form, wanted: &str) {
        let mut out = String::new();
        json(&given, form, &mut out);
        assert_eq!(out, wanted);
    }

    #[test]
    fn it_writes_as_python_does() {
        check(
            value!({"b": [1, -2, true, null], "a": {"y": "é✓😀", "x": "q\"\\\n\u{7f}\u{1}"}}),
            Form::Python,
            r#"{"a": {"x": "q\"\\\n\u007f\u0001", "y": "\u00e9\u2713\ud83d\ude00"}, "b": [1, -2, true, null]}"#,
        );
        check(value!({"b": [1, 2], "a": {}}), Form::Compact, r#"{"a":{},"b":[1,2]}"#);
        check(value!([1.0, 1.5, 1e-7, 1.5e300, -0.25, 1e20]), Form::Compact, "[1,1.5,1e-07,1.5e+300,-0.25,100000000000000000000]");
    }
}
