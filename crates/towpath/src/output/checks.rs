//! Pull requests of sources, how their checks stand, and what came of a try.

use std::collections::BTreeMap;

use serde::Serialize;
use towpath_control::view::{PullDetail, PullView, ReservationView, RunDetail, StepView};

use super::table::Table;
use super::{Look, runs, words};

/// How many characters of a name that others chose are shown in a table.
const NAME_MAX: usize = 24;

/// Pull requests as a table, a line for each: what does not fit on a terminal is cut.
pub fn list(all: &[PullView], look: &Look) -> String {
    if all.is_empty() {
        return "No open pull requests.\n".to_owned();
    }
    let mut table = Table::new(&["PULL", "STANDING", "POSITION", "HEAD", "AUTHOR", "SINCE", "WHAT"]);
    for pull in all {
        table.row([
            pull.id.to_string(),
            if pull.urgent { format!("{} (urgent)", pull.standing) } else { pull.standing.clone() },
            place(pull),
            pull.head.short(7),
            shortened(&pull.author, NAME_MAX),
            words::ago(pull.since.unwrap_or(pull.head_since), look.now),
            pull.text.clone(),
        ]);
    }
    let mut text = table.render(None);
    if let Some(width) = look.width.map(usize::from) {
        text = text.lines().map(|line| format!("{}\n", shortened(line, width))).collect();
    }
    let away: BTreeMap<&str, &str> = all.iter().filter_map(|pull| Some((pull.source.as_str(), pull.unreachable.as_deref()?))).collect();
    for (source, why) in away {
        text.push_str(&format!("\nThe forge of {source} cannot be asked {}\n", words::line(why)));
    }
    text
}

fn place(pull: &PullView) -> String {
    if pull.position > 0 { format!("{}/{}", pull.position, pull.of) } else { String::new() }
}

/// The first characters of `text`, with a sign that there are more.
fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// A pull request with all that is known of it.
pub fn one(detail: &PullDetail, look: &Look) -> String {
    let pull = &detail.check;
    let mut lines: Vec<(&str, String)> = vec![("pull request", format!("{} {}", pull.id, pull.title))];
    let fork = if pull.from_fork { ", from a fork" } else { "" };
    lines.push(("by", format!("{}, branch {}{fork}", pull.author, pull.branch)));
    if !pull.url.is_empty() {
        lines.push(("page", pull.url.clone()));
    }
    lines.push(("head", format!("{} since {}", pull.head, words::ago(pull.head_since, look.now))));
    let urgent = if pull.urgent { ", urgent" } else { "" };
    lines.push(("standing", format!("{}{urgent}: {}", pull.standing, pull.text)));
    if pull.position > 0 {
        lines.push(("place", format!("{} of {}", pull.position, pull.of)));
    }
    if let Some(why) = &pull.unreachable {
        lines.push(("its forge", format!("cannot be asked {why}")));
    }
    if let Some(since) = pull.since {
        lines.push(("since", words::ago(since, look.now)));
    }
    if let Some(blame) = &pull.blame {
        lines.push(("fault of", blame.clone()));
    }
    if !detail.waits.is_empty() {
        lines.push(("waits", detail.waits.clone()));
    }
    if let Some(namespace) = &detail.namespace {
        lines.push(("namespace", namespace.clone()));
    }
    if let Some(run) = &pull.run {
        lines.push(("run", run.to_string()));
    }
    if let Some(results) = &pull.results {
        lines.push(("results", results.clone()));
    }
    if !detail.tests.is_empty() {
        lines.push(("tests", detail.tests.join(", ")));
    }
    let mut text: String = lines.into_iter().map(|(name, value)| format!("{name:<13} {}\n", words::line(&value))).collect();
    if !detail.steps.is_empty() {
        text.push('\n');
        let is_open = matches!(pull.standing.as_str(), "running" | "queued");
        text.push_str(&steps(&detail.steps, is_open, look));
    }
    if !detail.runs.is_empty() {
        text.push('\n');
        text.push_str(&runs::render(&detail.runs, look));
    }
    text
}

fn steps(steps: &[StepView], is_open: bool, look: &Look) -> String {
    let mut table = Table::new(&["STEP", "TOOK"]);
    for step in steps {
        let took = match step.finished_at {
            Some(end) => words::took(end.since(step.started_at).as_millis()),
            None if is_open => format!("{} so far", words::took(look.now.since(step.started_at).as_millis())),
            None => "did not end well".to_owned(),
        };
        table.row([step.name.clone(), took]);
    }
    table.render(look.width)
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Its run.
    #[serde(flatten)]
    pub run: RunDetail,
    /// The lease on the namespace that it went into, where that is a person's.
    pub lease: Option<ReservationView>,
}

/// What came of a try: how it ended, what is where, and how to give it back.
pub fn tried(tried: &Tried, look: &Look) -> String {
    let run = &tried.run.run;
    let took = match (run.started_at, run.finished_at) {
        (Some(from), Some(to)) => format!(" after {}", words::took(to.since(from).as_millis())),
        _ => String::new(),
    };
    let at = run.commit.as_ref().map(|commit| format!(" at {}", words::short(commit))).unwrap_or_default();
    let came = run.message.as_deref().unwrap_or(&run.why);
    let mut text = format!("{}{at} {}{took}: {}\n", words::line(&run.subject), run.state, words::line(came));
    for report in &tried.run.reports {
        let flaky = if report.flaky > 0 { format!(", {} flaky", report.flaky) } else { String::new() };
        let counts = format!("{} passed, {} failed, {} skipped{flaky}", report.passed, report.failed, report.skipped);
        text.push_str(&format!("  {}: {counts}\n", words::line(&report.name)));
    }
    if !tried.run.objects.is_empty() {
        let mut table = Table::new(&["OBJECT", "STATE", "WHERE"]);
        for object in &tried.run.objects {
            table.row([object.object.clone(), object.state.clone(), object.text.clone()]);
        }
        let place = tried.lease.as_ref().and_then(|lease| lease.namespace.clone());
        text.push_str(&format!("\nDeployed{}:\n", place.map(|name| format!(" in {name}")).unwrap_or_default()));
        text.push_str(&table.render(look.width));
    }
    let Some((namespace, lease)) = tried.lease.as_ref().and_then(|lease| Some((lease.namespace.as_ref()?, lease))) else {
        return text;
    };
    match lease.until.filter(|_| lease.state == "active") {
        Some(until) => text.push_str(&format!(
            "\nThe namespace {namespace} is yours until {until}.\n  towpath namespace extend {namespace} --lease 1h --reason 'not done yet'\n  towpath namespace release {namespace}\n"
        )),
        None => text.push_str(&format!("\nThe namespace {namespace} is no longer yours.\n")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(shortened("ünïcode", 7), "ünïcode");
        assert_eq!(shortened("ünïcodes", 7), "ünïcod…");
    }
}
