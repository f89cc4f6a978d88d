//! The fingerprint: what would be deployed, in one short text.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::process::plain_number;

/// The fingerprint of rendered objects: 64 lower-case hex digits, the SHA-256 over
///
/// 1. each object as [`canonical_json`], followed by a line feed,
/// 2. the objects in the order of kind, then name, then that JSON text (compared byte by byte).
///
/// So it does not depend on the order of objects or keys, nor on how a number or string was written; it does depend on
/// everything that would be applied, the order inside lists included. Render with [`crate::Placeholder`] to keep random
/// values out of it. It never changes its form: stored fingerprints are compared over years.
#[must_use]
pub fn fingerprint(objects: &[Value]) -> String {
    let mut lines: Vec<(&str, &str, String)> =
        objects.iter().map(|object| (super::kind(object), super::name(object), canonical_json(object))).collect();
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for (_, _, line) in &lines {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON with sorted keys (by their UTF-8 bytes), no spaces, whole floats written as integers, and only those characters
/// escaped that JSON demands.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

/// Does not lean on the map's own order: another crate of the build may switch `serde_json` to insertion order.
fn write(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, item)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(out, item);
            }
            out.push('}');
        }
        Value::Number(number) => out.push_str(&plain_number(number).to_string()),
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_form_is_fixed() {
        let objects =
            [json!({"kind": "B", "metadata": {"name": "x"}}), json!({"kind": "A", "metadata": {"name": "y"}, "n": [2, 1.0, "é\n"]})];
        assert_eq!(canonical_json(&objects[1]), r#"{"kind":"A","metadata":{"name":"y"},"n":[2,1,"é\n"]}"#);
        // printf '%s\n' LINE LINE | sha256sum
        assert_eq!(fingerprint(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(fingerprint(&objects), "415773ec016664282ce986e3f9f05416b799e40c60bf8739e1a6caeb37cf1d8a");
    }

    #[test]
    fn order_of_objects_and_spelling_of_numbers_do_not_matter() {
        let (a, b) = (json!({"kind": "A", "n": 1}), json!({"kind": "B"}));
        let spelled = json!({"kind": "A", "n": 1.0});
        assert_eq!(fingerprint(&[a.clone(), b.clone()]), fingerprint(&[b, spelled]));
        assert_eq!(fingerprint(std::slice::from_ref(&a)), fingerprint(&[a]));
    }

    #[test]
    fn everything_that_would_be_applied_matters() {
        let base = json!({"kind": "A", "list": [1, 2], "text": "1"});
        for other in [
            json!({"kind": "A", "list": [2, 1], "text": "1"}),
            json!({"kind": "A", "list": [1, 2], "text": 1}),
            json!({"kind": "A", "list": [1, 2], "text": "1", "more": null}),
        ] {
            assert_ne!(fingerprint(std::slice::from_ref(&base)), fingerprint(&[other]));
        }
        assert_ne!(fingerprint(std::slice::from_ref(&base)), fingerprint(&[base.clone(), base]));
    }
}
