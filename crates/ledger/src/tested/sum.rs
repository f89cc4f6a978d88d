//! What the outcomes of one test add up to. Pure.

use super::TestOutcome;

/// One time that a test ran, oldest first among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen<'a> {
    /// The run's place among those that are looked at.
    pub(super) run: usize,
    pub(super) tree: &'a str,
    pub(super) outcome: TestOutcome,
    /// It passed, but not at the first try.
    pub(super) flaky: bool,
}

/// What they add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) outcome: TestOutcome,
    /// The run since which it has failed, or not failed, without a break.
    pub(super) since: usize,
    /// How often it was found to be flaky: within a run by its attempts, and over runs of the same tree once a tree.
    pub(super) flakes: u32,
    /// The run that last showed it.
    pub(super) flaky_in: Option<usize>,
}

/// Adds up; none where there is nothing.
pub(super) fn sum(seen: &[Seen<'_>]) -> Option<Sum> {
    let last = seen.last()?;
    // What was not run says nothing of how it stands.
    let ran = || seen.iter().rev().filter(|seen| seen.outcome != TestOutcome::Skipped);
    let is_bad = ran().next().is_some_and(|seen| seen.outcome.is_bad());
    let since = ran().take_while(|seen| seen.outcome.is_bad() == is_bad).last().or(seen.first()).map_or(last.run, |seen| seen.run);
    let mut trees: Vec<(&str, Tree)> = Vec::new();
    let (mut flakes, mut flaky_in) = (0, None);
    for seen in seen.iter().filter(|seen| seen.outcome != TestOutcome::Skipped) {
        let at = trees.iter().position(|(tree, _)| *tree == seen.tree).unwrap_or_else(|| {
            trees.push((seen.tree, Tree::default()));
            trees.len() - 1
        });
        let Some((_, tree)) = trees.get_mut(at) else { continue };
        let turned = if seen.outcome.is_bad() { tree.passed && !tree.failed } else { tree.failed && !tree.passed };
        tree.passed |= !seen.outcome.is_bad();
        tree.failed |= seen.outcome.is_bad();
        if turned || seen.flaky {
            flakes += 1;
            flaky_in = Some(seen.run);
        }
    }
    Some(Sum { outcome: last.outcome, since, flakes, flaky_in })
}

#[derive(Default)]
struct Tree {
    passed: bool,
    failed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use TestOutcome::{Error, Failed, Passed, Skipped};

    #[track_caller]
    fn check(seen: &[(&'static str, TestOutcome)], outcome: TestOutcome, since: usize, flakes: u32, flaky_in: Option<usize>) {
        let seen: Vec<_> =
            seen.iter().enumerate().map(|(run, (tree, outcome))| Seen { run, tree, outcome: *outcome, flaky: false }).collect();
        assert_eq!(sum(&seen), Some(Sum { outcome, since, flakes, flaky_in }));
    }

    #[test]
    fn a_test_that_passed_and_failed_on_the_same_tree_is_flaky_once_a_tree() {
        check(&[("a", Failed), ("a", Passed)], Passed, 1, 1, Some(1));
        check(&[("a", Passed), ("b", Failed), ("a", Error)], Error, 1, 1, Some(2));
        check(&[("a", Failed), ("a", Passed), ("a", Failed), ("a", Passed)], Passed, 3, 1, Some(1));
        check(&[("a", Failed), ("a", Passed), ("b", Failed), ("b", Passed)], Passed, 3, 2, Some(3));
    }

    #[test]
    fn a_test_that_another_commit_broke_or_mended_is_not_flaky() {
        check(&[("a", Passed), ("b", Failed), ("b", Failed), ("c", Passed)], Passed, 3, 0, None);
        check(&[("a", Passed), ("b", Failed), ("b", Skipped), ("c", Error)], Error, 1, 0, None);
    }

    #[test]
    fn what_was_skipped_says_nothing() {
        check(&[("a", Passed), ("a", Skipped), ("a", Passed)], Passed, 0, 0, None);
        check(&[("a", Failed), ("a", Skipped)], Skipped, 0, 0, None);
        check(&[("a", Skipped), ("b", Skipped)], Skipped, 0, 0, None);
        assert_eq!(sum(&[]), None);
    }

    #[test]
    fn a_test_that_passed_at_its_second_try_is_flaky_in_that_run() {
        let seen = [
            Seen { run: 0, tree: "a", outcome: Passed, flaky: true },
            Seen { run: 1, tree: "b", outcome: Passed, flaky: true },
            Seen { run: 2, tree: "c", outcome: Passed, flaky: false },
        ];
        assert_eq!(sum(&seen), Some(Sum { outcome: Passed, since: 0, flakes: 2, flaky_in: Some(1) }));
    }
}
