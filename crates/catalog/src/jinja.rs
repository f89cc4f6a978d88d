//! The part of app-interface's templates in targets that Towpath carries out: plain lookups in triple curly brackets.
//!
//! `{{{ resource.namespace.cluster.name }}}` and its like are filled in; filters, blocks and comments are not supported,
//! and said to be so.

use serde_json::Value;

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The feature is not supported.
    Unsupported(String),
    /// There is no such thing to look up.
    Unknown(String),
}

/// Whether there is anything to fill in.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{{") || text.contains("{{%") || text.contains("{{#")
}

/// Fills `text` in from `resource`, the value of the only variable.
pub(crate) fn fill(text: &str, resource: &Value) -> Result<String, Refused> {
    if text.contains("{{%") || text.contains("{{#") {
        return Err(Refused::Unsupported("blocks and comments in templates".to_owned()));
    }
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{{") {
        let Some((expression, after)) = after.split_once("}}}") else {
            return Err(Refused::Unsupported("a `{{{` without `}}}`".to_owned()));
        };
        filled.push_str(before);
        filled.push_str(&look_up(expression.trim(), resource)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn look_up(expression: &str, resource: &Value) -> Result<String, Refused> {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !expression.split('.').all(word) {
        return Err(Refused::Unsupported(format!("the expression `{}`", expression.escape_debug())));
    }
    let unknown = || Refused::Unknown(expression.to_owned());
    let mut parts = expression.split('.');
    if parts.next() != Some("resource") {
        return Err(unknown());
    }
    let mut value = resource;
    for part in parts {
        value = value.get(part).ok_or_else(unknown)?;
    }
    match value {
        Value::String(text) => Ok(text.clone()),
        // What is there but empty reads `None` in Python; nobody wants that in a parameter.
        Value::Null => Err(unknown()),
        Value::Object(_) | Value::Array(_) => Err(Refused::Unsupported(format!("`{expression}`, which is no text"))),
        other => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_lookups_are_filled_in_and_anything_more_is_refused() {
        let resource = json!({"namespace": {"name": "web-stage", "cluster": {"name": "c1", "serverUrl": null}}});
        let filled = fill("https://{{{ resource.namespace.name }}}.{{{resource.namespace.cluster.name}}}.example.com", &resource);
        assert_eq!(filled.unwrap(), "https://web-stage.c1.example.com");
        assert_eq!(fill("{{ .Values.x }}", &resource).unwrap(), "{{ .Values.x }}");
        for (text, unsupported) in [
            ("{{{ resource.namespace.nam }}}", false),
            ("{{{ other.x }}}", false),
            ("{{{ resource.namespace.cluster.serverUrl }}}", false),
            ("{{{ resource.namespace }}}", true),
            ("{{{ resource.namespace.name | upper }}}", true),
            ("{{{ resource.namespace.name", true),
            ("{{% if true %}}x{{% endif %}}", true),
        ] {
            let refused = fill(text, &resource).unwrap_err();
            assert_eq!(matches!(refused, Refused::Unsupported(_)), unsupported, "{text}: {refused:?}");
        }
    }
}
