//! What differs between two objects, for people.

use serde_json::Value;
use similar::TextDiff;

use crate::secret_fields::{self, Shown};

/// Lines of context around each difference.
const CONTEXT: usize = 3;

/// The most lines that are told of one object: more, nobody reads.
const LINES_MAX: usize = 400;

/// Stands for the lines of an object of which nothing can be shown.
const NOTHING_SHOWN: &str = "(secret or generated values stand in it, and nobody can tell where: its lines are hidden)";

/// The unified diff of two objects as YAML; an absent one is empty. Values of secrets are hidden: that one changed is shown, not what it is.
pub fn unified(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let (mut before, mut after) = (before.cloned(), after.cloned());
    if secret_fields::hide(&mut before, &mut after) == Shown::Nothing {
        return vec![NOTHING_SHOWN.to_owned()];
    }
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
