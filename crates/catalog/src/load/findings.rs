//! Diagnostics while a catalog is made.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place, Severity, clip};
use crate::read::{Parsed, Ref};
use crate::suggest;

/// How many distinct missing paths are compared with all known ones. Comparing costs a millisecond; a folder that was
/// moved away breaks thousands of references, and nobody reads the advice on each.
const MAX_SUGGESTIONS: usize = 200;

/// What was found up to now.
#[derive(Debug, Default, Clone)]
pub(super) struct Findings {
    diagnostics: Vec<Diagnostic>,
    /// References to nothing: the diagnostic's index, the path, the type that was looked for.
    missing: Vec<(usize, Box<str>, &'static str)>,
}

impl Findings {
    pub fn error(&mut self, rule: &'static str, place: Place, message: impl Into<String>, mend: impl Into<String>) -> &mut Diagnostic {
        self.push(rule, Severity::Error, place, message.into(), mend.into())
    }

    pub fn warn(&mut self, rule: &'static str, place: Place, message: impl Into<String>, mend: impl Into<String>) {
        self.push(rule, Severity::Warning, place, message.into(), mend.into());
    }

    fn push(&mut self, rule: &'static str, severity: Severity, place: Place, message: String, mend: String) -> &mut Diagnostic {
        let at = self.diagnostics.len();
        self.diagnostics.push(Diagnostic { rule, severity, place, message: clip(message), mend: clip(mend), related: Vec::new() });
        &mut self.diagnostics[at]
    }

    /// A reference to a file that is not there. What may have been meant is looked for at the end.
    pub fn missing(&mut self, file: &Arc<str>, to: &Ref, schema: &'static str) {
        let message = format!("there is no file `data{}`", to.path.escape_debug());
        self.missing.push((self.diagnostics.len(), to.path.clone(), schema));
        self.error("unknown-reference", to.spot.place(file), message, String::new());
    }

    pub fn append(&mut self, other: Self) {
        let offset = self.diagnostics.len();
        self.missing.extend(other.missing.into_iter().map(|(at, path, schema)| (at + offset, path, schema)));
        self.diagnostics.extend(other.diagnostics);
    }

    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.diagnostics.extend(diagnostics);
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// The first error's message.
    pub fn first_error(&self) -> Option<&str> {
        self.error_after(0)
    }

    /// The message of the first error after `count` others.
    pub fn error_after(&self, count: usize) -> Option<&str> {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).nth(count).map(|found| found.message.as_str())
    }

    /// All diagnostics, sorted by file, line, column and rule.
    pub fn finish(mut self, files: &[Arc<Parsed>]) -> Vec<Diagnostic> {
        let mut known: HashMap<(Box<str>, &str), String> = HashMap::new();
        let mut missing = std::mem::take(&mut self.missing);
        missing.sort_unstable_by(|a, b| (&a.1, a.2).cmp(&(&b.1, b.2)));
        for (at, path, schema) in missing {
            let otherwise = format!("Add the file, with `$schema: {schema}`, or mend the path.");
            let mend = if known.len() < MAX_SUGGESTIONS {
                let mend = || {
                    let of_type = files.iter().filter(|file| file.schema.as_deref() == Some(schema));
                    suggest::mend(&path, of_type.filter_map(|file| file.path.strip_prefix("data")), &otherwise)
                };
                known.entry((path.clone(), schema)).or_insert_with(mend).clone()
            } else {
                known.get(&(path, schema)).cloned().unwrap_or(otherwise)
            };
            if let Some(found) = self.diagnostics.get_mut(at) {
                found.mend = mend;
            }
        }
        let key = |found: &Diagnostic| (Arc::clone(&found.place.file), found.place.line, found.place.column, found.rule);
        self.diagnostics.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message)));
        self.diagnostics.dedup();
        self.diagnostics
    }
}
