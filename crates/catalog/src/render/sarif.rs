use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::severity_word;
use crate::diagnostic::{Diagnostic, Place};

/// All diagnostics as a SARIF 2.1.0 log (OASIS, "Static Analysis Results Interchange Format", 2020), as code hosts show it.
#[must_use]
pub fn sarif(diagnostics: &[Diagnostic]) -> Value {
    let rules: BTreeSet<&str> = diagnostics.iter().map(|found| found.rule).collect();
    let rules: Vec<&str> = rules.into_iter().collect();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|found| {
            let related: Vec<Value> = found
                .related
                .iter()
                .map(|(place, remark)| json!({"physicalLocation": location(place), "message": {"text": remark}}))
                .collect();
            json!({
                "ruleId": found.rule,
                "ruleIndex": rules.binary_search(&found.rule).unwrap_or_default(),
                "level": severity_word(found.severity),
                "message": {"text": format!("{}. {}", found.message, found.mend)},
                "locations": [{"physicalLocation": location(&found.place)}],
                "relatedLocations": related,
            })
        })
        .collect();
    let rules: Vec<Value> = rules.iter().map(|rule| json!({"id": rule})).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "towpath", "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A place as SARIF tells it: paths are URIs there.
fn location(place: &Place) -> Value {
    let mut uri = String::new();
    for byte in place.file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    json!({
        "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
        "region": {
            "startLine": place.line,
            "startColumn": place.column,
            "byteOffset": place.start,
            "byteLength": place.end.saturating_sub(place.start),
        },
    })
}
