//! What a check run does, and whether it is still wanted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use towpath_catalog::Catalog;
use towpath_domain::{CheckId, CommitId, NamespaceName, PoolName, SourceName, Span, TargetId, Timestamp};

use crate::facts::Facts;

/// One check, as it was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckWork {
    /// What it is of.
    pub id: CheckId,
    /// The source.
    pub source: SourceName,
    /// The pull request's number; none for a try by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The commit that is checked: a pull request's newest one when this was decided.
    pub head: CommitId,
    /// When that was first seen: one that was closed and opened again is checked again, although it is at the same commit.
    pub seen_at: Timestamp,
    /// It comes from a fork: it gets no secrets, and is checked by what its branch's repository says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_fork: bool,
    /// The hash of the instructions that it was decided on by.
    pub check_hash: String,
    /// The tests that are to run; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// Somebody asked for it: what was tested before is no answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
    /// It goes before others when it waits for a namespace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
    /// What a person set by hand.
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
}

/// What a person sets who tries something by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Template refs by resource template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub template_refs: BTreeMap<String, String>,
    /// Tags by image name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub image_tags: BTreeMap<String, String>,
    /// Parameters by resource template and name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, BTreeMap<String, String>>,
    /// The namespace that it goes into, which they hold already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceName>,
    /// Reserve one for them, from this pool, for as long: it stays theirs after the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Who they are; empty for pull requests.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// A namespace that a person keeps after a try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// The pool.
    pub pool: PoolName,
    /// How long.
    pub lease: Span,
}

impl Overrides {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a failed check is the fault of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "blame", rename_all = "kebab-case")]
pub enum Blame {
    /// The source's own: its build, its component, its tests or its command.
    Source,
    /// A component of the reference environment that it depends on.
    Dependency {
        /// Its target there.
        target: TargetId,
        /// Its title, for people.
        title: String,
    },
    /// Where it ran: cluster, pool, registry, repository.
    Environment,
    /// Nothing but tests that are known to be flaky.
    FlakyTest,
}

impl Blame {
    /// In words for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Source => "the pull request itself".to_owned(),
            Self::Dependency { title, .. } => format!("a dependency, {title}"),
            Self::Environment => "the environment it ran in".to_owned(),
            Self::FlakyTest => "a test known to be flaky".to_owned(),
        }
    }
}

/// Why a check is not wanted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwanted {
    /// Something took its place.
    Superseded(String),
    /// Somebody does not want it.
    Cancelled(String),
}

/// Whether a check is still wanted, by what is known now. `catalog` is one that was read, and not the empty one of a start.
///
/// # Errors
/// [`Unwanted`] when it is not: then it ends at once, and gives back what it holds.
pub fn is_wanted(catalog: &Catalog, facts: &Facts, work: &CheckWork) -> Result<(), Unwanted> {
    let superseded = |by: &str| Err(Unwanted::Superseded(by.to_owned()));
    if work.number.is_none() {
        return Ok(());
    }
    let Some(fact) = facts.checks.get(&work.id) else { return superseded("the pull request is no longer open") };
    if fact.pull.head != work.head {
        return Err(Unwanted::Superseded(format!("a newer push, {}", crate::ids::short(fact.pull.head))));
    }
    if fact.head_since != work.seen_at {
        return superseded("it came to this commit anew since");
    }
    if let Some(by) = &fact.cancelled {
        return Err(Unwanted::Cancelled(by.clone()));
    }
    if work.from_fork && fact.ok.as_ref().is_none_or(|(head, _)| *head != work.head) {
        return superseded("nobody says any more that this commit of a fork may be tested");
    }
    match catalog.sources.get(&work.source) {
        Some(source) if source.check.is_some() => Ok(()),
        Some(_) => superseded("the source's pull requests are not checked any more"),
        // A file that is broken for a moment must not end what is under way.
        None => Ok(()),
    }
}

/// The parts of a check that people are told of one by one, in their order; `tests` are those that run, by name.
#[must_use]
pub fn parts(check: &towpath_catalog::PullCheck, from_fork: bool, tests: &[String]) -> Vec<String> {
    let pool = if from_fork { check.forks.as_ref().and_then(|forks| forks.pool.as_ref()) } else { check.pool.as_ref() };
    let mut parts = vec![BUILD.to_owned()];
    parts.extend(pool.map(|_| NAMESPACE.to_owned()));
    parts.extend(check.environment.as_ref().map(|_| DEPLOY.to_owned()));
    let wanted = |name: &String| tests.is_empty() || tests.contains(name);
    parts.extend(check.tests.iter().map(|test| &test.name).filter(|name| wanted(name)).map(|name| format!("{TEST}{name}")));
    // With only some tests asked for, nothing else is run.
    parts.extend(check.command.as_ref().filter(|_| tests.is_empty()).map(|_| COMMAND.to_owned()));
    parts
}

/// The part that a step of a run belongs to; none for what comes before all of them.
#[must_use]
pub fn part_of(step: &str) -> Option<&str> {
    match step {
        "checkout" | "look" | "build" | "push" => Some(BUILD),
        "reserve" => Some(NAMESPACE),
        COMMAND => Some(COMMAND),
        step if step.starts_with(TEST) => Some(step),
        step if step.starts_with(DEPLOY) => Some(DEPLOY),
        _ => None,
    }
}

const BUILD: &str = "build";
const NAMESPACE: &str = "namespace";
const DEPLOY: &str = "deploy";
const COMMAND: &str = "command";
const TEST: &str = "test ";
