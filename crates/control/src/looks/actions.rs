//! What can be done about a thing now, in one place: pages make buttons of it, and each names the command that does the same.

use towpath_catalog::Catalog;
use towpath_engine::{Facts, HOLDS, Hold, State, Subject, Unvouched, Verdict};

use crate::requests::has_failed;
use crate::view::ActionView;
use crate::words;

/// What can be done about a subject, the most helpful first.
pub(crate) fn of_subject(catalog: &Catalog, facts: &Facts, subject: &Subject, verdict: Option<&Verdict>) -> Vec<ActionView> {
    let title = words::typed(catalog, subject);
    let holds: &[Hold] = match verdict.map(|verdict| &verdict.state) {
        Some(State::Held { holds }) => holds,
        _ => &[],
    };
    let mut actions = Vec::new();
    if has_failed(facts, subject) {
        actions.push(retry(&title, facts.memory.get(subject).copied()));
        if holds.iter().any(|hold| matches!(hold, Hold::Failed { .. } | Hold::BuildFailed { .. } | Hold::ChangeFailed { .. })) {
            actions.push(action("ack", &title, "I see to it", "nobody else is called for this failure"));
        }
    }
    for hold in holds {
        match hold {
            Hold::NotAutomatic { candidate } => {
                let text = format!("a change sets {title} to {}; it goes when its checks pass", words::short(*candidate));
                actions.push(promote(&title, &words::short(*candidate), &text));
            }
            Hold::Frozen { policy, place, .. } if place.file.starts_with(HOLDS) => {
                actions.push(action("release", policy, "Release the hold", "a change lifts the hold; what waits for it goes on"));
            }
            Hold::Unvouched { publisher: Some(publisher), why: Unvouched::Failed { .. }, .. } => {
                let publisher = words::target_title(catalog, publisher);
                actions.push(action("retry", &publisher, &format!("Retry {publisher}"), "what it waits for is tried again"));
            }
            _ => {}
        }
    }
    if let Some((run, _)) = facts.open_runs.iter().find(|(_, open)| open.subject == *subject) {
        actions.push(action("cancel", run.as_str(), "Stop the run", "the run is stopped; what it was for is held until somebody retries"));
    }
    if let Subject::Target(id) = subject
        && let Some(target) = catalog.targets.get(id)
    {
        let follows = target.git_ref.commit().is_none();
        let is_frozen = holds.iter().any(|hold| matches!(hold, Hold::Frozen { .. }));
        if !follows && !target.promotion.subscribe.is_empty() && !actions.iter().any(|action| action.verb == "promote") {
            actions.push(promote(&title, "", "a change sets it to the newest commit that its channels vouch for"));
        }
        if !follows && facts.targets.get(id).is_some_and(|fact| !fact.history.is_empty()) {
            let text = "a change sets it to the commit that ran well before, and blocks the one it leaves";
            actions.push(action("rollback", &title, "Roll back", text));
        }
        if !is_frozen {
            actions.push(action("hold", &title, "Hold", "nothing moves here until the hold is released"));
        }
    }
    actions
}

/// What can be done about a run.
pub(crate) fn of_run(run: &str, is_over: bool) -> Vec<ActionView> {
    if is_over {
        return Vec::new();
    }
    vec![action("cancel", run, "Stop the run", "the run is stopped; what it was for is held until somebody retries")]
}

/// What failed, again; with more memory once an attempt was killed for it, which is what the next one gets.
fn retry(title: &str, memory: Option<u64>) -> ActionView {
    match memory.map(|bytes| bytes.div_ceil(1 << 20)) {
        None => action("retry", title, "Retry", &format!("{title} is tried again as it is wanted now")),
        Some(mib) => {
            let text = format!("{title} is tried again as it is wanted now, with {mib} MiB of memory: an earlier attempt ran out of less");
            action("retry", title, &format!("Again with more memory ({mib} MiB)"), &text)
        }
    }
}

fn promote(title: &str, to: &str, text: &str) -> ActionView {
    let mut action = action("promote", title, if to.is_empty() { "Promote" } else { "Promote it" }, text);
    if !to.is_empty() {
        action.command = format!("towpath promote {} --to {to} --reason …", quoted(title));
        action.label = format!("Promote {to}");
        action.to = Some(to.to_owned());
    }
    action
}

fn action(verb: &str, what: &str, label: &str, text: &str) -> ActionView {
    ActionView {
        verb: verb.to_owned(),
        what: what.to_owned(),
        to: None,
        label: label.to_owned(),
        text: text.to_owned(),
        command: format!("towpath {verb} {} --reason …", quoted(what)),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-:".contains(&b));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_out_of_memory_is_tried_again_with_more() {
        assert_eq!(retry("web/test", None).label, "Retry");
        let more = retry("web/test", Some(512 << 20));
        assert_eq!((more.verb.as_str(), more.label.as_str()), ("retry", "Again with more memory (512 MiB)"));
        assert!(more.text.ends_with("with 512 MiB of memory: an earlier attempt ran out of less"), "{}", more.text);
    }

    #[test]
    fn a_command_can_be_pasted_whatever_a_thing_is_called() {
        assert_eq!(action("retry", "web/stage", "", "").command, "towpath retry web/stage --reason …");
        assert_eq!(action("hold", "it's; rm", "", "").command, r"towpath hold 'it'\''s; rm' --reason …");
    }
}
