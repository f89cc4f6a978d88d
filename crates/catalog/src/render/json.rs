use serde_json::{Value, json};

use super::severity_word;
use crate::diagnostic::{Diagnostic, Place};

/// All diagnostics as one JSON array, with every field that a [`Diagnostic`] has.
#[must_use]
pub fn json(diagnostics: &[Diagnostic]) -> Value {
    let place =
        |place: &Place| json!({"file": *place.file, "line": place.line, "column": place.column, "start": place.start, "end": place.end});
    let one = |found: &Diagnostic| {
        let related: Vec<Value> = found.related.iter().map(|(at, remark)| json!({"place": place(at), "remark": remark})).collect();
        json!({
            "rule": found.rule,
            "severity": severity_word(found.severity),
            "place": place(&found.place),
            "message": found.message,
            "mend": found.mend,
            "related": related,
        })
    };
    diagnostics.iter().map(one).collect()
}
