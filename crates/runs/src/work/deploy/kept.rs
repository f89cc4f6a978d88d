//! What is kept of the reports of tests, for as long as the ledger: bounded, failed tests first.

use serde::{Deserialize, Serialize};
use towpath_junit::{Case, Outcome, Report, ReportError};

use crate::journal::{Journal, Stop};

/// The step of a run under which its reports are kept.
pub const REPORTS_STEP: &str = "reports";

/// The most tests that are kept of a run.
const TESTS_MAX: usize = 1000;

/// The longest name and the longest message that are kept, in characters.
const NAME_CHARS: usize = 300;
const MESSAGE_CHARS: usize = 2000;

/// A report as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptReport {
    /// Its name.
    pub name: String,
    /// Tests that passed, kept or not.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// Tests that were left out.
    pub skipped: u32,
    /// The tests, failed ones first; bounded.
    pub tests: Vec<KeptTest>,
}

/// A test as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTest {
    /// Class and name.
    pub name: String,
    /// `passed`, `failed` or `skipped`.
    pub state: String,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
    /// What it said when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Keeps what could be read; a run without reports keeps nothing.
pub(super) async fn keep(
    journal: &Journal,
    printed: &[(String, Result<Report, ReportError>)],
    found: &[(String, Result<Report, ReportError>)],
) -> Result<(), Stop> {
    let kept = kept(printed.iter().chain(found));
    if kept.is_empty() { Ok(()) } else { journal.record(REPORTS_STEP, &kept).await }
}

fn kept<'a>(reports: impl Iterator<Item = &'a (String, Result<Report, ReportError>)>) -> Vec<KeptReport> {
    let mut left = TESTS_MAX;
    let mut all = Vec::new();
    for (name, report) in reports {
        let report = match report {
            Ok(report) => report,
            Err(ReportError::CutShort { so_far }) => so_far,
            Err(_) => continue,
        };
        let count = |state: &str| u32::try_from(report.cases.iter().filter(|case| state_of(case) == state).count()).unwrap_or(u32::MAX);
        let mut cases: Vec<&Case> = report.cases.iter().collect();
        cases.sort_by_key(|case| !case.outcome.is_bad());
        let tests: Vec<KeptTest> = cases.into_iter().take(left).map(test).collect();
        left -= tests.len();
        all.push(KeptReport {
            name: cut(name, NAME_CHARS),
            passed: count("passed"),
            failed: count("failed"),
            skipped: count("skipped"),
            tests,
        });
    }
    all
}

fn test(case: &Case) -> KeptTest {
    let name = if case.class.is_empty() { case.name.clone() } else { format!("{} › {}", case.class, case.name) };
    let said = case.detail.as_ref().filter(|_| case.outcome.is_bad());
    KeptTest {
        name: cut(&name, NAME_CHARS),
        state: state_of(case).to_owned(),
        took_ms: case.time.and_then(|time| u64::try_from(time.as_millis()).ok()),
        message: said.map(|detail| cut(if detail.message.is_empty() { &detail.text } else { &detail.message }, MESSAGE_CHARS)),
    }
}

fn state_of(case: &Case) -> &'static str {
    match case.outcome {
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
    fn failed_tests_are_kept_first_and_what_is_too_much_is_only_counted() {
        let passed: String = (0..1200).map(|n| format!("<testcase name=\"t{n}\" time=\"0.25\"/>")).collect();
        let xml = format!(
            "<testsuite>{passed}<testcase classname=\"shop\" name=\"checkout\"><failure message=\"no such button\"/></testcase></testsuite>"
        );
        let report = ("smoke.xml".to_owned(), Report::parse(xml.as_bytes(), &Limits::default()));
        let unreadable = ("b.xml".to_owned(), Report::parse(b"<html/>", &Limits::default()));
        let kept = kept([report, unreadable].iter());
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].passed, kept[0].failed, kept[0].tests.len()), (1200, 1, TESTS_MAX));
        assert_eq!((kept[0].tests[0].name.as_str(), kept[0].tests[0].message.as_deref()), ("shop › checkout", Some("no such button")));
        assert_eq!(kept[0].tests[1].took_ms, Some(250));
    }
}
