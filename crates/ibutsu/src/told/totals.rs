//! What results add up to. Counted here: what a report declares of itself is not believed.

use serde_json::{Value, json};

use super::result::Told as Outcome;

/// What the results of a run add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// All results.
    pub tests: u64,
    /// Passed ones, flaky ones included.
    pub passes: u64,
    /// Failed ones.
    pub failures: u64,
    /// Ones that could not be run to their end.
    pub errors: u64,
    /// Skipped ones.
    pub skips: u64,
    /// Ones that were expected to fail, and did.
    pub xfailures: u64,
    /// Ones that were expected to fail, and passed.
    pub xpasses: u64,
    /// Passed ones that did not pass at the first try.
    pub flaky: u64,
}

impl Totals {
    pub(super) fn add(&mut self, outcome: Outcome, flaky: bool) {
        self.tests += 1;
        self.flaky += u64::from(flaky);
        *match outcome {
            Outcome::Passed => &mut self.passes,
            Outcome::Failed => &mut self.failures,
            Outcome::Error => &mut self.errors,
            Outcome::Skipped => &mut self.skips,
            Outcome::ExpectedFailure => &mut self.xfailures,
            Outcome::UnexpectedPass => &mut self.xpasses,
        } += 1;
    }

    /// As a run's `summary`. How the part that passed is rounded is from Ibutsu's source (`compute_pass_percent`): down.
    #[must_use]
    pub fn summary(&self) -> Value {
        json!({
            "collected": self.tests,
            "tests": self.tests,
            "passes": self.passes,
            "failures": self.failures,
            "errors": self.errors,
            "skips": self.skips,
            "xfailures": self.xfailures,
            "xpasses": self.xpasses,
            "not_run": 0,
            "pass_percent": (self.passes * 100).checked_div(self.tests).unwrap_or(0),
        })
    }
}
