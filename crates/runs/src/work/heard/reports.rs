//! What the reports of tests say, wherever they were found. Pure.

use towpath_domain::FailureClass;
use towpath_junit::{FailedCase, Report, ReportError, Summary};

use crate::journal::Stop;
use crate::tested::verdict::Judged;

/// How many failed tests are named in a run's end; the log names more.
const NAMED: usize = 5;

/// Where was looked for reports.
#[derive(Debug, Default)]
pub(crate) struct Looking {
    /// Why not everything could be looked at that may hold a report.
    pub(crate) trouble: Vec<String>,
    /// Where was looked beside the log, for people.
    pub(crate) looked: Vec<String>,
    /// Some report must be there.
    pub(crate) required: bool,
}

/// What was judged of failed tests, and by what.
pub(super) struct Judging<'a> {
    pub(super) judged: &'a Judged,
    /// What is to be said of it beside what failed.
    pub(super) remark: String,
}

/// What the reports of a run say.
#[derive(Debug)]
pub(crate) struct Reports {
    /// In lines for the log: the sum, and each failed test.
    pub(super) lines: Vec<String>,
    /// How many tests passed.
    pub(crate) passed: u64,
    /// What follows, when they do not all say that the tests passed.
    pub(crate) verdict: Option<Stop>,
    /// In a sentence.
    text: String,
}

impl Reports {
    /// Judges what was found, in the log and elsewhere; none when there is nothing to judge, and nothing had to be there.
    pub(super) fn of(all: &[(String, Result<Report, ReportError>)], looking: Looking, judging: &Judging<'_>) -> Option<Self> {
        let Looking { trouble, looked, required } = looking;
        if all.is_empty() && trouble.is_empty() && !required && looked.is_empty() {
            return None;
        }
        let Judging { judged, remark } = judging;
        let summary = Summary::of(all);
        let places = if looked.is_empty() { String::new() } else { format!(", {}", looked.join(", ")) };
        let text = match all.is_empty() {
            true => format!("tests: no report was found in the log{places}"),
            false => format!("tests: {summary}{}{}", named(&summary), remark),
        };
        let lines = [text.clone()]
            .into_iter()
            .chain(summary.failures.iter().map(|case| format!("failed: {}", told(case))))
            .chain((summary.more_failures > 0).then(|| format!("failed: {} more", summary.more_failures)))
            .chain(judged.lines.iter().cloned())
            .chain(summary.unread.iter().map(|report| format!("report {}: {}", report.name, report.why)))
            .chain(trouble.iter().cloned());
        let inconclusive = |why: String| Some(Stop::failed(FailureClass::Environment, format!("inconclusive: {why}")));
        let verdict = match (summary.unread.first(), trouble.first()) {
            _ if judged.class().is_some() => judged.class().map(|class| Stop::failed(class, &text)),
            (Some(report), _) => inconclusive(format!("the report {} cannot be read: {}", report.name, report.why)),
            // What could not be looked at may hold a failed test.
            (None, Some(why)) => inconclusive(format!("reports could not be looked at: {why}")),
            (None, None) if all.is_empty() && required => inconclusive(format!(
                "the test left no report, and one is required: nothing in the log{places}; see in the log whether it got as far as to write one"
            )),
            (None, None) if !all.is_empty() && summary.is_hollow() => inconclusive(format!("nothing was really tested ({summary})")),
            (None, None) => None,
        };
        Some(Self { lines: lines.collect(), passed: summary.passed, verdict, text })
    }

    /// The failed tests by name.
    pub(crate) fn named_failures(&self) -> Option<&str> {
        self.verdict.is_some().then_some(self.text.as_str())
    }

    /// Nothing failed but tests that are known to be flaky, and it may be tried again.
    pub(super) fn is_flaky(&self) -> bool {
        matches!(self.verdict, Some(Stop::Failed { class: FailureClass::Flaky, .. }))
    }
}

/// The first failed tests, with what they say.
fn named(summary: &Summary) -> String {
    let shown: Vec<String> = summary.failures.iter().take(NAMED).map(told).collect();
    if shown.is_empty() { String::new() } else { format!(": {}", shown.join("; ")) }
}

/// A failed test, with the first line of what it says.
fn told(case: &FailedCase) -> String {
    let message = case.detail.message.lines().next().unwrap_or_default();
    if message.is_empty() { case.title() } else { format!("{} ({message})", case.title()) }
}

#[cfg(test)]
mod tests {
    use towpath_domain::Timestamp;
    use towpath_engine::TestRules;
    use towpath_junit::Limits;

    use super::*;
    use crate::tested::keep::{AllKept, KeptAs};
    use crate::tested::verdict::judged;

    type Named = (String, Result<Report, ReportError>);

    fn report(name: &str, cases: &str) -> Named {
        (name.to_owned(), Report::parse(format!("<testsuite>{cases}</testsuite>").as_bytes(), &Limits::default()))
    }

    fn good(name: &str) -> Named {
        report(name, &format!("<testcase name=\"{name} works\"/>"))
    }

    fn bad(name: &str) -> Named {
        report(name, "<testcase name=\"checkout\"><failure message=\"no such button\"/></testcase><testcase name=\"front\"/>")
    }

    fn looking(trouble: &[&str], required: bool) -> Looking {
        let trouble = trouble.iter().map(|why| (*why).to_owned()).collect();
        Looking { trouble, looked: vec!["bucket smoke-a-artifacts".to_owned()], required }
    }

    /// As the rules judge that are there without any policy.
    fn of(all: Vec<Named>, looking: Looking) -> Option<Reports> {
        let rules = TestRules::default();
        let kept = all.iter().map(|(name, report)| KeptAs {
            from: "smoke-a/smoke".to_owned(),
            name: name.clone(),
            report: report.clone(),
            bytes: 0,
            hash: None,
            unkept: None,
        });
        let kept = AllKept { reports: kept.collect(), ..AllKept::default() };
        let judged = judged(&kept, &rules, 0, Timestamp::default());
        Reports::of(&all, looking, &Judging { remark: judged.remark(&rules, 0), judged: &judged })
    }

    #[track_caller]
    fn verdict(all: Vec<Named>, looking: Looking) -> Option<(FailureClass, String)> {
        match of(all, looking)?.verdict? {
            Stop::Failed { class, message } => Some((class, message)),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_report_counts_wherever_it_was_found() {
        assert_eq!(verdict(vec![good("a"), good("b")], looking(&[], true)), None);
        for all in [vec![bad("a"), good("b")], vec![good("a"), bad("b")]] {
            let (class, message) = verdict(all, looking(&[], false)).unwrap();
            assert_eq!((class, message.as_str()), (FailureClass::Own, "tests: 1 failed of 3 in 0.0 s: checkout (no such button)"));
        }
    }

    #[test]
    fn what_is_missing_is_inconclusive_only_where_it_is_required() {
        assert_eq!(verdict(vec![], looking(&[], false)), None);
        assert!(of(vec![], Looking::default()).is_none());
        let told = of(vec![], looking(&[], false)).unwrap();
        assert_eq!(told.lines, ["tests: no report was found in the log, bucket smoke-a-artifacts"]);
        for looking in [looking(&[], true), Looking { required: true, ..Looking::default() }] {
            let (class, message) = verdict(vec![], looking).unwrap();
            assert_eq!(class, FailureClass::Environment);
            assert!(message.starts_with("inconclusive: the test left no report, and one is required"), "{message}");
        }
    }

    #[test]
    fn what_could_not_be_looked_at_is_inconclusive_unless_a_test_is_known_to_have_failed() {
        let (class, message) = verdict(vec![good("a"), good("b")], looking(&["the server answers 500"], false)).unwrap();
        assert_eq!(
            (class, message.as_str()),
            (FailureClass::Environment, "inconclusive: reports could not be looked at: the server answers 500")
        );
        let (class, _) = verdict(vec![bad("b")], looking(&["the server answers 500"], false)).unwrap();
        assert_eq!(class, FailureClass::Own);
    }

    #[test]
    fn hollow_and_unreadable_reports_are_inconclusive() {
        let skipped = || report("a", "<testcase name=\"x\"><skipped/></testcase>");
        let garbage = || ("b.xml".to_owned(), Report::parse(b"<html/>", &Limits::default()));
        for (reports, words) in [
            (vec![skipped()], "nothing was really tested (0 passed, 1 skipped"),
            (vec![report("a", "")], "nothing was really tested (no tests"),
            (vec![good("a"), garbage()], "the report b.xml cannot be read: the report begins with <html>"),
        ] {
            let (class, message) = verdict(reports, looking(&[], false)).unwrap();
            assert_eq!(class, FailureClass::Environment);
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn the_log_names_every_failed_test_and_the_end_the_first_ones() {
        let cases: String = (0..9).map(|n| format!("<testcase name=\"t{n}\"><failure/></testcase>")).collect();
        let reports = of(vec![report("a", &cases)], Looking::default()).unwrap();
        assert_eq!(reports.lines.len(), 10);
        assert_eq!(reports.lines[9], "failed: t8");
        assert_eq!(reports.named_failures(), Some("tests: 9 failed of 9 in 0.0 s: t0; t1; t2; t3; t4"));
    }
}
