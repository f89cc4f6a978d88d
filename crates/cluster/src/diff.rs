//! What differs between two objects, for people.

use serde_json::Value;
use similar::TextDiff;

/// Lines of context around each difference.
const CONTEXT: usize = 3;

/// The most lines that are told of one object: more, nobody reads.
const LINES_MAX: usize = 400;

/// The unified diff of two objects as YAML; an absent one is empty. Values of secrets are hidden: that one changed is shown, not what it is.
pub(crate) fn unified(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let (mut before, mut after) = (before.cloned(), after.cloned());
    hide(before.as_mut(), after.as_mut());
    let text = |object: &Option<Value>| object.as_ref().map(towpath_template::yaml::to_yaml).unwrap_or_default();
    let (old, new) = (text(&before), text(&after));
    let diff = TextDiff::from_lines(&old, &new);
    let shown = diff.unified_diff().context_radius(CONTEXT).to_string();
    let mut lines: Vec<String> = shown.lines().map(str::to_owned).collect();
    if lines.len() > LINES_MAX {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("… and {more} lines more"));
    }
    lines
}

/// Replaces every value of a `Secret`; of a new one that differs, that much is said.
fn hide(before: Option<&mut Value>, after: Option<&mut Value>) {
    let old = before.as_deref().cloned();
    if let Some(after) = after {
        hide_values(after, &|field, key, new| match old.as_ref().and_then(|old| old.get(field)?.get(key)) {
            Some(old) if old != new => "(hidden, changed)",
            _ => "(hidden)",
        });
    }
    if let Some(before) = before {
        hide_values(before, &|_, _, _| "(hidden)");
    }
}

fn hide_values(object: &mut Value, shown: &dyn Fn(&str, &str, &Value) -> &'static str) {
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    for field in ["data", "stringData"] {
        let values = object.get_mut(field).and_then(Value::as_object_mut);
        for (key, value) in values.into_iter().flatten() {
            *value = Value::from(shown(field, key, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secrets_values_never_show_and_a_changed_one_is_told() {
        let before = json!({"kind": "Secret", "data": {"password": "b2xk", "user": "bWU="}});
        let after = json!({"kind": "Secret", "data": {"password": "bmV3", "user": "bWU="}, "stringData": {"more": "plain"}});
        let shown = unified(Some(&before), Some(&after)).join("\n");
        assert!(shown.contains("(hidden, changed)") && shown.contains("more:") && shown.contains("(hidden)"), "{shown}");
        for value in ["b2xk", "bmV3", "bWU=", "plain"] {
            assert!(!shown.contains(value), "{shown}");
        }
    }

    #[test]
    fn equal_objects_have_no_lines_and_a_changed_field_shows_both_values() {
        let object = json!({"kind": "ConfigMap", "data": {"a": "1"}});
        assert!(unified(Some(&object), Some(&object)).is_empty());
        let other = json!({"kind": "ConfigMap", "data": {"a": "2"}});
        let shown = unified(Some(&object), Some(&other)).join("\n");
        assert!(shown.contains("-  a: \"1\"") && shown.contains("+  a: \"2\""), "{shown}");
    }
}
