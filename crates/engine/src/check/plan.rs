//! What follows for pull requests: which are checked now, and what the others wait for. A pure function.

use std::collections::BTreeMap;

use towpath_catalog::{Catalog, PullCheck, Source};
use towpath_domain::{CheckId, FailureClass, RunId, SourceName, Span, Timestamp};

use super::facts::{CheckFact, LastCheck, Wanted};
use super::standing::CheckStanding;
use super::work::{CheckWork, Overrides};
use crate::clock::Clock;
use crate::event::{RunSpec, Work};
use crate::facts::Facts;
use crate::ids;

/// How long after a failure by the environment's fault a check is tried again; twice as long after each further one.
const BACKOFF: Span = Span::from_secs(15);

/// What follows for all pull requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChecksPlan {
    /// Runs to be queued now.
    pub runs: Vec<RunSpec>,
    /// How each open pull request stands.
    pub standings: BTreeMap<CheckId, CheckStanding>,
    /// When time alone may change any of it.
    pub valid_until: Option<Timestamp>,
}

/// `web#17`: what people and facts call pull request 17 of `web`.
#[must_use]
pub fn check_of(source: &SourceName, number: u64) -> CheckId {
    let named = CheckId::new(format!("{source}#{number}")).or_else(|_| CheckId::new(format!("#{number}")));
    match named {
        Ok(id) => id,
        Err(error) => unreachable!("a number is a name: {error}"),
    }
}

/// What a person's try of a source is called; `nonce` tells it from all others of theirs.
#[must_use]
pub fn try_of(source: &SourceName, person: &str, nonce: &str) -> CheckId {
    let who: String = ids::slug(person).chars().take(20).collect();
    let named = CheckId::new(format!("{source}@{who}-{}", ids::short_hash(["try", person, source.as_str(), nonce])));
    named.unwrap_or_else(|_| check_of(source, 0))
}

/// The run of a check that a person asked for by hand.
#[must_use]
pub fn check_run(work: Work, why: String) -> RunSpec {
    let readable = work.subject();
    let readable = if let crate::Subject::Check(id) = &readable { id.to_string() } else { String::new() };
    RunSpec { id: ids::run_id(&work, &readable, 0), attempt: 1, work, why, after: None }
}

/// The source of a check: what stands before `#` or `@`.
#[must_use]
pub fn source_of(check: &CheckId) -> Option<SourceName> {
    let (source, _) = check.as_str().rsplit_once(['#', '@'])?;
    SourceName::new(source).ok()
}

/// What follows for all pull requests, from what the catalog wants and what is known.
#[must_use]
pub fn plan_checks(catalog: &Catalog, facts: &Facts, now: Timestamp) -> ChecksPlan {
    let clock = Clock::new(now);
    let mut plan = ChecksPlan::default();
    let mut by_source: BTreeMap<&SourceName, Vec<(&CheckId, &CheckFact)>> = BTreeMap::new();
    for (id, fact) in &facts.checks {
        by_source.entry(&fact.pull.source).or_default().push((id, fact));
    }
    for (name, pulls) in by_source {
        let source = catalog.sources.get(name);
        match source.and_then(|source| Some((source, source.check.as_ref()?))) {
            Some((source, check)) => Queue { source, check, facts, clock: &clock }.plan(&pulls, &mut plan),
            None => {
                let why = match source {
                    Some(_) => format!("the pull requests of {name} are not checked: its file has no `check`"),
                    None => format!("{name} is not in the config repository, or its file is broken; `towpath validate` says what is wrong"),
                };
                for (id, fact) in pulls {
                    let standing = running(facts, fact).unwrap_or_else(|| CheckStanding::Held { why: why.clone() });
                    plan.standings.insert(id.clone(), standing);
                }
            }
        }
    }
    plan.valid_until = clock.take_next();
    plan
}

/// The pull requests of one source.
struct Queue<'a> {
    source: &'a Source,
    check: &'a PullCheck,
    facts: &'a Facts,
    clock: &'a Clock,
}

/// One that is to be checked, once it is its turn.
struct Candidate<'a> {
    id: &'a CheckId,
    fact: &'a CheckFact,
    since: Timestamp,
    wanted: Option<&'a Wanted>,
    after: Option<&'a LastCheck>,
}

impl Queue<'_> {
    fn plan(&self, pulls: &[(&CheckId, &CheckFact)], plan: &mut ChecksPlan) {
        let mut candidates = Vec::new();
        for (id, fact) in pulls {
            match self.stands(id, fact) {
                Ok(candidate) => candidates.push(candidate),
                Err(standing) => {
                    plan.standings.insert((*id).clone(), standing);
                }
            }
        }
        candidates.sort_by_key(|one| (!one.fact.pull.urgent, one.since, one.id));
        let behind = self.under_way();
        let mut free = (self.check.concurrency as usize).saturating_sub(behind.len());
        let mut waiting = Vec::new();
        for one in candidates {
            // The run of an older commit has its place until it has ended: one at a time for each.
            if free > 0 && behind.iter().all(|(id, _)| id != one.id) {
                free -= 1;
                let spec = self.run(&one);
                plan.standings.insert(one.id.clone(), CheckStanding::Running { run: spec.id.clone(), started: false });
                plan.runs.push(spec);
            } else {
                waiting.push(one);
            }
        }
        let of = waiting.len();
        for (at, one) in waiting.iter().enumerate() {
            let standing = CheckStanding::Waiting {
                position: at + 1,
                of,
                behind: behind.clone(),
                limit: self.check.concurrency,
                urgent: one.fact.pull.urgent,
            };
            plan.standings.insert(one.id.clone(), standing);
        }
    }

    /// The runs of the source's pull requests that have not ended: also of those that were closed since, which still give back what they hold.
    fn under_way(&self) -> Vec<(CheckId, RunId)> {
        let own = |work: &CheckWork| work.source == self.source.name && work.number.is_some();
        let runs = self.facts.open_runs.iter().filter_map(|(run, open)| match &open.spec.work {
            Work::Check(work) if own(work) => Some((work.id.clone(), run.clone())),
            _ => None,
        });
        runs.collect()
    }

    /// What is to be checked as soon as it may be; or how one stands for which that is not so.
    fn stands<'a>(&self, id: &'a CheckId, fact: &'a CheckFact) -> Result<Candidate<'a>, CheckStanding> {
        if let Some(standing) = running(self.facts, fact).filter(|_| fact.wanted.is_none()) {
            return Err(standing);
        }
        if let Some(by) = &fact.cancelled {
            return Err(CheckStanding::Cancelled { by: by.clone() });
        }
        if fact.pull.from_fork {
            if self.check.forks.is_none() {
                let why = format!(
                    "pull requests from forks are not checked: {} has no `forks` in its `check` ({})",
                    self.source.name, self.source.place
                );
                return Err(CheckStanding::Held { why });
            }
            if self.source.build.push {
                let why = format!(
                    "a fork's image is not built where the build pushes it itself, by credentials that the fork's code could read; have Towpath pack \
                     it instead of `push: true` ({})",
                    self.source.place
                );
                return Err(CheckStanding::Held { why });
            }
            if fact.ok.as_ref().is_none_or(|(head, _)| *head != fact.pull.head) {
                return Err(CheckStanding::NeedsOk { head: fact.pull.head });
            }
        }
        if let Some(wanted) = &fact.wanted {
            return Ok(Candidate { id, fact, since: wanted.since, wanted: Some(wanted), after: None });
        }
        let Some(last) = &fact.last else {
            // Nothing is known that speaks against it.
            return Ok(Candidate { id, fact, since: fact.head_since, wanted: None, after: None });
        };
        let Some(failure) = &last.failure else {
            return Err(CheckStanding::Passed { run: last.run.clone(), at: last.at, reused: last.reused.clone() });
        };
        let is_tried_again = match failure.class {
            FailureClass::Environment => last.attempts - last.flaky.min(last.attempts) <= self.check.retries,
            // How often, the judge of the tests has said: after that they are broken like any other.
            FailureClass::Flaky => true,
            FailureClass::Own | FailureClass::Unknown => false,
        };
        if !is_tried_again {
            return Err(CheckStanding::Failed {
                run: last.run.clone(),
                at: last.at,
                class: failure.class,
                blame: failure.blame.clone(),
                step: failure.step.clone(),
                message: failure.message.clone(),
                attempts: last.attempts,
            });
        }
        let doublings = last.attempts.saturating_sub(1).min(10);
        let until = last.at.plus(Span::from_millis(BACKOFF.as_millis().saturating_mul(1 << doublings)));
        if self.clock.reached(until) {
            return Ok(Candidate { id, fact, since: until, wanted: None, after: Some(last) });
        }
        Err(CheckStanding::Backoff { run: last.run.clone(), until, attempts: last.attempts, message: failure.message.clone() })
    }

    fn run(&self, one: &Candidate<'_>) -> RunSpec {
        let pull = &one.fact.pull;
        let tests = match (one.wanted, one.after) {
            (Some(wanted), _) => wanted.tests.clone(),
            (None, Some(last)) => last.tests.clone(),
            (None, None) => Vec::new(),
        };
        let by = one.wanted.and_then(|wanted| wanted.by.as_ref());
        let head = ids::short(pull.head);
        let why = match (by, one.after) {
            (Some(by), _) => format!("{by} asked for a check of {} at {head}", one.id),
            (None, Some(last)) => format!("{} at {head} failed in {}, and not by a fault of its own", one.id, last.run),
            (None, None) => format!("{} is at {head}, which was not checked yet", one.id),
        };
        let work = Work::Check(Box::new(CheckWork {
            id: one.id.clone(),
            source: pull.source.clone(),
            number: Some(pull.number),
            head: pull.head,
            seen_at: one.fact.head_since,
            from_fork: pull.from_fork,
            check_hash: self.check.hash.to_string(),
            tests,
            anew: by.is_some(),
            urgent: pull.urgent,
            overrides: Overrides::default(),
        }));
        let id = ids::run_id(&work, one.id.as_str(), one.fact.runs);
        let after = one.after.and_then(|last| last.failure.as_ref()).map(|failure| failure.class);
        RunSpec { id, attempt: one.after.map_or(1, |last| last.attempts + 1), work, why, after }
    }
}

/// How one stands that has a run.
fn running(facts: &Facts, fact: &CheckFact) -> Option<CheckStanding> {
    let run = fact.active.clone()?;
    let started = facts.open_runs.get(&run).is_some_and(|open| open.started);
    Some(CheckStanding::Running { run, started })
}
