//! From what people type to what it names.

use towpath_catalog::{Catalog, Target};
use towpath_domain::{ChangeId, CheckId, CommitId, RunId};
use towpath_engine::check::source_of;
use towpath_engine::{Facts, Subject};

use std::sync::Arc;

use crate::places::{Places, seen, sees_target};
use crate::sight::Sight;
use crate::titles::{in_order, is_part};
use crate::view::Problem;

/// What a word names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    Subject(Subject),
    Commit(CommitId),
    Channel(towpath_domain::Channel),
    Run(RunId),
}

/// A refusal.
pub(crate) fn problem(rule: &str, status: u16, title: &str, detail: impl Into<String>, mend: impl Into<String>) -> Problem {
    Problem { r#type: rule.to_owned(), title: title.to_owned(), status, detail: detail.into(), mend: mend.into() }
}

/// What is said in place of `unknown` as long as nothing was read of the config repository: what is in it cannot be told from what is not.
pub(crate) fn or_unread(is_read: bool, unknown: Problem) -> Problem {
    if is_read || unknown.status != 404 {
        return unknown;
    }
    let detail = "the server has just started, or cannot reach it: what there is, nobody can tell yet";
    let mend = "try again in a moment; `towpath status` says why, if it stays so";
    problem("not-read", 503, "The config repository has not been read yet", detail, mend)
}

/// The one target that `what` names: its id, its title, or a part of its title that no other target has.
pub(crate) fn target(catalog: &Catalog, what: &str) -> Result<Arc<Target>, Problem> {
    target_seen(catalog, &Sight::Everything, what)
}

/// As [`target`], among those that may be seen: the others are as if they were not there.
pub(crate) fn target_seen(catalog: &Catalog, sight: &Sight, what: &str) -> Result<Arc<Target>, Problem> {
    if let Some(target) = catalog.targets.get(what).filter(|target| sees_target(sight, target)) {
        return Ok(Arc::clone(target));
    }
    let mut all = in_order(catalog);
    all.retain(|target| sees_target(sight, target));
    if let Some(exact) = all.iter().find(|t| t.title() == what) {
        return Ok(Arc::clone(exact));
    }
    let parts: Vec<&&Arc<Target>> = all.iter().filter(|t| is_part(&t.title(), what)).collect();
    match parts.as_slice() {
        [one] => Ok(Arc::clone(one)),
        [] => Err(problem(
            "unknown-target",
            404,
            "There is no such target",
            format!("no target is called {what:?}"),
            format!("`towpath status` lists the targets{}", examples(&all.iter().collect::<Vec<_>>())),
        )),
        several => Err(problem(
            "ambiguous-target",
            409,
            "Several targets are called so",
            format!("{what:?} is a part of {} titles", several.len()),
            format!("say more of the title{}", examples(several)),
        )),
    }
}

fn examples(targets: &[&&Arc<Target>]) -> String {
    if targets.is_empty() { String::new() } else { format!("; for example {}", list(targets.iter().map(|target| target.title()))) }
}

/// The first few names of many.
pub(crate) fn list(names: impl Iterator<Item = String>) -> String {
    names.take(5).collect::<Vec<_>>().join(", ")
}

/// Anything that `explain` or `retry` may be asked about.
pub(crate) fn anything(catalog: &Catalog, facts: &Facts, what: &str) -> Result<Found, Problem> {
    anything_seen(catalog, facts, &Sight::Everything, what)
}

/// As [`anything`], among what may be seen. Runs are not looked up here: whoever reads one checks it.
pub(crate) fn anything_seen(catalog: &Catalog, facts: &Facts, sight: &Sight, what: &str) -> Result<Found, Problem> {
    // A target's id looks like a commit's.
    if let Some(target) = catalog.targets.get(what).filter(|target| sees_target(sight, target)) {
        return Ok(Found::Subject(Subject::Target(target.id.clone())));
    }
    let places = Places::new(catalog, facts);
    if let Ok(name) = towpath_domain::SourceName::new(what)
        && catalog.sources.contains_key(&name)
        && seen(sight, &places.of_source(&name))
        && target_seen(catalog, sight, what).is_err()
    {
        return Ok(Found::Subject(Subject::Source(name)));
    }
    if let Ok(id) = ChangeId::new(what.strip_prefix("towpath/").unwrap_or(what))
        && facts.changes.contains_key(&id)
        && seen(sight, &places.of_subject(&Subject::Change(id.clone())))
    {
        return Ok(Found::Subject(Subject::Change(id)));
    }
    // Also of one that was closed, or of a try: its runs are remembered.
    if let Ok(id) = CheckId::new(what)
        && source_of(&id).is_some_and(|source| catalog.sources.contains_key(&source) && seen(sight, &places.of_source(&source)))
    {
        return Ok(Found::Subject(Subject::Check(id)));
    }
    if let Some(usage) = catalog.channels.get(what)
        && usage.publishers.iter().chain(&usage.subscribers).any(|id| seen(sight, &places.of_subject(&Subject::Target(id.clone()))))
        && let Ok(channel) = towpath_domain::Channel::new(what)
    {
        return Ok(Found::Channel(channel));
    }
    if let Some(commit) = commit_seen(&places, sight, what)?.or_else(|| head(&places, sight, what)) {
        return Ok(Found::Commit(commit));
    }
    let missing = match target_seen(catalog, sight, what) {
        Ok(target) => return Ok(Found::Subject(Subject::Target(target.id.clone()))),
        Err(problem) if problem.status == 409 => return Err(problem),
        Err(problem) => problem,
    };
    if let Some(name) = what.strip_prefix("source/").and_then(|name| towpath_domain::SourceName::new(name).ok())
        && catalog.sources.contains_key(&name)
        && seen(sight, &places.of_source(&name))
    {
        return Ok(Found::Subject(Subject::Source(name)));
    }
    let looks_like_a_run = ["build-", "deploy-", "delete-", "change-", "check-"].iter().any(|kind| what.starts_with(kind));
    match RunId::new(what) {
        Ok(run) if looks_like_a_run => Ok(Found::Run(run)),
        _ => Err(problem(
            "unknown-name",
            404,
            "Nothing is called so",
            format!("{what:?} is no commit, branch, target, source, channel, change, pull request or run that is known here"),
            missing.mend,
        )),
    }
}

/// The head of the branch that is called so, where sources follow only one.
fn head(places: &Places<'_>, sight: &Sight, what: &str) -> Option<CommitId> {
    let followed = places.catalog.sources.values().filter(|source| source.branch.as_str() == what);
    let mut heads: Vec<CommitId> = followed
        .filter(|source| seen(sight, &places.of_repository(&source.url)))
        .filter_map(|source| places.facts.branches.get(&(source.url.clone(), source.branch.clone()))?.commits.first())
        .map(|commit| commit.id)
        .collect();
    heads.dedup();
    if heads.len() == 1 { heads.pop() } else { None }
}

/// As [`commit`], among those that may be seen.
pub(crate) fn commit_seen(places: &Places<'_>, sight: &Sight, what: &str) -> Result<Option<CommitId>, Problem> {
    if *sight == Sight::Everything {
        return commit(places.facts, what);
    }
    // Which others begin so is not told; a full id that is seen nowhere is not known.
    Ok(commit(places.facts, what).ok().flatten().filter(|found| seen(sight, &places.of_commit(*found))))
}

/// The commit that a full id or an unambiguous prefix of at least four digits names, among those that are known.
pub(crate) fn commit(facts: &Facts, what: &str) -> Result<Option<CommitId>, Problem> {
    if let Ok(full) = what.parse() {
        return Ok(Some(full));
    }
    if what.len() < 4 || !what.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Ok(None);
    }
    let known = facts.branches.values().flat_map(|b| b.commits.iter().map(|c| c.id));
    let known = known.chain(facts.targets.values().flat_map(|t| t.current.iter().chain(&t.history).map(|d| d.commit)));
    let mut found: Vec<CommitId> = known.filter(|id| id.to_string().starts_with(what)).collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(problem(
            "ambiguous-commit",
            409,
            "Several commits begin so",
            format!("{what} begins {} known commits", several.len()),
            format!("give more digits; for example {}", list(several.iter().map(|id| id.short(what.len() + 4)))),
        )),
    }
}
