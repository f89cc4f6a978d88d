//! What each tool's report comes to.

use std::time::Duration;

use Outcome::{Error, Failed, Passed, Skipped};
use towpath_junit::{Case, Limits, Outcome, Report, Summary};

use super::{read, sample};

fn outcomes(report: &Report) -> Vec<(&str, Outcome, u32, bool)> {
    report.cases.iter().map(|case| (case.name.as_str(), case.outcome, case.attempts, case.flaky)).collect()
}

fn case<'a>(report: &'a Report, name: &str) -> &'a Case {
    report.cases.iter().find(|case| case.name == name).expect(name)
}

fn summary(name: &str) -> String {
    Summary::of(&[(name.to_owned(), Ok(read(name)))]).to_string()
}

#[test]
fn pytest() {
    let report = read("pytest");
    assert_eq!(
        outcomes(&report),
        [
            ("test_ok", Passed, 1, false),
            ("test_param[1.5-b]", Failed, 1, false),
            ("test_skip", Skipped, 1, false),
            ("test_xfail", Skipped, 1, false),
            ("test_fixture", Error, 1, false),
            ("test_both", Error, 2, false),
            ("test_rerun", Passed, 2, true),
            ("tests.test_broken", Error, 1, false),
        ]
    );
    assert_eq!(report.started.as_deref(), Some("2026-11-22T20:54:06.123456+00:00"));
    assert_eq!(report.time, Some(Duration::from_millis(2346)));
    assert_eq!(report.properties[0].value, "42");
    assert_eq!(case(&report, "test_ok").properties[0].name, "jira");
    let failed = case(&report, "test_param[1.5-b]");
    assert_eq!((&*failed.suite, failed.class.as_str()), ("pytest", "tests.test_api.TestDb"));
    let detail = failed.detail.as_ref().expect("a detail");
    assert_eq!(detail.message, "AssertionError: assert 1 == 2\n  +  where 1 = f()");
    assert_eq!(detail.text, "def test_param():\n>       assert 1 == 2\nE       AssertionError");
    assert_eq!(case(&report, "test_xfail").detail.as_ref().expect("a detail").kind, "pytest.xfail");
    assert_eq!(case(&report, "test_both").output, None, "output is dropped unless asked for");
    assert_eq!(report.notes, ["suite `pytest` declares 8 test cases and has 10"]);
    assert_eq!(summary("pytest"), "1 failed, 3 errors, 1 flaky, 2 skipped of 8 in 2.3 s");
    let keeping = Limits { output: 1000, ..Limits::default() };
    let kept = Report::parse(sample("pytest").as_bytes(), &keeping).expect("read");
    assert_eq!(case(&kept, "test_both").output.as_deref(), Some("onetwo"));
}

#[test]
fn surefire() {
    let report = read("surefire");
    assert_eq!(
        outcomes(&report),
        [("passes", Passed, 1, false), ("fails", Failed, 2, false), ("flaky", Passed, 2, true), ("disabled", Skipped, 1, false)]
    );
    assert_eq!(report.time, Some(Duration::from_millis(1_234_567)));
    assert_eq!(case(&report, "passes").time, Some(Duration::from_millis(1_000_500)));
    let detail = case(&report, "fails").detail.as_ref().expect("a detail");
    assert_eq!((detail.kind.as_str(), detail.message.as_str()), ("org.opentest4j.AssertionFailedError", "expected: <1> but was: <2>"));
    assert!(detail.text.ends_with("at com.example.SmokeTest.fails(SmokeTest.java:12)"));
    assert_eq!(case(&report, "flaky").detail.as_ref().expect("why it was flaky").text, "java.io.IOException: connection reset");
    assert_eq!(report.notes, Vec::<String>::new());
    assert_eq!(summary("surefire"), "1 failed, 1 flaky, 1 skipped of 4 in 20 min 34 s");
}

#[test]
fn gotestsum() {
    let report = read("gotestsum");
    assert_eq!(
        outcomes(&report),
        [
            ("TestGood", Passed, 1, false),
            ("TestBad/sub_x", Failed, 1, false),
            ("TestBad", Failed, 1, false),
            ("TestFlaky", Passed, 2, true),
            ("TestMain", Failed, 1, false),
        ]
    );
    assert_eq!(case(&report, "TestFlaky").time, Some(Duration::from_millis(250)));
    assert_eq!(case(&report, "TestFlaky").detail.as_ref().expect("why").text, "timed out");
    assert!(case(&report, "TestBad/sub_x").detail.as_ref().expect("why").text.contains("\n    api_test.go:9: want 1"));
    assert_eq!(report.time, Some(Duration::from_millis(3210)));
    assert_eq!(report.notes.len(), 3, "{:?}", report.notes);
}

#[test]
fn nextest() {
    let report = read("nextest");
    assert_eq!(outcomes(&report), [("api::works", Passed, 1, false), ("api::fails", Failed, 2, false), ("api::flaky", Passed, 2, true)]);
    assert_eq!(
        case(&report, "api::fails").detail.as_ref().expect("why").text,
        "thread 'api::fails' panicked at src/api.rs:7:5:\nleft == right"
    );
    let flaky = case(&report, "api::flaky").detail.as_ref().expect("why");
    assert_eq!((flaky.kind.as_str(), flaky.text.as_str()), ("test timeout", "slow"));
    assert_eq!(report.notes, Vec::<String>::new());
}

#[test]
fn jest() {
    let report = read("jest");
    assert_eq!(
        outcomes(&report),
        [
            ("sum adds", Passed, 1, false),
            ("top level", Passed, 1, false),
            ("sum fails", Failed, 1, false),
            ("sum skipped", Skipped, 1, false)
        ]
    );
    assert!(case(&report, "sum fails").detail.as_ref().expect("why").text.contains("Expected: 3\nReceived: 4"));
    assert_eq!(report.started.as_deref(), Some("2026-11-22T20:54:06"));
    let summary = Summary::of(&[("jest.xml".to_owned(), Ok(report))]);
    assert_eq!(summary.failures[0].title(), "sum fails");
}

#[test]
fn playwright() {
    let report = read("playwright");
    assert_eq!(
        outcomes(&report),
        [
            ("login › works", Passed, 1, false),
            ("login › fails", Failed, 1, false),
            ("login › slow", Error, 1, false),
            ("login › later", Skipped, 1, false)
        ]
    );
    let later = case(&report, "login › later");
    assert_eq!((later.time, later.properties[0].value.as_str()), (None, "soon"));
    assert_eq!(report.time, Some(Duration::from_millis(7900)));
    assert_eq!(report.notes, Vec::<String>::new());
}

#[test]
fn nested_suites_keep_their_cases_and_a_suite_that_failed_is_not_overlooked() {
    let report = read("nested");
    let found: Vec<_> = report.cases.iter().map(|case| (&*case.suite, case.name.as_str(), case.outcome)).collect();
    assert_eq!(
        found,
        [
            ("outer > inner", "deep", Passed),
            ("outer > inner > innermost", "deepest", Failed),
            ("outer", "shallow", Passed),
            ("outer", "outer", Error),
        ]
    );
}

#[test]
fn what_is_odd_is_repaired() {
    let report = read("odd");
    assert_eq!(
        outcomes(&report),
        [("nil", Passed, 1, false), ("unknown &entity; here", Passed, 1, false), ("google", Skipped, 1, false), ("", Failed, 1, false),]
    );
    assert_eq!(&*report.cases[0].suite, "a & b");
    assert_eq!((report.cases[0].time, report.cases[1].time, report.time), (None, None, None));
    assert_eq!((report.properties[0].name.as_str(), report.properties[0].value.as_str()), ("k", "text"));
    let keeping = Limits { output: 1000, ..Limits::default() };
    let kept = Report::parse(sample("odd").as_bytes(), &keeping).expect("read");
    assert_eq!(kept.cases[1].output.as_deref(), Some(" &nbsp; & more"));
}

#[test]
fn a_report_survives_being_stored() {
    let report = read("surefire");
    let text = serde_json::to_string(&report).expect("written");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("read"), report);
}
