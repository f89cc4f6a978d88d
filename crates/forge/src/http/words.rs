//! What a forge says when it refuses, in words for people.

use serde_json::Value;

/// How much of it is told, in characters.
const WORDS_MAX: usize = 300;

/// How much of an answer is looked at, in bytes. What is longer is no refusal.
const LOOKED_AT_MAX: usize = 256 << 10;

/// What the text of an answer says, on one line: `message`, `error`, `error_description` and `errors` of its JSON, whatever shape they have.
pub(crate) fn words(text: &str) -> String {
    let text = text.trim();
    let parsed = if text.len() > LOOKED_AT_MAX { None } else { serde_json::from_str::<Value>(text).ok() };
    let mut said = Vec::new();
    match &parsed {
        Some(Value::Object(fields)) => {
            for name in ["message", "error", "error_description", "errors"] {
                if let Some(value) = fields.get(name) {
                    gather(value, &mut said);
                }
            }
        }
        Some(Value::String(text)) => said.push(text.clone()),
        _ => {}
    }
    said.dedup();
    match parsed {
        _ if !said.is_empty() => one_line(&said.join("; ")),
        None if text.starts_with('<') => "a web page, which is no answer of an API".to_owned(),
        _ if text.is_empty() => "nothing more".to_owned(),
        _ => one_line(text),
    }
}

/// All that is said in a value: texts, lists of them, texts by field, and what GitHub says of a field.
fn gather(value: &Value, said: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.trim().is_empty() => said.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| gather(value, said)),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            match (text("message"), text("field"), text("code")) {
                (Some(message), _, _) => said.push(message.to_owned()),
                (None, Some(field), Some(code)) => said.push(format!("{field}: {code}")),
                _ => {
                    for (name, value) in fields {
                        let mut inner = Vec::new();
                        gather(value, &mut inner);
                        said.extend(inner.into_iter().map(|text| format!("{name}: {text}")));
                    }
                }
            }
        }
        _ => {}
    }
}

/// On one line, and not too long.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, word) in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).enumerate() {
        if count > 0 {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > 4 * WORDS_MAX {
            break;
        }
    }
    match line.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_refusal_is_read_whatever_shape_it_has() {
        for (text, expected) in [
            (r#"{"message":"Not Found","documentation_url":"https://x"}"#, "Not Found"),
            (r#"{"message":["a","b"]}"#, "a; b"),
            (r#"{"message":{"title":["is missing"],"base":["x"]}}"#, "base: x; title: is missing"),
            (r#"{"error":"invalid_token","error_description":"It\nhas ended."}"#, "invalid_token; It has ended."),
            (
                r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"head","code":"invalid"},{"code":"custom","message":"No commits between a and b"}]}"#,
                "Validation Failed; head: invalid; No commits between a and b",
            ),
            (r#"{"message":"No","errors":["first","second"]}"#, "No; first; second"),
            (r#"{"message":"No","errors":"only"}"#, "No; only"),
            (r#""plain""#, "plain"),
            (r#"{"other":1}"#, r#"{"other":1}"#),
            ("busy\r\n now", "busy now"),
            ("<html><h1>502</h1>", "a web page, which is no answer of an API"),
            ("", "nothing more"),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_it_is_it_is_one_short_line(text in "\\PC{0,900}|[\\s\\S]{0,400}") {
            let told = words(&text);
            prop_assert!(told.chars().count() <= WORDS_MAX + 1 && !told.contains(['\n', '\r', '\0']), "{told:?}");
        }
    }
}
