//! What is told of the reports of real tools.

use serde_json::json;
use towpath_domain::{RunId, Span};
use towpath_junit::Limits as Reading;

use super::*;
use crate::upload::{Metadata, PullRequest};

fn read(xml: &str) -> Report {
    Report::parse(xml.as_bytes(), &Reading { output: 64 << 10, ..Reading::default() }).unwrap()
}

fn sample(name: &str) -> Report {
    let file = format!("{}/../junit/tests/samples/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    read(&std::fs::read_to_string(file).unwrap())
}

/// A run with these reports, that began at 2026-11-22T20:54:00Z and took a minute.
fn upload(reports: Vec<(&str, Report)>) -> Upload {
    Upload {
        run: RunId::new("deploy-web-1").unwrap(),
        title: "smoke of web in stage".into(),
        source: "towpath".into(),
        component: Some("web".into()),
        env: Some("stage".into()),
        started: Timestamp::from_millis(1_795_380_840_000),
        duration: Span::from_secs(60),
        reports: reports.into_iter().map(|(name, report)| (name.to_owned(), report)).collect(),
        artifacts: Vec::new(),
        metadata: Metadata::default(),
    }
}

fn told(reports: Vec<(&str, Report)>) -> Told {
    Told::of(&upload(reports), "insights", &Limits::default())
}

fn result<'a>(told: &'a Told, test_id: &str) -> &'a ToldResult {
    told.results.iter().find(|result| result.result["test_id"] == test_id).expect(test_id)
}

fn file(result: &ToldResult, name: &str) -> String {
    let file = result.files.iter().find(|file| file.name == name).expect(name);
    String::from_utf8(file.content.clone()).unwrap()
}

#[test]
fn names_are_whole_and_ends_are_those_that_pytest_means() {
    let told = told(vec![("junit.xml", sample("pytest"))]);
    let ends: Vec<(&str, &str)> =
        told.results.iter().map(|result| (result.result["test_id"].as_str().unwrap(), result.result["result"].as_str().unwrap())).collect();
    assert_eq!(
        ends,
        [
            ("tests.test_api.test_ok", "passed"),
            ("tests.test_api.TestDb.test_param[1.5-b]", "failed"),
            ("tests.test_api.test_skip", "skipped"),
            ("tests.test_api.test_xfail", "xfailed"),
            ("tests.test_api.test_fixture", "error"),
            ("tests.test_api.test_both", "error"),
            ("tests.test_api.test_rerun", "passed"),
            ("tests.test_broken", "error"),
        ]
    );
    assert_eq!(
        told.run["summary"],
        json!({
            "collected": 8, "tests": 8, "passes": 2, "failures": 1, "errors": 3, "skips": 1, "xfailures": 1, "xpasses": 0, "not_run": 0,
            "pass_percent": 25,
        })
    );
    let failed = result(&told, "tests.test_api.TestDb.test_param[1.5-b]");
    assert_eq!(failed.result["metadata"]["run"], json!(told.id.to_string()), "the server takes the run from here alone");
    assert_eq!(failed.result["metadata"]["project"], "insights");
    assert!(file(failed, "traceback.log").contains(">       assert 1 == 2"));
    assert_eq!(failed.files.len(), 1, "why it failed is told once");
    let skipped = result(&told, "tests.test_api.test_skip");
    assert!(skipped.result["metadata"]["skip_reason"].is_string() && skipped.files.is_empty());
    assert!(result(&told, "tests.test_api.test_xfail").result["metadata"]["xfail_reason"].is_string());
    assert_eq!(result(&told, "tests.test_api.test_ok").result["metadata"]["jira"], json!(sample("pytest").cases[0].properties[0].value));
    assert_eq!(file(result(&told, "tests.test_api.test_both"), "output.log"), "onetwo");
}

#[test]
fn a_pass_after_failures_is_a_pass_with_its_attempts_and_why_it_failed_before() {
    let told = told(vec![("TEST-a.xml", sample("surefire"))]);
    let flaky = told.results.iter().find(|result| result.result["metadata"]["flaky"] == true).unwrap();
    assert_eq!((&flaky.result["result"], &flaky.result["metadata"]["attempts"]), (&json!("passed"), &json!(2)));
    assert!(file(flaky, "traceback.log").contains("connection reset"));
    let failed = told.results.iter().find(|result| result.result["result"] == "failed").unwrap();
    assert_eq!((&failed.result["metadata"]["flaky"], &failed.result["metadata"]["attempts"]), (&json!(false), &json!(2)));
    assert_eq!((told.totals.passes, told.totals.flaky, &told.run["metadata"]["flaky"]), (2, 1, &json!(1)));
}

#[test]
fn a_test_that_should_have_failed_and_passed_is_told_as_such() {
    let xml = r#"<testsuite><testcase name="t"><skipped message="xfail-marked test passes unexpectedly"/></testcase></testsuite>"#;
    let told = told(vec![("a.xml", read(xml))]);
    assert_eq!((&told.results[0].result["result"], told.totals.xpasses, told.totals.skips), (&json!("xpassed"), 1, 0));
}

#[test]
fn the_same_report_counts_once_and_the_same_test_in_two_reports_twice() {
    let (one, other) = (sample("jest"), read(r#"<testsuite><testcase classname="sum adds" name="sum adds"/></testsuite>"#));
    let twice = told(vec![("a.xml", one.clone()), ("a.xml", one.clone())]);
    assert_eq!(twice.totals.tests, one.cases.len() as u64);
    // Containers of one run write reports of the same name.
    let both = told(vec![("a.xml", one.clone()), ("a.xml", other.clone()), ("b.xml", other)]);
    assert_eq!(both.totals.tests, one.cases.len() as u64 + 2);
    let ids: std::collections::BTreeSet<_> = both.results.iter().map(|result| result.id).collect();
    assert_eq!(ids.len(), both.results.len());
    assert!(ids.is_superset(&twice.results.iter().map(|result| result.id).collect()), "what comes later changes no id");
}

#[test]
fn a_report_without_any_name_or_test_is_told_too() {
    let nameless = told(vec![("a.xml", read("<testsuite><testcase/></testsuite>")), ("b.xml", read("<testsuites/>"))]);
    assert_eq!((nameless.results.len(), &nameless.results[0].result["test_id"]), (1, &json!("(without a name)")));
    let none = told(vec![]);
    assert_eq!((&none.run["summary"]["tests"], &none.run["summary"]["pass_percent"]), (&json!(0), &json!(0)));
}

#[test]
fn clocks_of_containers_are_believed_within_the_run_alone() {
    let started = |timestamp: &str| {
        let xml = format!(r#"<testsuite timestamp="{timestamp}"><testcase name="t"/></testsuite>"#);
        told(vec![("a.xml", read(&xml))]).results[0].result["start_time"].clone()
    };
    for within in ["2026-11-22T20:54:06", "2026-11-22T20:54:06Z", "2026-11-22T22:54:06+02:00"] {
        assert_eq!(started(within), "2026-11-22T20:54:06.000Z", "{within}");
    }
    // Local time without its zone, another year, nothing at all.
    for outside in ["2026-11-22T22:54:06", "1970-01-01T00:00:00Z", "yesterday", ""] {
        assert_eq!(started(outside), "2026-11-22T20:54:00.000Z", "{outside}");
    }
}

#[test]
fn properties_of_tests_replace_nothing_that_is_said_of_them() {
    let property = |name: &str, value: &str| format!(r#"<property name="{name}" value="{value}"/>"#);
    let all =
        [("run", "evil"), ("project", "other"), ("user_properties", "x"), ("jira", "A-1"), ("jira", "A-2"), ("jira", "A-3"), ("", "x")];
    let all: String = all.iter().map(|(name, value)| property(name, value)).collect();
    let told =
        told(vec![("a.xml", read(&format!(r#"<testsuite><testcase name="t"><properties>{all}</properties></testcase></testsuite>"#)))]);
    let metadata = &told.results[0].result["metadata"];
    assert_eq!((&metadata["run"], &metadata["project"]), (&json!(told.id.to_string()), &json!("insights")));
    assert_eq!(metadata["jira"], json!(["A-1", "A-2", "A-3"]));
    assert!(metadata.get("user_properties").is_none() && metadata.get("").is_none());
}

#[test]
fn the_run_says_what_it_belongs_to_and_what_was_left_out() {
    let mut upload = upload(vec![("a.xml", sample("gotestsum"))]);
    upload.metadata = Metadata {
        page: Some("https://towpath.example.com/runs/deploy-web-1".into()),
        repository: Some("https://git.example.com/web".into()),
        commit: Some("5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap()),
        pull_request: Some(PullRequest { number: 12, url: "https://git.example.com/web/pulls/12".into() }),
        notes: vec!["40 tests more were not kept".into()],
    };
    upload.artifacts = vec![
        ("wait.log".into(), b"ready".to_vec()),
        ("empty.log".into(), Vec::new()),
        ("core".into(), vec![0xff; (5 << 20) + 1]),
        ("long.log".into(), "x".repeat((5 << 20) + 1).into_bytes()),
    ];
    let told = Told::of(&upload, "insights", &Limits::default());
    let metadata = &told.run["metadata"];
    assert_eq!(metadata["towpath"]["pull_request"], json!({"number": 12, "url": "https://git.example.com/web/pulls/12"}));
    assert_eq!(metadata["towpath"]["commit"], "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7");
    assert_eq!((&metadata["component"], &metadata["env"], &metadata["project"]), (&json!("web"), &json!("stage"), &json!("insights")));
    let notes: Vec<&str> = metadata["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert_eq!(notes[0], "40 tests more were not kept");
    assert_eq!(notes[1], "the file core was left out: it has 5242881 bytes, and Ibutsu takes 5242880");
    assert!(notes[2].starts_with("a.xml: "), "what is odd about a report: {notes:?}");
    let files: Vec<(&str, usize)> = told.files.iter().map(|file| (file.name.as_str(), file.content.len())).collect();
    assert_eq!((files[0], files[1].0, files.len()), (("wait.log", 5), "long.log", 2));
    assert!(files[1].1 <= 5 << 20);

    let bare = told.clone().without_files("the server is full");
    let (count, bytes) = told.files_total();
    let note = format!("{count} files with {bytes} bytes were left out: the server is full");
    assert_eq!(bare.run["metadata"]["notes"].as_array().unwrap().last().unwrap(), &json!(note));
    assert_eq!((bare.files_total(), bare.results.len()), ((0, 0), told.results.len()));
}
