//! Diagnostics for people and for tools.

mod json;
mod lines;
mod sarif;
mod terminal;

pub use json::json;
pub use lines::lines;
pub use sarif::sarif;
pub use terminal::terminal;

use crate::diagnostic::Severity;

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Text from a repository may hold escape sequences for terminals; they are shown, not obeyed.
fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests;
