//! Content hashes of objects.

use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of `value` in hex, whatever order its keys were written in.
pub(crate) fn of_value(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    of_text(&text)
}

/// The SHA-256 of `text` in hex.
pub(crate) fn of_text(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in entries {
                let _ = write!(out, "{}:", Value::from(key.as_str()));
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_matter_and_everything_else_does() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[1,2]}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b":[1,2],"a":1}"#).unwrap();
        assert_eq!(of_value(&one), of_value(&other));
        assert_ne!(of_value(&one), of_value(&json!({"a": 1, "b": [2, 1]})));
        assert_ne!(of_value(&one), of_value(&json!({"a": "1", "b": [1, 2]})));
    }
}
