//! What failed tests come to: the one place where it is decided whether they fail their run, and whether it is tried again.

use towpath_catalog::{Catalog, Policy, Quarantine, Retries, Target};
use towpath_domain::{CommitId, FailureClass, Span, Timestamp};

use crate::event::DeployWork;
use crate::facts::Facts;
use crate::ids;

/// So long is a test known to be flaky after it was last found to be.
pub const FLAKY_FOR: Span = Span::from_days(30);

/// What policies say of the tests of something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestRules {
    /// How often a run is tried again that failed of nothing but tests known to be flaky.
    pub flaky_retries: u32,
    /// Tests whose failures do not count; some of them may have ended.
    pub quarantine: Vec<Quarantine>,
}

impl TestRules {
    /// The quarantine that holds for a test now.
    #[must_use]
    pub fn quarantine(&self, class: &str, name: &str, now: Timestamp) -> Option<&Quarantine> {
        self.quarantine.iter().find(|quarantine| now < quarantine.until && quarantine.names(class, name))
    }
}

/// What the policies that select a target say of its tests: of each part, the last one that says anything.
#[must_use]
pub fn test_rules(catalog: &Catalog, target: &Target) -> TestRules {
    let selected = || catalog.policies.iter().rev().filter(|policy| policy.select.selects(target));
    TestRules {
        flaky_retries: selected().find_map(|policy| policy.tests.flaky_retries).unwrap_or_default(),
        quarantine: selected().find_map(|policy| policy.tests.quarantine.clone()).unwrap_or_default(),
    }
}

/// How failures are retried under these policies, in the order of their names.
pub(crate) fn retries<'a>(selected: impl DoubleEndedIterator<Item = &'a Policy> + Clone) -> Retries {
    let usual = selected.clone().rev().find_map(|policy| policy.retries).unwrap_or_default();
    let flaky = selected.rev().find_map(|policy| policy.tests.flaky_retries).unwrap_or_default();
    Retries { flaky, ..usual }
}

/// What a deploy tests, and with what: the same text for the same. A test that passed and failed on the same is flaky.
#[must_use]
pub fn tree(work: &DeployWork) -> String {
    let commit: CommitId = work.commit;
    let release = work.release.iter().map(|(image, digest)| format!("{image} {digest}"));
    ids::short_hash([commit.to_string(), ids::deploy_tried(work)].into_iter().chain(release))
}

/// A test that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedTest<'a> {
    /// Its class; may be empty.
    pub class: &'a str,
    /// Its name.
    pub name: &'a str,
    /// When it was last found to be flaky.
    pub flaky_at: Option<Timestamp>,
}

/// What a failed test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// A policy says that its failure does not count now.
    Quarantined,
    /// It is known to be flaky.
    KnownFlaky,
    /// Its failure counts.
    Counts,
}

/// What failed tests come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// What each of them is, in their order.
    pub marks: Vec<Mark>,
    /// Of what their run failed by them; none when none of them fails it.
    pub class: Option<FailureClass>,
}

impl Judgement {
    /// How many of them are this.
    #[must_use]
    pub fn count(&self, mark: Mark) -> usize {
        self.marks.iter().filter(|known| **known == mark).count()
    }
}

/// Judges failed tests. `retried` says how often the same was tried before and failed of nothing but tests known to be flaky.
///
/// A quarantined test fails nothing. When all others are known to be flaky, the run failed of flaky tests as often as the rules allow, which is
/// tried again; what goes on failing after that is broken like any other.
#[must_use]
pub fn judge(rules: &TestRules, retried: u32, failed: &[FailedTest<'_>], now: Timestamp) -> Judgement {
    let mark = |test: &FailedTest<'_>| {
        let is_flaky = test.flaky_at.is_some_and(|at| now.since(at) <= FLAKY_FOR);
        match rules.quarantine(test.class, test.name, now) {
            Some(_) => Mark::Quarantined,
            None if is_flaky => Mark::KnownFlaky,
            None => Mark::Counts,
        }
    };
    let marks: Vec<Mark> = failed.iter().map(mark).collect();
    let class = if marks.contains(&Mark::Counts) {
        Some(FailureClass::Own)
    } else if marks.contains(&Mark::KnownFlaky) {
        Some(if retried < rules.flaky_retries { FailureClass::Flaky } else { FailureClass::Own })
    } else {
        None
    };
    Judgement { marks, class }
}

impl Facts {
    /// How often what a deploy does was tried before, and failed of nothing but tests known to be flaky.
    #[must_use]
    pub fn flaky_tries(&self, work: &DeployWork) -> u32 {
        let failure = self.targets.get(&work.target).and_then(|fact| fact.failure.as_ref());
        let same = failure.filter(|failure| failure.commit == Some(work.commit) && failure.tried == ids::deploy_tried(work));
        same.map_or(0, |failure| failure.flaky)
    }
}

#[cfg(test)]
mod tests {
    use towpath_catalog::Place;

    use super::*;

    const DAY: i64 = 24 * 3600 * 1000;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_millis(day * DAY)
    }

    fn rules(flaky_retries: u32, quarantined: &[&str]) -> TestRules {
        let place = Place { file: "p.yml".into(), line: 1, column: 1, start: 0, end: 0 };
        let quarantine = quarantined.iter().map(|test| Quarantine {
            test: (*test).into(),
            owner: "ada".into(),
            until: at(100),
            why: "slow".into(),
            place: place.clone(),
        });
        TestRules { flaky_retries, quarantine: quarantine.collect() }
    }

    /// Tests by name; those that begin with `flaky` were last found to be that on day 50.
    fn judged(rules: &TestRules, retried: u32, names: &[&str], day: i64) -> (Vec<Mark>, Option<FailureClass>) {
        let test = |name: &&'static str| FailedTest { class: "shop", name, flaky_at: name.starts_with("flaky").then(|| at(50)) };
        let names: Vec<&'static str> = names.iter().map(|name| &*name.to_string().leak()).collect();
        let judgement = judge(rules, retried, &names.iter().map(test).collect::<Vec<_>>(), at(day));
        (judgement.marks, judgement.class)
    }

    use FailureClass::{Flaky, Own};
    use Mark::{Counts, KnownFlaky, Quarantined};

    #[test]
    fn a_run_fails_of_flaky_tests_only_where_nothing_else_failed_and_not_for_ever() {
        let some = rules(2, &[]);
        assert_eq!(judged(&some, 0, &["flaky a", "flaky b"], 60), (vec![KnownFlaky, KnownFlaky], Some(Flaky)));
        assert_eq!(judged(&some, 0, &["flaky a", "b"], 60), (vec![KnownFlaky, Counts], Some(Own)));
        assert_eq!(judged(&some, 1, &["flaky a"], 60).1, Some(Flaky));
        assert_eq!(judged(&some, 2, &["flaky a"], 60).1, Some(Own), "what goes on failing is broken");
        assert_eq!(judged(&rules(0, &[]), 0, &["flaky a"], 60), (vec![KnownFlaky], Some(Own)), "nobody said that it may be tried again");
        assert_eq!(judged(&some, 0, &["flaky a"], 81), (vec![Counts], Some(Own)), "nobody has seen it flaky of late");
        assert_eq!(judged(&some, 0, &[], 60), (vec![], None));
    }

    #[test]
    fn a_quarantined_test_fails_nothing_until_its_quarantine_ends() {
        let some = rules(1, &["shop › a*"]);
        assert_eq!(judged(&some, 0, &["a", "apple"], 99), (vec![Quarantined, Quarantined], None));
        assert_eq!(judged(&some, 0, &["a", "b"], 99), (vec![Quarantined, Counts], Some(Own)));
        assert_eq!(judged(&some, 0, &["a", "flaky"], 60), (vec![Quarantined, KnownFlaky], Some(Flaky)));
        assert_eq!(judged(&some, 0, &["a"], 100), (vec![Counts], Some(Own)));
        // One that is flaky, too, is not tried again: it counts for nothing.
        assert_eq!(judged(&rules(1, &["flaky*"]), 0, &["flaky"], 60), (vec![Quarantined], None));
    }
}
