//! What an event of a pull request makes of the facts. Total, as all of the projection: an event that does not fit what is known changes nothing.

use towpath_domain::{CheckId, CommitId, FailureClass, RunId, SourceName, Timestamp};

use super::event::{Ask, Asked, CheckEvent, PullRequest};
use super::facts::{CheckFact, CheckFailure, CheckedTree, LastCheck, Wanted};
use super::work::CheckWork;
use crate::event::Outcome;
use crate::facts::{FactKey, Facts};

/// Comments of one pull request that are remembered as heard, the newest.
const HEARD_MAX: usize = 200;

/// Trees of one source that are remembered as well, the newest.
const TREES_MAX: usize = 200;

impl Facts {
    pub(crate) fn check_event(&mut self, at: Timestamp, event: &CheckEvent) -> Vec<FactKey> {
        match event {
            CheckEvent::Seen { pull } => self.pull_seen(at, pull),
            CheckEvent::Ended { check, .. } => match self.checks.remove(check) {
                Some(_) => vec![FactKey::Check(check.clone())],
                None => Vec::new(),
            },
            CheckEvent::Asked { check, ask } => self.check_asked(at, check, ask),
        }
    }

    fn pull_seen(&mut self, at: Timestamp, pull: &PullRequest) -> Vec<FactKey> {
        let id = pull.id();
        let wanted = Wanted { since: at, tests: Vec::new(), by: None };
        match self.checks.get_mut(&id) {
            None => {
                let fact = CheckFact {
                    pull: pull.clone(),
                    head_since: at,
                    wanted: Some(wanted),
                    runs: 0,
                    active: None,
                    last: None,
                    ok: None,
                    cancelled: None,
                    heard: std::collections::BTreeSet::new(),
                };
                self.checks.insert(id.clone(), fact);
            }
            Some(fact) => {
                if fact.pull.head != pull.head {
                    // A push to one that waits does not send it to the end of the queue.
                    let since = fact.wanted.as_ref().map_or(at, |before| before.since);
                    fact.wanted = Some(Wanted { since, ..wanted });
                    fact.head_since = at;
                    (fact.last, fact.cancelled) = (None, None);
                }
                fact.pull = pull.clone();
            }
        }
        vec![FactKey::Check(id)]
    }

    fn check_asked(&mut self, at: Timestamp, check: &CheckId, ask: &Ask) -> Vec<FactKey> {
        let under_way = {
            let active = self.checks.get(check).and_then(|fact| fact.active.as_ref()).and_then(|run| self.open_runs.get(run));
            active
                .and_then(|open| if let crate::Work::Check(work) = &open.spec.work { Some((work.head, work.tests.clone())) } else { None })
        };
        let Some(fact) = self.checks.get_mut(check) else { return Vec::new() };
        if let Some(comment) = ask.comment {
            if !fact.heard.insert(comment) {
                return Vec::new();
            }
            while fact.heard.len() > HEARD_MAX {
                fact.heard.pop_first();
            }
        }
        match &ask.what {
            Asked::Retest { tests } => {
                // What is under way is what they ask for.
                if under_way.as_ref() != Some(&(fact.pull.head, tests.clone())) {
                    let since = fact.wanted.as_ref().map_or(at, |before| before.since);
                    fact.wanted = Some(Wanted { since, tests: tests.clone(), by: Some(ask.by.clone()) });
                }
                fact.cancelled = None;
            }
            Asked::Cancel => {
                fact.wanted = None;
                fact.cancelled = Some(ask.by.clone());
            }
            Asked::Nothing => {}
            Asked::OkToTest { head } => {
                if *head == fact.pull.head {
                    fact.ok = Some((*head, ask.by.clone()));
                }
            }
        }
        vec![FactKey::Check(check.clone())]
    }

    /// A check run was put into the queue.
    pub(crate) fn check_queued(&mut self, run: &RunId, work: &CheckWork) -> Vec<FactKey> {
        let Some(fact) = self.checks.get_mut(&work.id) else { return Vec::new() };
        fact.runs += 1;
        fact.active = Some(run.clone());
        fact.wanted.take_if(|_| fact.pull.head == work.head);
        vec![FactKey::Check(work.id.clone())]
    }

    /// A check run ended.
    pub(crate) fn check_finished(&mut self, at: Timestamp, run: &RunId, work: &CheckWork, outcome: &Outcome) -> Vec<FactKey> {
        let mut touched = Vec::new();
        if let Outcome::Checked { key: Some(key), reused: None, .. } = outcome {
            self.remember_tree(&work.source, CheckedTree { key: key.clone(), run: run.clone(), at });
            touched.push(FactKey::CheckedTrees(work.source.clone()));
        }
        let Some(fact) = self.checks.get_mut(&work.id) else { return touched };
        fact.active.take_if(|active| active == run);
        touched.push(FactKey::Check(work.id.clone()));
        // Of a commit that is not the newest any more, nothing is of interest.
        if fact.pull.head != work.head {
            return touched;
        }
        // What somebody asked for counts from the beginning.
        let before = fact.last.as_ref().filter(|last| !work.anew && last.tests == work.tests && last.failure.is_some());
        let (attempts, flaky) = before.map_or((0, 0), |last| (last.attempts, last.flaky));
        let last = |failure: Option<CheckFailure>, reused| LastCheck {
            run: run.clone(),
            head: work.head,
            tests: work.tests.clone(),
            at,
            flaky: flaky + u32::from(failure.as_ref().is_some_and(|failure| failure.class == FailureClass::Flaky)),
            failure,
            reused,
            attempts: attempts + 1,
        };
        match outcome {
            Outcome::Checked { reused, .. } => fact.last = Some(last(None, reused.clone())),
            Outcome::Failed { class, step, message, blame, .. } => {
                let failure = CheckFailure { class: *class, blame: blame.clone(), step: step.clone(), message: message.clone() };
                fact.last = Some(last(Some(failure), None));
            }
            Outcome::Cancelled { by } => {
                // Somebody may have asked for another one since.
                if fact.wanted.is_none() {
                    fact.cancelled = Some(by.clone());
                }
            }
            // What took its place is gone again: it is wanted as before.
            _ => {
                if fact.wanted.is_none() && fact.cancelled.is_none() {
                    fact.wanted = Some(Wanted { since: at, tests: work.tests.clone(), by: None });
                }
            }
        }
        touched
    }

    /// How often this commit's check was tried before, and failed of nothing but tests known to be flaky.
    #[must_use]
    pub fn flaky_checks(&self, check: &CheckId, head: CommitId) -> u32 {
        let last = self.checks.get(check).and_then(|fact| fact.last.as_ref());
        last.filter(|last| last.head == head && last.failure.is_some()).map_or(0, |last| last.flaky)
    }

    fn remember_tree(&mut self, source: &SourceName, tree: CheckedTree) {
        let trees = self.checked_trees.entry(source.clone()).or_default();
        trees.retain(|known| known.key != tree.key);
        trees.push(tree);
        crate::apply::cut_front(trees, TREES_MAX);
    }

    /// The run that found this very tree well by these very instructions.
    #[must_use]
    pub fn checked(&self, source: &SourceName, key: &str) -> Option<&CheckedTree> {
        self.checked_trees.get(source)?.iter().rev().find(|tree| tree.key == key)
    }
}
