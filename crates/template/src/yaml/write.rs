//! Writing values as YAML that every reader, of YAML 1.1 or 1.2, takes for the same values.

use serde_json::{Map, Value};

/// `value` as a YAML document: block style, keys sorted, two spaces of indentation, a line break at the end.
///
/// A string is written plain only when no reader could take it for anything else; several lines become a literal block.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => write_map(&mut out, map, 0),
        Value::Array(items) if !items.is_empty() => write_list(&mut out, items, 0),
        scalar => {
            write_scalar(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    out
}

/// Entries of a map; the cursor stands where the first key begins.
fn write_map(out: &mut String, map: &Map<String, Value>, indent: usize) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (at, (key, value)) in entries.into_iter().enumerate() {
        if at > 0 {
            push_indent(out, indent);
        }
        push_string(out, key);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                push_indent(out, indent + 2);
                write_map(out, inner, indent + 2);
            }
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                push_indent(out, indent);
                write_list(out, inner, indent);
            }
            scalar => {
                out.push(' ');
                write_scalar(out, scalar, indent);
                out.push('\n');
            }
        }
    }
}

/// Items of a list; the cursor stands where the first dash goes.
fn write_list(out: &mut String, items: &[Value], indent: usize) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            push_indent(out, indent);
        }
        out.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => write_map(out, inner, indent + 2),
            Value::Array(inner) if !inner.is_empty() => write_list(out, inner, indent + 2),
            scalar => {
                write_scalar(out, scalar, indent);
                out.push('\n');
            }
        }
    }
}

fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::String(text) if fits_block(text) => push_block(out, text, indent + 2),
        Value::String(text) => push_string(out, text),
    }
}

fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Whether `text` can be a literal block: several lines, nothing that a reader would fold, strip or mistake.
fn fits_block(text: &str) -> bool {
    let Some(body) = text.strip_suffix('\n').or(Some(text)) else { return false };
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && body.lines().all(|line| !line.ends_with([' ', '\t']) && !line.starts_with('\t'))
        && text.chars().all(|c| c == '\n' || c == '\t' || is_plainly_printable(c))
}

fn push_block(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    let body = match text.strip_suffix('\n') {
        Some(body) => body,
        None => {
            out.push('-');
            text
        }
    };
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            push_indent(out, indent);
            out.push_str(line);
        }
    }
}

/// Printable to YAML and not one of the characters that some readers take for a line break or a mark of byte order.
fn is_plainly_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// One string on one line: plain where that is safe, else in double quotes.
fn push_string(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_plainly_printable(c) => out.push(c),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
}

/// Strings that no reader takes for a number, a boolean, a date or syntax. Deliberately narrow: a quote too many harms nobody.
fn is_plain(text: &str) -> bool {
    // Words that YAML 1.1 or 1.2 reads as booleans, nulls or numbers.
    const WORDS: [&str; 13] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "none", "e"];
    let first_is_safe = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/' || c == '_' || c == '$');
    first_is_safe
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@$+=".contains(c))
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::documents;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn objects_read_like_a_person_wrote_them() {
        let value = json!({"kind": "List", "items": [{"metadata": {"name": "web", "labels": {}}, "args": ["a", ["b"], []],
            "data": {"script": "set -e\necho hi\n", "count": 1, "text": "1"}}]});
        let want = "\
items:
- args:
  - a
  - - b
  - []
  data:
    count: 1
    script: |
      set -e
      echo hi
    text: \"1\"
  metadata:
    labels: {}
    name: web
kind: List
";
        assert_eq!(to_yaml(&value), want);
    }

    #[test]
    fn strings_that_look_like_something_else_stay_quoted() {
        for text in [
            "yes",
            "No",
            "on",
            "y",
            "null",
            "~",
            "1",
            "1e3",
            "0x1F",
            "1_000",
            "12:30:45",
            "2001-01-01",
            "",
            " a",
            ".inf",
            "-",
            "a: b",
            "a #b",
        ] {
            let line = to_yaml(&json!({ "k": text }));
            assert!(line.starts_with("k: \""), "{line}");
        }
        assert_eq!(to_yaml(&json!({"image": "quay.io/org/web:abc1234"})), "image: quay.io/org/web:abc1234\n");
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            "[a-zA-Z0-9 :#\\-\n\t'\"{}\\[\\],&*!|>%@`$.~]{0,24}",
            "(yes|no|on|off|y|n|null|~|true|0x1|1e3|0644|\\.inf|1_0|<<|=|---|\\.\\.\\.)",
            "( ?[a-z]{1,3} ?\n){1,4}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e15..1e15f64).prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_the_same(value in values()) {
            let wrapped = json!({ "v": value });
            let text = to_yaml(&wrapped);
            prop_assert_eq!(documents(&text), Ok(vec![wrapped]), "{}", text);
        }
    }
}
