//! `status`: what is where, what is moving, what is stuck and why.

use towpath_control::view::{ConfigView, HoldView, StatusView, VerdictView};

use super::table::Table;
use super::{Look, runs, words};

/// The status on one screen.
pub fn render(view: &StatusView, look: &Look) -> String {
    let mut sections = vec![config(&view.config, look)];
    let mut sources = Table::new(&["SOURCE", "BRANCH", "HEAD", "BUILT", "STATE", "WHAT"]);
    for source in &view.sources {
        let head = source.head.as_ref().map_or_else(|| "-".to_owned(), words::short);
        let built = source.built.as_ref().map_or_else(|| "-".to_owned(), |built| words::short(&built.commit));
        let what = words::standing(&source.verdict, source.head.as_ref());
        sources.row([source.name.clone(), source.branch.clone(), head, built, words::state(&source.verdict), what]);
    }
    let mut targets = Table::new(&["TARGET", "COMMIT", "SINCE", "STATE", "WHAT"]);
    for target in &view.targets {
        let current = target.current.as_ref();
        let (commit, since) = match current {
            Some(current) => (words::short(&current.commit), words::ago(current.at, look.now)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let what = words::standing(&target.verdict, current.map(|current| &current.commit));
        targets.row([target.name.clone(), commit, since, words::state(&target.verdict), what]);
    }
    let mut changes = Table::new(&["CHANGE", "STATE", "BY", "SINCE", "WHAT"]);
    for change in &view.changes {
        let what = change.verdict.as_ref().map_or_else(|| change.title.clone(), |verdict| format!("{}: {}", change.title, verdict.summary));
        changes.row([change.id.to_string(), change.state.clone(), change.by.clone(), words::ago(change.opened_at, look.now), what]);
    }
    sections.extend([sources, targets, changes].into_iter().filter(|table| !table.is_empty()).map(|table| table.render(look.width)));
    if !view.runs.is_empty() {
        sections.push(runs::render(&view.runs, look));
    }
    let held = view.sources.iter().map(|source| (&source.name, &source.verdict));
    let held = held.chain(view.targets.iter().map(|target| (&target.name, &target.verdict)));
    sections.extend(held_section(held, look));
    let mut endpoints = Table::new(&["SERVICE", "ADDRESS"]);
    for target in &view.targets {
        for (service, address) in &target.endpoints {
            endpoints.row([format!("{} {service}", target.name), address.clone()]);
        }
    }
    if !endpoints.is_empty() {
        sections.push(endpoints.render(look.width));
    }
    if view.config.commit.is_some() && view.targets.is_empty() && view.sources.is_empty() {
        sections.push("Nothing is configured yet: the config repository names no source and no saas file.\n".to_owned());
    }
    sections.join("\n")
}

fn config(config: &ConfigView, look: &Look) -> String {
    let at = config.commit.as_ref().map_or_else(|| "not read yet".to_owned(), |commit| format!("at {}", commit.short(7)));
    let mut text = words::line(&format!("Config repository {}, branch {}, {at}", config.url, config.branch));
    text.push('\n');
    if let Some(why) = &config.unreachable {
        text.push_str(&format!("  cannot be read: {}\n", words::wrap(why, look.width, 4)));
    }
    for diagnostic in &config.diagnostics {
        text.push_str(&format!("  {}\n", words::wrap(diagnostic, look.width, 4)));
    }
    text
}

fn held_section<'a>(verdicts: impl Iterator<Item = (&'a String, &'a VerdictView)>, look: &Look) -> Option<String> {
    let mut text = String::new();
    for (title, verdict) in verdicts {
        if !verdict.holds.is_empty() {
            text.push_str(&format!("  {}\n", words::line(title)));
            text.push_str(&holds(&verdict.holds, 4, look));
        }
    }
    (!text.is_empty()).then(|| format!("Held:\n{text}"))
}

/// Holds as a list, each with what would lift it.
pub fn holds(holds: &[HoldView], indent: usize, look: &Look) -> String {
    let space = " ".repeat(indent);
    let mut text = String::new();
    for hold in holds {
        let told = words::wrap(&format!("{} [{}]", hold.text, hold.reason), look.width, indent + 2);
        text.push_str(&format!("{space}- {told}\n"));
        if !hold.lift.is_empty() {
            text.push_str(&format!("{space}  lifted by: {}\n", words::wrap(&hold.lift, look.width, indent + 13)));
        }
    }
    text
}
