use std::fmt::Write;

use super::{harmless, severity_word};
use crate::diagnostic::Diagnostic;

/// One line for each: `file:line:column: error[rule]: message; mend`. Editors jump to such lines.
#[must_use]
pub fn lines(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for found in diagnostics {
        let place = harmless(&found.place.to_string());
        let (message, mend) = (harmless(&found.message), harmless(&found.mend));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{place}: {}[{}]: {message}; {mend}", severity_word(found.severity), found.rule);
    }
    out
}
