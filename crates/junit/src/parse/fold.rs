//! Several tries of the same test case become one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::report::{Case, Outcome};

/// Makes one case of those that have suite, class and name in common: tools write each try as a case of its own. The last try
/// decides, unless one before it was bad and the last did not pass: then the worst does.
///
/// In the suites of `counts_once`, which count a test once and list each of its tries, a test is only tried again when it failed, even if
/// nothing says so of the tries before the last: so writes pytest with its plugin rerunfailures.
pub(super) fn fold(cases: Vec<Case>, counts_once: &HashSet<Arc<str>>) -> Vec<Case> {
    let mut place_of: HashMap<(&str, &str, &str), usize> = HashMap::with_capacity(cases.len());
    let mut places = Vec::with_capacity(cases.len());
    for case in &cases {
        let next = place_of.len();
        places.push(*place_of.entry((&case.suite, &case.class, &case.name)).or_insert(next));
    }
    let mut folded: Vec<Case> = Vec::with_capacity(place_of.len());
    drop(place_of);
    for (case, place) in cases.into_iter().zip(places) {
        match folded.get_mut(place) {
            Some(earlier) => {
                let is_silent = counts_once.contains(&case.suite) && earlier.outcome == Outcome::Passed;
                again(earlier, case, is_silent);
            }
            None => folded.push(case),
        }
    }
    folded
}

fn again(earlier: &mut Case, later: Case, is_silent: bool) {
    earlier.attempts = earlier.attempts.saturating_add(later.attempts);
    earlier.time = match (earlier.time, later.time) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or(Duration::ZERO).saturating_add(other.unwrap_or(Duration::ZERO))),
    };
    let was_bad = earlier.outcome.is_bad() || is_silent;
    earlier.flaky = later.outcome == Outcome::Passed && (was_bad || earlier.flaky || later.flaky);
    if later.outcome == Outcome::Passed {
        earlier.outcome = Outcome::Passed;
    } else {
        if later.outcome > earlier.outcome || earlier.detail.is_none() {
            earlier.detail = later.detail.or_else(|| earlier.detail.take());
        }
        earlier.outcome = earlier.outcome.max(later.outcome);
    }
    let room = 200_usize.saturating_sub(earlier.properties.len());
    earlier.properties.extend(later.properties.into_iter().take(room));
    earlier.output = earlier.output.take().or(later.output);
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Error, Failed, Passed, Skipped};

    fn fold_of(outcomes: &[Outcome]) -> (Outcome, bool, u32) {
        let case = |outcome: &Outcome| Case { name: "t".into(), outcome: *outcome, attempts: 1, ..Case::default() };
        let folded = fold(outcomes.iter().map(case).collect(), &HashSet::new());
        assert_eq!(folded.len(), 1);
        (folded[0].outcome, folded[0].flaky, folded[0].attempts)
    }

    #[test]
    fn a_pass_after_a_failure_is_flaky_and_anything_else_after_it_is_bad() {
        assert_eq!(fold_of(&[Failed, Passed]), (Passed, true, 2));
        assert_eq!(fold_of(&[Failed, Error, Passed]), (Passed, true, 3));
        assert_eq!(fold_of(&[Passed, Failed]), (Failed, false, 2));
        assert_eq!(fold_of(&[Failed, Error]), (Error, false, 2));
        assert_eq!(fold_of(&[Failed, Skipped]), (Failed, false, 2));
        assert_eq!(fold_of(&[Failed, Passed, Failed]), (Failed, false, 3));
        assert_eq!(fold_of(&[Skipped, Passed]), (Passed, false, 2));
        assert_eq!(fold_of(&[Passed, Passed]), (Passed, false, 2));
        assert_eq!(fold_of(&[Failed, Passed, Passed]), (Passed, true, 3));
    }

    #[test]
    fn tries_of_which_nothing_is_said_failed_where_the_suite_counts_a_test_once() {
        let case = |suite: &str, outcome| Case { suite: suite.into(), name: "t".into(), outcome, attempts: 1, ..Case::default() };
        let once = HashSet::from([Arc::from("pytest")]);
        let fold_of = |suite: &str, outcomes: &[Outcome]| {
            let folded = fold(outcomes.iter().map(|outcome| case(suite, *outcome)).collect(), &once);
            (folded[0].outcome, folded[0].flaky, folded[0].attempts)
        };
        assert_eq!(fold_of("pytest", &[Passed, Passed, Passed]), (Passed, true, 3));
        assert_eq!(fold_of("pytest", &[Passed, Passed, Failed]), (Failed, false, 3));
        // Run several times on purpose, as `go test -count` does.
        assert_eq!(fold_of("go", &[Passed, Passed, Passed]), (Passed, false, 3));
    }
}
