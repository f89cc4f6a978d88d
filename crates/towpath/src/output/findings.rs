//! `doctor`: what is well and what is not.

use towpath_control::view::Finding;

use super::{Look, words};

/// One line per finding, with its mend below.
pub fn render(findings: &[Finding], look: &Look) -> String {
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let indent = width + 11;
        let told = words::wrap(&finding.text, look.width, indent);
        text.push_str(&format!("{:7}  {:width$}  {told}\n", finding.level, words::line(&finding.what)));
        if !finding.mend.is_empty() {
            text.push_str(&format!("{}help: {}\n", " ".repeat(indent), words::wrap(&finding.mend, look.width, indent + 6)));
        }
    }
    text
}
