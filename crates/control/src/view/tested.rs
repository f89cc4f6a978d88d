//! Tests: what reports of a run say, and how tests went over their runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{RunId, Timestamp};

use super::CommitView;

/// A test report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    /// Its name.
    pub name: String,
    /// The SHA-256 of the file, by which it is fetched; none where it is not kept, or no longer.
    pub hash: Option<String>,
    /// How large the file is, in bytes.
    pub bytes: u64,
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed, or could not be run to their end.
    pub failed: u32,
    /// Tests that were left out.
    pub skipped: u32,
    /// Tests that passed, but not at the first try.
    pub flaky: u32,
    /// What is odd: it cannot be read, or not to its end; it is not kept; its counts are not true.
    pub notes: Vec<String>,
    /// The tests, failed ones first, then flaky ones; bounded where they are part of something else.
    pub tests: Vec<CaseView>,
}

/// A test of a report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseView {
    /// The stable name of its history; none where it has none.
    pub id: Option<String>,
    /// Its name: class and name.
    pub name: String,
    /// `passed`, `failed` or `skipped`.
    pub state: String,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
    /// What it said when it failed.
    pub message: Option<String>,
    /// Where it failed: a stack trace or the like.
    pub trace: Option<String>,
    /// What it wrote.
    pub output: Option<String>,
    /// How often it was tried in this run; 0 where nobody knows.
    pub attempts: u32,
    /// It passed, but not at the first try.
    pub flaky: bool,
    /// What is known of a failure: `quarantined`, `known-flaky`, `new` (it passed the time before) or `failing` (it failed before, too).
    pub mark: Option<String>,
    /// Since when it has failed without a break, as far as is remembered.
    pub since: Option<Timestamp>,
    /// The run of that time.
    pub since_run: Option<RunId>,
}

/// The reports of a run, and a page of their tests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunReportsView {
    /// The reports, those with failures first, without their tests.
    pub reports: Vec<ReportView>,
    /// Tests of all reports: failed ones first, then flaky ones.
    pub tests: Vec<CaseView>,
    /// Where the next page of tests begins; none behind the last one.
    pub next: Option<String>,
}

/// Which tests of a run's reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunReportsFilter {
    /// Where the page begins: the page before's `next`.
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,6}$"))]
    pub cursor: Option<String>,
    /// Tests on a page; 50 when absent.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// A report's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// Its name, as a file may have it.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// A test, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestLine {
    /// Its stable name.
    pub id: String,
    /// Its class; may be empty.
    pub class: String,
    /// Its name.
    pub name: String,
    /// Whose runs it belongs to, as people call it.
    pub of: String,
    /// What that is: `target`, `source` or `change`, and its id.
    pub subject: (String, String),
    /// Its app, where it has one.
    pub app: Option<String>,
    /// Its environment, where it has one.
    pub environment: Option<String>,
    /// How it ended last: `passed`, `failed` or `skipped`.
    pub state: String,
    /// Since when it has failed, or not failed, without a break, as far as is remembered.
    pub since: Timestamp,
    /// The run of that time.
    pub since_run: RunId,
    /// How often it was found to be flaky, as far as is remembered.
    pub flakes: u32,
    /// When it was last.
    pub flaky_at: Option<Timestamp>,
    /// It is known to be flaky now: a run that fails of nothing but such tests may be tried again.
    pub known_flaky: bool,
    /// Its failures do not count now.
    pub quarantine: Option<QuarantineView>,
}

/// A quarantine that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineView {
    /// Who sees to the test.
    pub owner: String,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub why: String,
    /// Where it is written: file, line and column.
    pub place: String,
}

/// A test with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestDetail {
    /// How it stands.
    pub test: TestLine,
    /// How often it ran, as far as is remembered; skipped times do not count.
    pub runs: u32,
    /// How often it failed.
    pub failures: u32,
    /// Half took no longer, in milliseconds.
    pub median_ms: Option<u64>,
    /// The times that it ran, newest first.
    pub times: Vec<TestTimeView>,
}

/// One time that a test ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestTimeView {
    /// The run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// The commit that was tested.
    pub commit: Option<CommitView>,
    /// What was tested, and with what: the same text for the same.
    pub tree: String,
    /// `passed`, `failed` or `skipped`.
    pub state: String,
    /// It passed, but not at the first try.
    pub flaky: bool,
    /// How often it was tried in that run.
    pub attempts: u32,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
}

/// Which tests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestFilter {
    /// With this text in class or name, in any case.
    pub find: Option<String>,
    /// `flaky` or `failing` ones only.
    #[schemars(regex(pattern = r"^(flaky|failing)?$"))]
    pub state: Option<String>,
    /// Of this app.
    pub app: Option<String>,
    /// Where the page begins: the page before's `next`.
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,6}$"))]
    pub cursor: Option<String>,
    /// Tests on a page; 50 when absent.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}
