//! What the tests of a run come to: what the engine judges of those that failed, and the record of it.

use std::collections::HashMap;

use towpath_domain::{FailureClass, Timestamp};
use towpath_engine::{FailedTest, Judgement, Mark, TestRules, judge};
use towpath_junit::Case;

use super::keep::{AllKept, KeptAs, read_of};
use super::noted::{NotedReport, Notes, REPORTS_STEP};
use crate::journal::{Journal, Stop};

/// The most tests that are named in a sentence.
const NAMED: usize = 5;

/// Failed tests, judged.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    judgement: Judgement,
    by_name: HashMap<(String, String), Mark>,
    /// In lines for the log.
    pub(crate) lines: Vec<String>,
}

/// Judges what failed in these reports. `retried` as in [`judge`].
pub(crate) fn judged(kept: &AllKept, rules: &TestRules, retried: u32, now: Timestamp) -> Judged {
    let mut failed: Vec<FailedTest<'_>> = Vec::new();
    for case in bad(kept) {
        let flaky_at = kept.flaky_at.get(&(case.class.clone(), case.name.clone())).copied();
        failed.push(FailedTest { class: &case.class, name: &case.name, flaky_at });
    }
    let judgement = judge(rules, retried, &failed, now);
    let by_name = failed.iter().zip(&judgement.marks).map(|(test, mark)| ((test.class.to_owned(), test.name.to_owned()), *mark)).collect();
    let mut lines = Vec::new();
    for (test, mark) in failed.iter().zip(&judgement.marks).take(200) {
        let title = title(test.class, test.name);
        match (mark, rules.quarantine(test.class, test.name, now), test.flaky_at) {
            (Mark::Quarantined, Some(quarantine), _) => lines.push(format!(
                "quarantined: {title} (until {} at {}, {} sees to it): its failure does not count",
                quarantine.until, quarantine.place, quarantine.owner
            )),
            (Mark::KnownFlaky, _, Some(at)) => lines.push(format!("known to be flaky: {title} (last at {at})")),
            _ => {}
        }
    }
    Judged { judgement, by_name, lines }
}

fn bad(kept: &AllKept) -> impl Iterator<Item = &Case> {
    kept.reports.iter().flat_map(KeptAs::cases).filter(|case| case.outcome.is_bad())
}

/// A test, for people.
fn title(class: &str, name: &str) -> String {
    if class.is_empty() { name.to_owned() } else { format!("{class} › {name}") }
}

impl Judged {
    /// What the run fails of by its tests; none when none of them fails it.
    pub(crate) fn class(&self) -> Option<FailureClass> {
        self.judgement.class
    }

    /// What a failed test was judged to be.
    pub(crate) fn mark(&self, case: &Case) -> Option<Mark> {
        self.by_name.get(&(case.class.clone(), case.name.clone())).copied().filter(|_| case.outcome.is_bad())
    }

    /// What is to be said of a failure of these tests, beside what failed.
    pub(crate) fn remark(&self, rules: &TestRules, retried: u32) -> String {
        let flaky = self.judgement.count(Mark::KnownFlaky);
        let only_flaky = flaky > 0 && self.judgement.count(Mark::Counts) == 0;
        match self.class() {
            Some(FailureClass::Flaky) => {
                format!(
                    "; nothing failed but tests known to be flaky, so it is tried again ({} of {} times)",
                    retried + 1,
                    rules.flaky_retries
                )
            }
            Some(_) if only_flaky && retried > 0 => {
                format!("; these are known to be flaky, but failed again after it was tried again {retried} times")
            }
            Some(_) if only_flaky => "; these are known to be flaky; a policy may say `tests: {flaky: {retries: 1}}`".to_owned(),
            _ => String::new(),
        }
    }

    /// As [`remark`](Self::remark), of a part of a check: other parts may say otherwise.
    pub(crate) fn remark_of_check(&self, retried: u32) -> String {
        let only_flaky = self.judgement.count(Mark::KnownFlaky) > 0 && self.judgement.count(Mark::Counts) == 0;
        match self.class() {
            Some(FailureClass::Flaky) => "; nothing failed but tests known to be flaky".to_owned(),
            Some(_) if only_flaky && retried > 0 => {
                format!("; these are known to be flaky, but failed again after it was tried again {retried} times")
            }
            _ => String::new(),
        }
    }

    /// Tests that failed and do not count, in a sentence; none when there are none.
    pub(crate) fn excused(&self) -> Option<String> {
        let mut names: Vec<String> =
            self.by_name.iter().filter(|(_, mark)| **mark == Mark::Quarantined).map(|((class, name), _)| title(class, name)).collect();
        names.sort();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("failed and do not count, since they are quarantined: {}{more}", names.join("; ")))
    }

    /// Whether tests that are quarantined, or known to be flaky and tried again, explain why what these containers belong to ended badly: they left
    /// a report in which such tests failed, all reports are whole, and nothing else failed.
    pub(crate) fn explains(&self, kept: &AllKept, is_its: impl Fn(&str) -> bool) -> bool {
        let own = || kept.reports.iter().filter(|report| is_its(&report.from));
        self.class() != Some(FailureClass::Own)
            && kept.reports.iter().all(|report| report.report.is_ok())
            && own().flat_map(KeptAs::cases).any(|case| self.mark(case).is_some())
    }
}

/// Notes what was kept, with what was judged, in the ledger. A run without reports notes nothing.
pub(crate) async fn note(journal: &Journal, kept: &AllKept, judged: &Judged) -> Result<(), Stop> {
    if kept.reports.is_empty() {
        return Ok(());
    }
    journal.record(REPORTS_STEP, &noted(kept, judged)).await
}

fn noted(kept: &AllKept, judged: &Judged) -> Vec<NotedReport> {
    let empty = towpath_junit::Report::default();
    // What is found again takes the place of what it was.
    let is_anew = |known: &&NotedReport| !kept.reports.iter().any(|report| known.hash.is_some() && report.hash == known.hash);
    let mut all: Vec<NotedReport> = kept.earlier.iter().filter(is_anew).cloned().collect();
    let mut notes = Notes::beside(&kept.subject, &all);
    for report in &kept.reports {
        // The same file by another way.
        if report.hash.is_some() && all.iter().any(|known| known.hash == report.hash) {
            continue;
        }
        let noted = notes.report(&report.name, read_of(&report.report).unwrap_or(&empty), |case| judged.mark(case));
        let unread = report.report.as_ref().err().map(ToString::to_string);
        all.push(NotedReport { hash: report.hash, bytes: report.bytes, unread, unkept: report.unkept.clone(), ..noted });
    }
    all
}

#[cfg(test)]
mod tests {
    use towpath_catalog::{Place, Quarantine};
    use towpath_junit::{Document, Limits};

    use super::*;

    fn kept(from: &str, cases: &str) -> KeptAs {
        let xml = format!("<testsuite>{cases}</testsuite>");
        let Document { name, report, raw } = Document::read("a.xml".into(), xml.into_bytes(), &Limits::default());
        KeptAs { from: from.into(), name, report, bytes: raw.len() as u64, hash: None, unkept: None }
    }

    fn rules() -> TestRules {
        let place = Place { file: "p.yml".into(), line: 3, column: 1, start: 0, end: 0 };
        let until = Timestamp::from_millis(100);
        let quarantine = Quarantine { test: "slow*".into(), owner: "ada".into(), until, why: "x".into(), place };
        TestRules { flaky_retries: 1, quarantine: vec![quarantine] }
    }

    fn all(reports: Vec<KeptAs>) -> AllKept {
        let flaky_at = HashMap::from([((String::new(), "shaky".to_owned()), Timestamp::from_millis(5))]);
        AllKept { subject: "target:smoke".into(), reports, flaky_at, ..AllKept::default() }
    }

    #[test]
    fn quarantined_tests_explain_why_their_own_job_ended_badly_and_no_other() {
        let now = Timestamp::from_millis(10);
        let slow = "<testcase name=\"slow one\"><failure/></testcase><testcase name=\"b\"/>";
        let kept_ = all(vec![kept("smoke-x/test", slow), kept("other-y/test", "<testcase name=\"c\"/>")]);
        let judged_ = judged(&kept_, &rules(), 0, now);
        assert_eq!(judged_.class(), None);
        assert!(
            judged_.lines[0].starts_with("quarantined: slow one (until ") && judged_.lines[0].contains("p.yml:3:1"),
            "{:?}",
            judged_.lines
        );
        assert!(judged_.explains(&kept_, |from| from.starts_with("smoke-")));
        assert!(!judged_.explains(&kept_, |from| from.starts_with("other-")));
        assert_eq!(judged_.excused().as_deref(), Some("failed and do not count, since they are quarantined: slow one"));
        // Nobody knows what a report would have said that ends too early, or once the quarantine is over.
        let mut cut = kept("smoke-x/test", slow);
        cut.report = Err(towpath_junit::ReportError::Empty);
        let cut = all(vec![kept("smoke-x/test", slow), cut]);
        assert!(!judged(&cut, &rules(), 0, now).explains(&cut, |_| true));
        assert!(!judged(&kept_, &rules(), 0, Timestamp::from_millis(100)).explains(&kept_, |_| true));
    }

    #[test]
    fn what_is_noted_says_what_each_failed_test_was_judged_to_be() {
        let one = kept("a/b", "<testcase name=\"shaky\"><failure/></testcase><testcase name=\"slow\"><error/></testcase>");
        let kept = all(vec![one]);
        let judged = judged(&kept, &rules(), 0, Timestamp::from_millis(10));
        assert_eq!(judged.class(), Some(FailureClass::Flaky));
        assert!(judged.remark(&rules(), 0).ends_with("so it is tried again (1 of 1 times)"));
        let marks: Vec<_> = noted(&kept, &judged)[0].tests.iter().map(|test| test.mark).collect();
        assert_eq!(marks, [Some(Mark::KnownFlaky), Some(Mark::Quarantined)]);
    }
}
