//! What the checks say of a change, in the words of statuses.

use towpath_forge::{Status, StatusState};
use towpath_runs::checks::Gate;

use super::plan::Difference;

/// The name of the check that the config repository stays valid.
pub(super) const VALIDATION: &str = "towpath/validation";
/// The name of the check that every ref that is set is vouched for.
pub(super) const GATE: &str = "towpath/gate";
/// The name of the check that it is known what would be deployed where.
pub(super) const PLAN: &str = "towpath/plan";

/// How many lines of a check's findings are told; the rest are counted.
const TOLD: usize = 50;

/// The status of the validation.
pub(super) fn validation(errors: &[String]) -> Status {
    match errors {
        [] => passed(VALIDATION, "the config repository stays valid"),
        [first, ..] => failed(VALIDATION, &counted(errors, first), errors),
    }
}

/// The status of the promotion gate.
pub(super) fn gate(gate: &Gate) -> Status {
    match (gate.refused.as_slice(), gate.overridden.as_slice(), gate.asked) {
        ([first, ..], ..) => failed(GATE, &counted(&gate.refused, first), &gate.refused),
        ([], [], 0) => passed(GATE, "no subscriber's ref is set"),
        ([], [], _) => passed(GATE, "all channels vouch for what is promoted"),
        ([], [first, ..], _) => Status { details: lines(&gate.overridden), ..passed(GATE, &counted(&gate.overridden, first)) },
    }
}

/// The status of the plan: it says what happens, and passes.
pub(super) fn plan(difference: &Difference) -> Status {
    Status { details: difference.text.clone(), ..passed(PLAN, &difference.summary) }
}

/// Nothing can be checked of a change that does not merge.
pub(super) fn conflict(context: &str) -> Status {
    let summary = "it conflicts with the config repository".to_owned();
    Status { context: context.to_owned(), state: StatusState::Failure, summary, details: String::new(), url: None }
}

fn passed(context: &str, summary: &str) -> Status {
    let (context, summary) = (context.to_owned(), summary.to_owned());
    Status { context, state: StatusState::Success, summary, details: String::new(), url: None }
}

fn failed(context: &str, summary: &str, all: &[String]) -> Status {
    let (context, summary) = (context.to_owned(), summary.to_owned());
    Status { context, state: StatusState::Failure, summary, details: lines(all), url: None }
}

fn counted(all: &[String], first: &str) -> String {
    match all.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} (and {} more)", more - 1),
    }
}

/// Findings as a list in Markdown, each as code, so that nothing in it is taken for a name or a link.
pub(super) fn lines(all: &[String]) -> String {
    let mut text: String = all.iter().take(TOLD).map(|line| format!("- {}\n", code(line))).collect();
    if let Some(more) = all.len().checked_sub(TOLD).filter(|more| *more > 0) {
        text.push_str(&format!("- and {more} more\n"));
    }
    text
}

/// A text as code in Markdown, on one line.
pub(super) fn code(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // A fence is longer than what it holds.
    let longest = plain.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("`{plain}`") } else { format!("{fence} {plain} {fence}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_the_first_finding_and_counts_the_rest() {
        let errors: Vec<String> = (1..=60).map(|n| format!("data/a.yml:{n}:1: rule: wrong")).collect();
        let status = validation(&errors);
        assert_eq!((status.state, status.summary.as_str()), (StatusState::Failure, "data/a.yml:1:1: rule: wrong (and 59 more)"));
        assert!(status.details.ends_with("- and 10 more\n"), "{}", status.details);
        assert_eq!(validation(&[]).state, StatusState::Success);
    }

    #[test]
    fn an_override_passes_and_is_shown() {
        let refused = Gate { refused: vec!["web: nobody vouches".to_owned()], overridden: vec!["api: a hotfix".to_owned()], asked: 2 };
        assert_eq!(gate(&refused).state, StatusState::Failure);
        let shown = gate(&Gate { refused: Vec::new(), ..refused });
        assert_eq!((shown.state, shown.summary.as_str()), (StatusState::Success, "api: a hotfix"));
    }

    #[test]
    fn code_ends_where_it_should() {
        assert_eq!(code("a\nb"), "`a b`");
        assert_eq!(code("`@team` and ``"), "``` `@team` and `` ```");
    }
}
