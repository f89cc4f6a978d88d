//! Whether to try again after a failure, and when.

use towpath_catalog::Retries;
use towpath_domain::{FailureClass, Span, Timestamp};

use crate::clock::Clock;
use crate::facts::Failure;
use crate::verdict::Hold;

/// What follows from how the same went before.
#[derive(Debug, PartialEq)]
pub(crate) enum Again {
    /// It may be tried now.
    Now {
        /// Which attempt that is, from 1.
        attempt: u32,
    },
    /// It is tried again later.
    Later(Hold),
    /// It is not tried again by itself.
    Never(Hold),
}

/// What follows from the last failure at the same, if there was one.
pub(crate) fn again(clock: &Clock, retries: &Retries, failure: Option<&Failure>) -> Again {
    let Some(failure) = failure else { return Again::Now { attempt: 1 } };
    let (run, message, attempts) = (failure.run.clone(), failure.message.clone(), failure.attempts);
    if is_final(retries, failure) {
        return Again::Never(Hold::Failed { run, class: failure.class, attempts, message });
    }
    let until = next_try(retries, attempts, failure.at);
    if clock.reached(until) {
        return Again::Now { attempt: attempts.saturating_add(1) };
    }
    let of = if failure.class == FailureClass::Flaky { attempts.saturating_add(1) } else { retries.attempts };
    Again::Later(Hold::Backoff { run, until, attempts, of, message })
}

/// Whether Towpath does not try this again by itself.
pub(crate) fn is_final(retries: &Retries, failure: &Failure) -> bool {
    match failure.class {
        FailureClass::Flaky => failure.flaky > retries.flaky,
        class => !class.is_retried() || failure.attempts >= retries.attempts,
    }
}

/// When the next attempt is due, after `attempts` of them, the last of which failed at `at`: the wait doubles each time.
pub(crate) fn next_try(retries: &Retries, attempts: u32, at: Timestamp) -> Timestamp {
    let doubled = retries.backoff.as_millis().saturating_mul(1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX));
    at.plus(Span::from_millis(doubled.min(retries.backoff_limit.as_millis())))
}

#[cfg(test)]
mod tests {
    use towpath_domain::RunId;

    use super::*;

    fn failure(class: FailureClass, attempts: u32, flaky: u32) -> Failure {
        Failure {
            run: RunId::new("r").unwrap(),
            commit: None,
            tried: String::new(),
            class,
            message: String::new(),
            attempts,
            at: Timestamp::default(),
            cancelled: false,
            flaky,
        }
    }

    #[test]
    fn flaky_tests_have_a_bound_of_their_own_whatever_the_environment_took() {
        let retries = Retries { flaky: 2, ..Retries::default() };
        for (flaky, is_last) in [(1, false), (2, false), (3, true)] {
            assert_eq!(is_final(&retries, &failure(FailureClass::Flaky, flaky + 4, flaky)), is_last, "{flaky}");
        }
        assert!(is_final(&Retries::default(), &failure(FailureClass::Flaky, 1, 1)), "nobody said that they may be tried again");
        assert!(!is_final(&retries, &failure(FailureClass::Environment, 4, 3)));
        assert!(is_final(&retries, &failure(FailureClass::Environment, 5, 0)));
        assert!(is_final(&retries, &failure(FailureClass::Own, 1, 0)));
    }
}
