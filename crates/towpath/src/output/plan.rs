//! `plan`: what would happen.

use towpath_control::view::PlanView;

use super::{Look, status, words};

/// What would be done first, then what is held and by what, then how many are as they should be.
pub fn render(view: &PlanView, look: &Look) -> String {
    let mut text = format!("Plan of {}\n", words::line(&view.of));
    for diagnostic in &view.diagnostics {
        text.push_str(&format!("  {}\n", words::wrap(diagnostic, look.width, 4)));
    }
    let mut acts = String::new();
    let mut held = String::new();
    let mut settled = 0usize;
    for line in &view.lines {
        let verdict = &line.verdict;
        match verdict.state.as_str() {
            "act" => {
                let now = line.current.as_ref().map(|commit| format!(", now at {}", words::short(commit))).unwrap_or_default();
                acts.push_str(&format!("  {}{now}\n", words::line(&line.title)));
                acts.push_str(&format!("    - {}\n", words::wrap(&verdict.summary, look.width, 6)));
            }
            "held" => {
                held.push_str(&format!("  {}\n", words::line(&line.title)));
                held.push_str(&status::holds(&verdict.holds, 4, look));
            }
            _ => settled += 1,
        }
    }
    if !acts.is_empty() {
        text.push_str(&format!("\nWould be done:\n{acts}"));
    }
    if !held.is_empty() {
        text.push_str(&format!("\nHeld:\n{held}"));
    }
    let deleting = view.lines.iter().filter(|line| !line.deletes.is_empty());
    for line in deleting {
        text.push_str(&format!("\n{} would delete:\n", words::line(&line.title)));
        for object in &line.deletes {
            text.push_str(&format!("  {}\n", words::line(object)));
        }
    }
    match settled {
        0 if view.lines.is_empty() => text.push_str("\nThere is nothing to plan: no source, no target.\n"),
        0 => {}
        settled => text.push_str(&format!("\nUp to date: {settled} of {}\n", view.lines.len())),
    }
    text
}
