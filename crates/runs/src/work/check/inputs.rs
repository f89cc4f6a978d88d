//! What a check is made of: which targets, at which commits, and a key that is the same for the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use towpath_catalog::{Catalog, PullCheck, Source, Target};
use towpath_domain::{CommitId, GitRef, RunId, TargetId};
use towpath_engine::build_hash;
use towpath_engine::check::{Blame, CheckWork};

use super::merge::Merged;
use super::{Check, blame, place};
use crate::journal::Stop;

/// What a check is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// Tree and instructions: the same for the same. None where a person set something, or only some tests run: no other check may rest on it.
    pub(super) key: Option<String>,
    /// The commit of the config repository that all this is by.
    pub(super) config: Option<CommitId>,
    /// What is deployed, in this order, and then the tests.
    pub(super) parts: Vec<Part>,
    /// The run that found the very same well.
    pub(super) reused: Option<RunId>,
    /// What tests of this are counted as: those that passed and failed on the same are flaky.
    pub(super) tested: String,
}

/// A target of the reference environment, and what of it is taken into the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) target: TargetId,
    pub(super) commit: CommitId,
    pub(super) role: Role,
}

/// What a target is to a check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// The source depends on it.
    Dependency,
    /// The source's own.
    Own,
    /// A test, of this name.
    Test(String),
}

/// Finds out what the check is made of, and whether the same was found well before.
pub(super) async fn inputs(check: &Check<'_>, config: Option<CommitId>, merged: &Merged) -> Result<Inputs, Stop> {
    let Check { world, journal, work, source, said, catalog, .. } = check;
    let wanted = match place::from(said, work) {
        Some(_) => wanted(catalog, source, said, work).map_err(blame::said)?,
        None => Vec::new(),
    };
    unmet_overrides(&wanted, work).map_err(blame::said)?;
    let mut parts = Vec::with_capacity(wanted.len());
    for (target, role) in &wanted {
        let commit = commit_of(check, target, role, merged).await?;
        parts.push(Part { target: target.id.clone(), commit, role: role.clone() });
    }
    let hashes: Vec<&str> = wanted.iter().map(|(target, _)| &*target.input_hash).collect();
    let by = key(source, said, work, merged, &parts, &hashes);
    let rests = work.overrides.is_empty() && work.tests.is_empty();
    let reused = match rests && !work.anew {
        true => world.ledger.facts().checked(&work.source, &by).map(|tree| tree.run.clone()),
        false => None,
    };
    if let Some(run) = &reused {
        journal.note(format!("the same tree was found well by the same instructions in {run}"));
    }
    let tested = if work.overrides.is_empty() { by.clone() } else { hashed([by.as_str(), &format!("{:?}", work.overrides)]) };
    Ok(Inputs { key: rests.then_some(by), config, parts, reused, tested })
}

/// The targets that are taken, and what each of them is: dependencies first, in their order.
fn wanted(catalog: &Catalog, source: &Source, said: &PullCheck, work: &CheckWork) -> Result<Vec<(Arc<Target>, Role)>, String> {
    let Some(environment) = &said.environment else { return Ok(Vec::new()) };
    let mut there: Vec<&Arc<Target>> =
        catalog.targets.values().filter(|target| target.environment == *environment && !target.disable && !target.delete).collect();
    there.sort_by_cached_key(|target| (target.title(), target.id.clone()));
    let is_of = |target: &Target, saas: &_, template: &str| target.saas_file.name == *saas && target.resource_template == template;
    let is_test = |target: &Target| said.tests.iter().any(|test| is_of(target, &test.saas_file, &test.resource_template));
    let is_own = |target: &Target| target.source.as_ref() == Some(&source.name);
    let mut taken: Vec<(Arc<Target>, Role)> = Vec::new();
    for saas in &said.dependencies {
        let of = there.iter().filter(|target| target.saas_file.name == *saas && !is_own(target) && !is_test(target));
        taken.extend(of.map(|target| (Arc::clone(target), Role::Dependency)));
    }
    let own = there.iter().filter(|target| is_own(target) && !is_test(target));
    taken.extend(own.map(|target| (Arc::clone(target), Role::Own)));
    for test in said.tests.iter().filter(|test| work.tests.is_empty() || work.tests.contains(&test.name)) {
        let mut of = there.iter().filter(|target| is_of(target, &test.saas_file, &test.resource_template)).peekable();
        if of.peek().is_none() {
            return Err(format!(
                "the test {} is the resource template {} of {}, which has no target in {environment}; correct `check.tests` in {}, or add one",
                test.name, test.resource_template, test.saas_file, source.place
            ));
        }
        taken.extend(of.map(|target| (Arc::clone(target), Role::Test(test.name.clone()))));
    }
    // A saas file may be named twice.
    let mut seen = BTreeSet::new();
    taken.retain(|(target, role)| seen.insert((target.id.clone(), role.clone())));
    if let Some((target, _)) = taken.iter().find(|(target, _)| !target.unsupported.is_empty()) {
        return Err(format!("{} cannot be deployed: {}", target.title(), target.unsupported.join("; ")));
    }
    Ok(taken)
}

/// What a person set that is about nothing of the check is a slip, and not to be passed over.
fn unmet_overrides(wanted: &[(Arc<Target>, Role)], work: &CheckWork) -> Result<(), String> {
    let known: BTreeSet<&str> = wanted.iter().map(|(target, _)| target.resource_template.as_str()).collect();
    let set = &work.overrides;
    let named = set.template_refs.keys().map(|name| ("template ref", name)).chain(set.parameters.keys().map(|name| ("parameter", name)));
    for (what, name) in named {
        if !known.contains(name.as_str()) {
            let there = known.iter().copied().collect::<Vec<_>>().join(", ");
            let there = if there.is_empty() { "nothing is deployed".to_owned() } else { format!("there are {there}") };
            return Err(format!("a {what} is set for the resource template {name}, which is no part of this check; {there}"));
        }
    }
    if !set.image_tags.is_empty() && wanted.is_empty() {
        return Err("a tag is set for an image, and nothing is deployed".to_owned());
    }
    Ok(())
}

/// The commit that a target's template is taken from.
async fn commit_of(check: &Check<'_>, target: &Target, role: &Role, merged: &Merged) -> Result<CommitId, Stop> {
    let Check { world, work, source, .. } = check;
    let set = work.overrides.template_refs.get(&target.resource_template);
    let is_own = target.source.as_ref() == Some(&source.name);
    let wanted: GitRef = match set {
        Some(text) => text.parse().map_err(|e| blame::said(format!("the template ref of {}: {e}", target.resource_template)))?,
        None if is_own => return Ok(merged.commit),
        None => target.git_ref.clone(),
    };
    let branch = match wanted {
        GitRef::Commit(commit) => return Ok(commit),
        GitRef::Branch(branch) => branch,
    };
    let seen = {
        let facts = world.ledger.facts();
        let seen = facts.branches.get(&(target.url.clone(), branch.clone()));
        seen.filter(|fact| fact.unreachable.is_none()).and_then(|fact| fact.commits.first()).map(|info| info.id)
    };
    // What a person names is looked at: they may have pushed it a moment ago.
    if let Some(seen) = seen.filter(|_| set.is_none()) {
        return Ok(seen);
    }
    let fault = fault(target, role);
    let head = world.mirrors.head(&target.url, &branch).await.map_err(|e| blame::on(&Blame::Environment, Stop::git(&e)))?;
    head.ok_or_else(|| blame::on(&fault, Stop::own(format!("{}: {} has no branch {branch}", target.title(), target.url))))
}

/// Whose fault it is when a part fails.
pub(super) fn fault(target: &Target, role: &Role) -> Blame {
    match role {
        Role::Own | Role::Test(_) => Blame::Source,
        Role::Dependency => Blame::Dependency { target: target.id.clone(), title: target.title() },
    }
}

/// What the result rests on, in one text: the files that are checked, by which instructions, beside what.
///
/// Of the source's own targets the commit is left out: their templates are in the tree, and a merge made a minute later is another commit.
fn key(source: &Source, said: &PullCheck, work: &CheckWork, merged: &Merged, parts: &[Part], hashes: &[&str]) -> String {
    let Merged { tree, commit: checked, .. } = merged;
    let environment = said.environment.as_ref().map(ToString::to_string).unwrap_or_default();
    let trust = if work.from_fork { "fork" } else { "own" };
    let head =
        ["towpath-checked-1", source.name.as_str(), tree.as_str(), &said.hash, &build_hash(source), trust, &environment].map(str::to_owned);
    let parts = parts.iter().zip(hashes).flat_map(|(part, hash)| {
        let commit = if part.commit == *checked { String::new() } else { part.commit.to_string() };
        [part.target.to_string(), commit, (*hash).to_owned(), format!("{:?}", part.role)]
    });
    hashed(head.into_iter().chain(parts))
}

/// The SHA-256 over parts, each with its length before it so that none runs into the next.
fn hashed<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.as_ref().len() as u64).to_be_bytes());
        hasher.update(part.as_ref().as_bytes());
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::given::{catalog, merged, source, work};
    use super::*;

    fn taken(work: &CheckWork) -> Result<Vec<(String, Role)>, String> {
        let catalog = catalog();
        let (source, said) = source(&catalog);
        let taken = wanted(&catalog, &source, &said, work)?;
        unmet_overrides(&taken, work)?;
        Ok(taken.into_iter().map(|(target, role)| (target.title(), role)).collect())
    }

    #[test]
    fn dependencies_come_first_then_its_own_then_the_tests_that_were_asked_for_and_nothing_twice() {
        let of = |title: &str, role: Role| (format!("{title}/stage/web-stage"), role);
        let (db, web) = (of("db/db", Role::Dependency), of("web/web", Role::Own));
        let (smoke, full) = (of("test/smoke", Role::Test("smoke".into())), of("test/full", Role::Test("full".into())));
        assert_eq!(taken(&work()).unwrap(), [db.clone(), web.clone(), smoke, full.clone()]);
        assert_eq!(taken(&CheckWork { tests: vec!["full".into()], ..work() }).unwrap(), [db, web, full]);
    }

    #[test]
    fn what_a_person_sets_for_something_that_is_not_there_is_a_slip() {
        let mut set = work();
        set.overrides.template_refs.insert("web".into(), "main".into());
        assert!(taken(&set).is_ok());
        set.overrides.parameters.insert("wbe".into(), [("A".to_owned(), "1".to_owned())].into());
        assert_eq!(
            taken(&set).unwrap_err(),
            "a parameter is set for the resource template wbe, which is no part of this check; there are db, full, smoke, web"
        );
    }

    fn key_of(change: impl FnOnce(&mut Source, &mut PullCheck, &mut CheckWork, &mut Merged, &mut Vec<Part>)) -> String {
        let catalog = catalog();
        let (source, said) = source(&catalog);
        let (mut source, mut said, mut work, mut merged) = ((*source).clone(), (*said).clone(), work(), merged("tree", 'c'));
        let taken = wanted(&catalog, &source, &said, &work).unwrap();
        let hashes: Vec<&str> = taken.iter().map(|(target, _)| &*target.input_hash).collect();
        let commit = |target: &Target| if target.source.is_some() { merged.commit } else { "d".repeat(40).parse().unwrap() };
        let mut parts: Vec<Part> =
            taken.iter().map(|(target, role)| Part { target: target.id.clone(), commit: commit(target), role: role.clone() }).collect();
        change(&mut source, &mut said, &mut work, &mut merged, &mut parts);
        key(&source, &said, &work, &merged, &parts, &hashes)
    }

    #[test]
    fn a_result_holds_for_the_same_files_by_the_same_instructions_beside_the_same_and_for_nothing_else() {
        let usual = key_of(|_, _, _, _, _| {});
        let other: CommitId = "e".repeat(40).parse().unwrap();
        // The merge of a minute later is another commit with the same files.
        let again = key_of(|_, _, _, merged, parts| {
            let before = std::mem::replace(&mut merged.commit, other);
            parts.iter_mut().filter(|part| part.commit == before).for_each(|part| part.commit = other);
        });
        assert_eq!(again, usual);
        assert_eq!(key_of(|_, _, work, _, _| work.head = other), usual, "another pull request with these files");
        for (what, key) in [
            ("files", key_of(|_, _, _, merged, _| merged.tree = "other".into())),
            ("instructions", key_of(|_, said, _, _, _| said.hash = "other".into())),
            ("build", key_of(|source, _, _, _, _| source.build.command = None)),
            ("trust", key_of(|_, _, work, _, _| work.from_fork = true)),
            ("a dependency", key_of(|_, _, _, _, parts| parts[0].commit = other)),
            ("fewer", key_of(|_, _, _, _, parts| drop(parts.pop()))),
        ] {
            assert_ne!(key, usual, "{what}");
        }
    }
}
