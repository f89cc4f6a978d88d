//! What the ledger says of the reports of a run's tests, for as long as it is there: bounded, failed tests first. The reports themselves lie beside
//! the run's log, and go with it.

use serde::{Deserialize, Serialize};
use towpath_domain::Digest;
use towpath_engine::Mark;
use towpath_junit::{Case, Outcome, Report};
use towpath_ledger::test_id;

/// The step of a run under which its reports are noted.
pub const REPORTS_STEP: &str = "reports";

/// The most tests that are noted of a run.
const TESTS_MAX: usize = 1000;

/// The longest name and the longest message that are noted, in characters; and all messages together, in bytes.
const NAME_CHARS: usize = 300;
const MESSAGE_CHARS: usize = 2000;
const MESSAGES_BYTES: usize = 256 << 10;

/// A report as it is noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedReport {
    /// Its name.
    pub name: String,
    /// Tests that passed, noted or not.
    pub passed: u32,
    /// Tests that failed, in either way.
    pub failed: u32,
    /// Tests that were left out.
    pub skipped: u32,
    /// Tests that passed, but not at the first try.
    #[serde(default)]
    pub flaky: u32,
    /// By what it is kept beside the run's log; none where it is not kept, as with earlier versions.
    #[serde(default)]
    pub hash: Option<Digest>,
    /// How large it is, in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Why it could not be read, or not to its end.
    #[serde(default)]
    pub unread: Option<String>,
    /// Why it is not kept.
    #[serde(default)]
    pub unkept: Option<String>,
    /// The tests, failed ones first; bounded.
    pub tests: Vec<NotedTest>,
}

/// A test as it is noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedTest {
    /// Its stable name: that of its history. None of earlier versions.
    #[serde(default)]
    pub id: Option<String>,
    /// Class and name.
    pub name: String,
    /// `passed`, `failed` or `skipped`.
    pub state: String,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
    /// What it said when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it was judged to be, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// It passed, but not at the first try.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaky: bool,
}

/// Notes tests, up to a bound for all reports of a run.
pub(super) struct Notes<'a> {
    subject: &'a str,
    tests_left: usize,
    messages_left: usize,
}

impl<'a> Notes<'a> {
    /// Notes of a run whose tests are this subject's, beside what is noted of it already.
    pub(super) fn beside(subject: &'a str, noted: &[NotedReport]) -> Self {
        let tests = || noted.iter().flat_map(|report| &report.tests);
        let said: usize = tests().filter_map(|test| test.message.as_ref()).map(String::len).sum();
        Self { subject, tests_left: TESTS_MAX.saturating_sub(tests().count()), messages_left: MESSAGES_BYTES.saturating_sub(said) }
    }

    /// A report, with what its failed tests were judged to be.
    pub(super) fn report(&mut self, name: &str, report: &Report, mark_of: impl Fn(&Case) -> Option<Mark>) -> NotedReport {
        let count = |wanted: fn(&Case) -> bool| u32::try_from(report.cases.iter().filter(|case| wanted(case)).count()).unwrap_or(u32::MAX);
        let mut cases: Vec<&Case> = report.cases.iter().collect();
        cases.sort_by_key(|case| (!case.outcome.is_bad(), !case.flaky));
        let tests: Vec<NotedTest> = cases.into_iter().take(self.tests_left).map(|case| self.test(case, mark_of(case))).collect();
        self.tests_left -= tests.len();
        NotedReport {
            name: cut(name, NAME_CHARS),
            passed: count(|case| case.outcome == Outcome::Passed),
            failed: count(|case| case.outcome.is_bad()),
            skipped: count(|case| case.outcome == Outcome::Skipped),
            flaky: count(|case| case.flaky),
            hash: None,
            bytes: 0,
            unread: None,
            unkept: None,
            tests,
        }
    }

    fn test(&mut self, case: &Case, mark: Option<Mark>) -> NotedTest {
        let said = case.detail.as_ref().filter(|_| case.outcome.is_bad() && self.messages_left > 0);
        let message = said.map(|detail| cut(if detail.message.is_empty() { &detail.text } else { &detail.message }, MESSAGE_CHARS));
        self.messages_left = self.messages_left.saturating_sub(message.as_ref().map_or(0, String::len));
        NotedTest {
            id: Some(test_id(self.subject, &case.class, &case.name)),
            name: cut(&title(case), NAME_CHARS),
            state: state_of(case.outcome).to_owned(),
            took_ms: case.time.and_then(|time| u64::try_from(time.as_millis()).ok()),
            message,
            mark,
            flaky: case.flaky,
        }
    }
}

/// Class and name, for people.
fn title(case: &Case) -> String {
    if case.class.is_empty() { case.name.clone() } else { format!("{} › {}", case.class, case.name) }
}

fn state_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Skipped => "skipped",
        Outcome::Failed | Outcome::Error => "failed",
    }
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use towpath_junit::Limits;

    use super::*;

    #[test]
    fn failed_tests_are_noted_first_and_what_is_too_much_is_only_counted() {
        let passed: String = (0..1200).map(|n| format!("<testcase name=\"t{n}\" time=\"0.25\"/>")).collect();
        let xml = format!(
            "<testsuite>{passed}<testcase name=\"f\"><flakyFailure/></testcase>\
             <testcase classname=\"shop\" name=\"checkout\"><failure message=\"no such button\"/></testcase></testsuite>"
        );
        let report = Report::parse(xml.as_bytes(), &Limits::default()).unwrap();
        let noted = Notes::beside("target:smoke", &[]).report("smoke.xml", &report, |_| Some(Mark::KnownFlaky));
        assert_eq!((noted.passed, noted.failed, noted.flaky, noted.tests.len()), (1201, 1, 1, TESTS_MAX));
        assert_eq!((noted.tests[0].name.as_str(), noted.tests[0].message.as_deref()), ("shop › checkout", Some("no such button")));
        assert_eq!(
            (noted.tests[0].mark, noted.tests[0].id.as_ref()),
            (Some(Mark::KnownFlaky), Some(&test_id("target:smoke", "shop", "checkout")))
        );
        assert!(noted.tests[1].flaky && noted.tests[2].took_ms == Some(250));
    }

    #[test]
    fn what_an_earlier_version_noted_is_read() {
        let old = r#"[{"name":"smoke.xml","passed":1,"failed":0,"skipped":0,"tests":[{"name":"a","state":"passed","took_ms":3}]}]"#;
        let noted: Vec<NotedReport> = serde_json::from_str(old).unwrap();
        assert_eq!((noted[0].hash, noted[0].tests[0].took_ms), (None, Some(3)));
    }
}
