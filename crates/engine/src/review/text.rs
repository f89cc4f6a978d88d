//! Every word on a change's review, for its comments and for pages. Names and what people wrote stand in backticks, so that no forge calls
//! anybody or makes a link of it.

use super::input::CheckState;
use super::verdict::{Need, ReviewHold, ReviewVerdict, Told};

/// How many of a list are named.
const NAMED: usize = 5;

/// The longest quotation of what somebody wrote, in characters.
const QUOTED: usize = 200;

/// What holds, in a sentence without its full stop.
#[must_use]
pub fn hold_text(hold: &ReviewHold) -> String {
    match hold {
        ReviewHold::Missing { need, have, count, .. } => {
            let what = match need {
                Need::Files { files } => list(files),
                Need::Policy { policy, targets, place } => format!("{} (policy {}, {place})", list(targets), code(policy)),
            };
            format!("{have} of {count} {} for {what}", if *count == 1 { "approval" } else { "approvals" })
        }
        ReviewHold::NoApprover { files, decides } => {
            let why = if *decides { "they decide who may approve what, and no catch-all role is in force" } else { "no role covers them" };
            format!("nobody may approve {}: {why}", list(files))
        }
        ReviewHold::TouchesNothing => "it is not known to touch any file, so that nobody can tell who is to approve it".to_owned(),
        ReviewHold::PolicyBroken { policy, error, place } => {
            format!("nobody can tell what the policy {} ({place}) asks for: {}", code(policy), code(error))
        }
        ReviewHold::Stale { by } => format!("what {} approved is not the newest commit", list(by)),
        ReviewHold::Refused { by, at } => format!("{} asks for changes since {at}", code(by)),
        ReviewHold::Held { by, reason: None, since, .. } => format!("{} holds it since {since}", code(by)),
        ReviewHold::Held { by, reason: Some(reason), since, .. } => format!("{} holds it since {since}: {}", code(by), code(reason)),
        ReviewHold::Labelled { label, by: None } => format!("it has the label {}", code(label)),
        ReviewHold::Labelled { label, by: Some(by) } => format!("{} gave it the label {}", code(by), code(label)),
        ReviewHold::Draft => "it is a draft".to_owned(),
        ReviewHold::Conflict => "it conflicts with its branch".to_owned(),
        ReviewHold::NothingRequired => "no check is required of it, and what nothing checks is not merged".to_owned(),
        ReviewHold::Check { name, state } => {
            let state = match state {
                CheckState::Missing => "has not run for the newest commit",
                CheckState::Running => "is under way",
                CheckState::Failed => "failed",
                CheckState::Skipped => "was skipped, which is no pass",
                CheckState::Passed => "passed",
            };
            format!("the check {} {state}", code(name))
        }
    }
}

/// What lifts a hold, in a sentence without its full stop.
#[must_use]
pub fn lift_text(hold: &ReviewHold) -> String {
    match hold {
        ReviewHold::Missing { roles, could, .. } if could.is_empty() => {
            format!("nobody could give it: give somebody else the role {}, and an account at this forge", list(roles))
        }
        ReviewHold::Missing { could, .. } => format!("a review that approves, or `/lgtm`, by {}", any(could)),
        ReviewHold::NoApprover { decides: true, .. } => "give somebody a role with `approves: all`".to_owned(),
        ReviewHold::NoApprover { .. } => "give somebody a role that covers them, or one with `approves: all`".to_owned(),
        ReviewHold::TouchesNothing => "push a commit that changes something, or close it".to_owned(),
        ReviewHold::PolicyBroken { .. } => "mend the policy first, in a change of its own".to_owned(),
        ReviewHold::Stale { .. } => "approve the newest commit".to_owned(),
        ReviewHold::Refused { by, .. } => format!("a review by {} that approves, or the dismissal of the one that does not", code(by)),
        ReviewHold::Held { by, author: true, .. } => format!("`/hold cancel` by {} or any approver", code(by)),
        ReviewHold::Held { by, roles, .. } => format!("`/hold cancel` by {} or somebody else with the role {}", code(by), any(roles)),
        ReviewHold::Labelled { label, .. } => format!("take the label {} off", code(label)),
        ReviewHold::Draft => "mark it as ready".to_owned(),
        ReviewHold::Conflict => "`/rebase`, or mend the conflict by hand".to_owned(),
        ReviewHold::NothingRequired => "require a check in the branch's protection".to_owned(),
        ReviewHold::Check { state: CheckState::Running, .. } => "it ends by itself".to_owned(),
        ReviewHold::Check { .. } => "mend what it says, or `/retest`".to_owned(),
    }
}

/// The answer to `/why`: what the change waits for, line by line.
#[must_use]
pub fn why(verdict: &ReviewVerdict) -> String {
    if verdict.may_merge() {
        return "Nothing holds this change: it is merged when its turn comes.".to_owned();
    }
    let lines = verdict.holds.iter().map(|hold| format!("- {}. To lift it: {}.\n", hold_text(hold), lift_text(hold)));
    format!("This change waits:\n\n{}", lines.collect::<String>())
}

/// Why a command had no effect, in a sentence without its full stop.
#[must_use]
pub fn told_text(told: &Told) -> String {
    match told {
        Told::Unknown { command } => {
            format!(
                "there is no command {}; there are `/lgtm`, `/lgtm cancel`, `/hold`, `/hold cancel`, `/retest`, `/rebase`, `/why`",
                code(command)
            )
        }
        Told::NotAllowed { command } => {
            format!("{} is for those who may approve this change; your account has no role that covers it", code(command))
        }
        Told::OwnChange => "who wrote a change or asked for it does not approve it: somebody else must".to_owned(),
        Told::Edited { command } => {
            format!("{} in a comment that was edited does not count, as others may have edited it: write a new one", code(command))
        }
        Told::NotYours { by } => format!("only {} or somebody of the same role may lift that hold", any(by)),
    }
}

/// A text as code in Markdown: on one line, bounded, with nothing in it that ends the code.
#[must_use]
pub fn code(text: &str) -> String {
    let mut plain: String = text
        .chars()
        .map(|c| {
            if c.is_control() {
                ' '
            } else if c == '`' {
                '\''
            } else {
                c
            }
        })
        .take(QUOTED + 1)
        .collect();
    if let Some((end, _)) = plain.char_indices().nth(QUOTED) {
        plain.truncate(end);
        plain.push('…');
    }
    format!("`{plain}`")
}

fn list(all: &[String]) -> String {
    joined(all, "and")
}

fn any(all: &[String]) -> String {
    joined(all, "or")
}

fn joined(all: &[String], word: &str) -> String {
    let named: Vec<String> = all.iter().take(NAMED).map(|one| code(one)).collect();
    match (named.as_slice(), all.len().saturating_sub(NAMED)) {
        ([], _) => "nobody".to_owned(),
        ([one], 0) => one.clone(),
        ([first @ .., last], 0) => format!("{} {word} {last}", first.join(", ")),
        (some, more) => format!("{} {word} {more} more", some.join(", ")),
    }
}
