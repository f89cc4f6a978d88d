use std::sync::Arc;

use super::*;

fn case(name: &str, outcome: Outcome) -> Case {
    Case { suite: Arc::from("s"), class: "c".into(), name: name.into(), outcome, attempts: 1, ..Case::default() }
}

fn report(cases: Vec<Case>, seconds: u64) -> Report {
    Report { cases, time: Some(Duration::from_secs(seconds)), ..Report::default() }
}

#[test]
fn several_reports_become_one_summary() {
    let flaky = Case { flaky: true, attempts: 2, ..case("sometimes", Outcome::Passed) };
    let reports = [
        ("a.xml".to_owned(), Ok(report(vec![case("one", Outcome::Passed), case("two", Outcome::Failed), flaky], 90))),
        ("b.xml".to_owned(), Ok(report(vec![case("three", Outcome::Error), case("four", Outcome::Skipped)], 272))),
        ("c.xml".to_owned(), Err(ReportError::Empty)),
    ];
    let summary = Summary::of(&reports);
    assert_eq!((summary.tests, summary.passed, summary.failed, summary.errors, summary.skipped, summary.flaky), (5, 2, 1, 1, 1, 1));
    assert_eq!(summary.time, Duration::from_secs(362));
    let failures: Vec<_> = summary.failures.iter().map(|failure| (failure.report.as_str(), failure.title(), failure.is_error)).collect();
    assert_eq!(failures, [("a.xml", "c › two".to_owned(), false), ("b.xml", "c › three".to_owned(), true)]);
    assert_eq!(summary.flaky_names, ["c › sometimes"]);
    assert_eq!(summary.unread[0].name, "c.xml");
    assert!(summary.is_bad() && !summary.is_hollow());
    assert_eq!(summary.to_string(), "1 failed, 1 error, 1 flaky, 1 skipped of 5 in 6 min 2 s; 1 report could not be read to its end");
}

#[test]
fn the_line_for_people_says_what_matters() {
    let line = |cases, seconds| Summary::of(&[("a".to_owned(), Ok(report(cases, seconds)))]).to_string();
    assert_eq!(line(vec![case("a", Outcome::Passed)], 7261), "1 passed in 2 h 1 min");
    assert_eq!(line(vec![case("a", Outcome::Passed), case("b", Outcome::Skipped)], 42), "1 passed, 1 skipped in 42 s");
    assert_eq!(line(vec![], 0), "no tests");
    assert_eq!(Summary::of(&[]).to_string(), "no tests");
    assert!(Summary::of(&[]).is_hollow());
    let skipped = Summary::of(&[("a".to_owned(), Ok(report(vec![case("a", Outcome::Skipped)], 0)))]);
    assert!(skipped.is_hollow() && !skipped.is_bad());
}

#[test]
fn the_same_report_twice_counts_once() {
    let same = || Ok(report(vec![case("a", Outcome::Failed)], 1));
    let summary = Summary::of(&[("a.xml".to_owned(), same()), ("2-a.xml".to_owned(), same())]);
    assert_eq!((summary.tests, summary.reports), (1, 1));
}

#[test]
fn many_failures_are_counted_and_not_all_listed() {
    let cases = (0..1000).map(|index| {
        let detail = Some(Detail { text: "ä".repeat(20_000), ..Detail::default() });
        Case { detail, ..case(&index.to_string(), Outcome::Failed) }
    });
    let summary = Summary::of(&[("a".to_owned(), Ok(report(cases.collect(), 1)))]);
    assert_eq!((summary.failed, summary.failures.len(), summary.more_failures), (1000, MOST_FAILURES, 1000 - MOST_FAILURES as u64));
    assert!(summary.failures[0].detail.text.len() <= LONGEST_TEXT + 3);
}
