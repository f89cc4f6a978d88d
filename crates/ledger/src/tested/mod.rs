//! What tests did over their runs: which passed, which failed and since when, and which are flaky.
//!
//! No facts, and not from events: the outcomes of thousands of tests are counted from the reports as they come, in one transaction a run, and
//! [`Ledger::rebuild`](crate::Ledger::rebuild) leaves them as they are. What is decided with their help is an event of its own: that a run failed
//! of nothing but flaky tests. So nothing that happened changes its meaning when history is forgotten.
//!
//! All outcomes of a run are one row, and what they add up to is kept by test. Counting a run costs what its report has, times the few runs that
//! are remembered; tests of which nothing changed are not written.

mod codec;
mod count;
mod query;
mod sum;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use towpath_domain::{CommitId, RunId, Timestamp};

pub use query::{TestFilter, TestStanding};

/// How many runs of the same subject are remembered: so far back goes the history of a test.
pub const TEST_RUNS_MAX: usize = 50;

/// How many tests are remembered; of more, those that came first.
pub(crate) const TESTS_MAX: i64 = 200_000;

/// How many bytes the outcomes of all runs may take; beyond it, the oldest runs are forgotten.
pub(crate) const OUTCOME_BYTES_MAX: i64 = 256 << 20;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestOutcome {
    /// It passed.
    Passed,
    /// It was not run.
    Skipped,
    /// It failed.
    Failed,
    /// It could not be run to its end.
    Error,
}

impl TestOutcome {
    /// Whether it is a failure of either kind.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }

    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Passed => 0,
            Self::Skipped => 1,
            Self::Failed => 2,
            Self::Error => 3,
        }
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        [Self::Passed, Self::Skipped, Self::Failed, Self::Error].into_iter().find(|outcome| outcome.number() == number)
    }
}

/// A run of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestedRun {
    /// The run.
    pub run: RunId,
    /// The commit that was tested.
    pub commit: Option<CommitId>,
    /// What was tested, and with what: the same text for the same. A test that passes and fails on the same is flaky.
    pub tree: String,
    /// When its tests ended.
    pub at: Timestamp,
}

/// What one test of a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Its class; may be empty.
    pub class: String,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: TestOutcome,
    /// It passed, but not at the first try.
    pub flaky: bool,
    /// How often it was tried in this run.
    pub attempts: u32,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
}

/// A test, and what its history adds up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// Its stable name: the address of its page.
    pub id: String,
    /// Whose test it is: the [`subject_key`](crate::subject_key) of [`Run::tests_of`](crate::Run::tests_of).
    pub subject: String,
    /// Its class; may be empty.
    pub class: String,
    /// Its name.
    pub name: String,
    /// How it ended last.
    pub outcome: TestOutcome,
    /// Since when it has failed, or not failed, without a break; where it was only skipped since, from the first time.
    pub since: Timestamp,
    /// The run of that time.
    pub since_run: RunId,
    /// How often it was found to be flaky, as far as is remembered.
    pub flakes: u32,
    /// When it was last.
    pub flaky_at: Option<Timestamp>,
}

/// One time that a test ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestTime {
    /// The run.
    pub run: RunId,
    /// The commit that was tested.
    pub commit: Option<CommitId>,
    /// What was tested.
    pub tree: String,
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: TestOutcome,
    /// It passed, but not at the first try.
    pub flaky: bool,
    /// How often it was tried in that run.
    pub attempts: u32,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
}

/// What counting a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// The tests that failed in it, with what is known of them now.
    pub bad: Vec<Tested>,
    /// Tests that are not remembered, since there are too many.
    pub uncounted: u64,
}

/// The stable name of a test: 20 hex digits over whose runs it belongs to, its class and its name.
#[must_use]
pub fn test_id(subject: &str, class: &str, name: &str) -> String {
    let mut hash = Sha256::new();
    for part in [subject, class, name] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
}
