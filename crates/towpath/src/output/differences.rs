//! `plan --diff`: what would change in the clusters.

use towpath_control::view::{DiffView, ObjectDiffView, PlanView};

use super::{Look, words};

/// The differences of each target that has any, or why there is no telling; nothing when nobody asked.
pub fn render(view: &PlanView, look: &Look, color: bool) -> String {
    let mut text = String::new();
    let mut same = 0usize;
    for (line, diff) in view.lines.iter().filter_map(|line| Some((line, line.diff.as_ref()?))) {
        if diff.error.is_none() && diff.objects.is_empty() {
            same += 1;
            continue;
        }
        text.push_str(&one(&line.title, diff, look, color));
    }
    match same {
        0 => {}
        1 => text.push_str("\nNothing would change in the cluster of 1 target.\n"),
        same => text.push_str(&format!("\nNothing would change in the clusters of {same} targets.\n")),
    }
    text
}

fn one(title: &str, diff: &DiffView, look: &Look, color: bool) -> String {
    let at = diff.commit.as_ref().map(|commit| format!(" at {}", words::short(commit))).unwrap_or_default();
    if let Some(error) = &diff.error {
        return format!("\n{}{at} cannot be compared:\n  {}\n", words::line(title), words::wrap(error, look.width, 4));
    }
    let mut text = format!("\n{}{at} would change:\n", words::line(title));
    for object in &diff.objects {
        text.push_str(&format!("  {} {}\n", words::line(&object.object), words::line(&object.change)));
        text.push_str(&lines(object, color));
    }
    text
}

fn lines(object: &ObjectDiffView, color: bool) -> String {
    let mut text = String::new();
    for line in &object.lines {
        let paint = match line.as_bytes().first() {
            Some(b'+') => "\x1b[32m",
            Some(b'-') => "\x1b[31m",
            Some(b'@') => "\x1b[36m",
            _ => "",
        };
        let (paint, plain) = if color && !paint.is_empty() { (paint, "\x1b[0m") } else { ("", "") };
        text.push_str(&format!("    {paint}{}{plain}\n", words::line(line)));
    }
    text
}
