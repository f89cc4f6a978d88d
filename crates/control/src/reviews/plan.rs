//! What a change to the config repository would do: the plan with it, where that says something else than the plan without it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use towpath_domain::Pages;

use super::checks::code;
use crate::view::{CommitView, PlanLine};

/// How many lines of a plan are shown; the rest are counted.
const SHOWN: usize = 100;

/// What a change would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// One line.
    pub(super) summary: String,
    /// All of it, in Markdown.
    pub(super) text: String,
}

/// Compares the plan as it is with the plan as it would be.
pub(super) fn difference(before: &[PlanLine], after: &[PlanLine], pages: Option<&Pages>) -> Difference {
    let known: BTreeMap<(&str, &str), &PlanLine> = before.iter().map(|line| ((line.kind.as_str(), line.title.as_str()), line)).collect();
    let says =
        |line: &PlanLine| (line.verdict.state.clone(), line.verdict.summary.clone(), line.verdict.wanted.clone(), line.deletes.clone());
    let of = |line: &&PlanLine| line.kind != "change";
    let other = |line: &&PlanLine| known.get(&(line.kind.as_str(), line.title.as_str())).is_none_or(|known| says(known) != says(line));
    let differs: Vec<&PlanLine> = after.iter().filter(of).filter(other).collect();
    let (acts, rest): (Vec<&PlanLine>, Vec<&PlanLine>) = differs.into_iter().partition(|line| line.verdict.state == "act");
    let gone: Vec<&PlanLine> =
        before.iter().filter(of).filter(|line| !after.iter().any(|new| new.kind == line.kind && new.title == line.title)).collect();
    if acts.is_empty() && rest.is_empty() && gone.is_empty() {
        return Difference { summary: "nothing is deployed by it".to_owned(), text: "Nothing is deployed by this change.\n".to_owned() };
    }
    let mut text = String::new();
    section(&mut text, "When this is merged", &acts, |line| {
        let deletes = line.deletes.iter().take(20).map(|object| code(object)).collect::<Vec<_>>().join(", ");
        let deletes = if deletes.is_empty() { deletes } else { format!(" **Deletes** {deletes}.") };
        format!("{}: {}{}.{deletes}", title(line, pages), moves(line, pages), code(&line.verdict.summary))
    });
    section(&mut text, "What waits then", &rest, |line| {
        format!("{}: {}{}", title(line, pages), moves(line, pages), code(&line.verdict.summary))
    });
    section(&mut text, "No longer there", &gone, |line| {
        format!("{}: what it deployed stays where it is, unless the file says `delete: true` first", code(&line.title))
    });
    let count = |number: usize, what: &str| if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") };
    let mut summary: Vec<String> = Vec::new();
    if let [only] = acts.as_slice() {
        summary.push(format!("{}: {}", only.title, only.verdict.summary));
    } else if !acts.is_empty() {
        summary.push(count(acts.len(), "action"));
    }
    if !rest.is_empty() {
        summary.push(format!("{} otherwise held or at rest", count(rest.len(), "target")));
    }
    if !gone.is_empty() {
        summary.push(format!("{} no longer there", count(gone.len(), "target")));
    }
    Difference { summary: summary.join(", "), text }
}

fn section(text: &mut String, title: &str, lines: &[&PlanLine], says: impl Fn(&PlanLine) -> String) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(text, "**{title}**\n\n");
    for line in lines.iter().take(SHOWN) {
        let _ = writeln!(text, "- {}", says(line));
    }
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "- and {more} more");
    }
    text.push('\n');
}

/// What it is about, with its page.
fn title(line: &PlanLine, pages: Option<&Pages>) -> String {
    linked(code(&line.title), line.target.as_ref().zip(pages).map(|(target, pages)| pages.target(target)))
}

/// From what runs to what would run, where that is another commit.
fn moves(line: &PlanLine, pages: Option<&Pages>) -> String {
    let name = |commit: &CommitView| linked(format!("`{}`", commit.id.short(7)), pages.map(|pages| pages.commit(commit.id)));
    match (&line.current, &line.verdict.wanted) {
        (Some(now), Some(then)) if now.id != then.id => format!("{} → {}, ", name(now), name(then)),
        (None, Some(then)) => format!("→ {}, ", name(then)),
        _ => String::new(),
    }
}

/// A text that leads to an address, where there is one.
pub(super) fn linked(text: String, address: Option<String>) -> String {
    match address {
        Some(address) => format!("[{text}]({address})"),
        None => text,
    }
}
