//! Reports that are cut, damaged, huge, or attacks.

use std::fmt::Write as _;

use proptest::prelude::*;
use towpath_junit::{Limits, Outcome, Report, ReportError, Summary};

use super::{SAMPLES, sample};

fn parse(text: &str) -> Result<Report, ReportError> {
    Report::parse(text.as_bytes(), &Limits::default())
}

#[test]
fn what_is_no_report_is_told() {
    assert_eq!(parse(""), Err(ReportError::Empty));
    assert_eq!(parse(" \n "), Err(ReportError::Empty));
    assert_eq!(parse("<html><body/></html>"), Err(ReportError::NotJunit { root: "html".into() }));
    assert_eq!(parse("<testcase/>"), Err(ReportError::NotJunit { root: "testcase".into() }));
    for text in ["no XML at all", "{\"tests\": 1}", "<?xml version=\"1.0\"?>"] {
        assert!(matches!(parse(text), Err(ReportError::Malformed { .. })), "{text}");
    }
    let crossed = parse("<testsuite>\n  <testcase></testsuite>").expect_err("crossed");
    assert!(matches!(crossed, ReportError::Malformed { line: 2, .. }), "{crossed:?}");
    assert_eq!(parse("<testsuites/>").map(|report| report.cases.len()), Ok(0));
}

#[test]
fn entities_are_refused_before_they_can_expand() {
    let bomb = r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><testsuite name="&lol2;"/>"#;
    assert_eq!(parse(bomb), Err(ReportError::DocumentType));
    let file = r#"<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&f;"/></testsuite>"#;
    assert_eq!(parse(file), Err(ReportError::DocumentType));
}

#[test]
fn limits_hold() {
    let limits = Limits { bytes: 100, cases: 2, depth: 4, ..Limits::default() };
    let parse = |text: &str| Report::parse(text.as_bytes(), &limits);
    assert_eq!(parse(&" ".repeat(101)), Err(ReportError::TooLarge { limit: 100 }));
    assert_eq!(parse("<testsuite><testcase/><testcase/><testcase/></testsuite>"), Err(ReportError::TooManyCases { limit: 2 }));
    assert_eq!(parse("<testsuite><testsuite><testsuite><testsuite><testsuite>"), Err(ReportError::TooDeep { limit: 4 }));
    let deep = "<testsuite>".to_owned() + &"<a>".repeat(1_000_000);
    assert_eq!(Report::parse(deep.as_bytes(), &Limits::default()), Err(ReportError::TooDeep { limit: 64 }));
}

#[test]
fn long_texts_keep_their_ends_and_all_of_them_are_bounded() {
    let long = format!("begin {} end", "x".repeat(10_000));
    let mut text = "<testsuite>".to_owned();
    for index in 0..100 {
        let _ = write!(text, "<testcase name=\"{index}\"><failure message=\"{long}\">{long}</failure></testcase>");
    }
    text.push_str("</testsuite>");
    let limits = Limits { text: 1000, all_text: 20_000, ..Limits::default() };
    let report = Report::parse(text.as_bytes(), &limits).expect("read");
    let first = report.cases[0].detail.as_ref().expect("why");
    assert!(first.text.starts_with("begin ") && first.text.ends_with(" end") && first.text.len() < 1100);
    assert!(first.message.len() < 5000);
    let all: usize = report.cases.iter().filter_map(|case| case.detail.as_ref()).map(|detail| detail.text.len()).sum();
    assert!(all < 30_000, "{all}");
    assert_eq!(report.cases.iter().filter(|case| case.outcome == Outcome::Failed).count(), 100);
    assert!(report.notes.iter().any(|note| note.contains("left out")), "{:?}", report.notes);
}

#[test]
fn what_was_read_before_the_cut_counts_and_so_does_the_cut() {
    let whole = sample("surefire");
    let cut = &whole[..whole.find("<testcase name=\"flaky\"").expect("a place")];
    let error = parse(cut).expect_err("cut short");
    let ReportError::CutShort { so_far } = &error else { panic!("{error}") };
    assert_eq!(so_far.cases.len(), 2);
    let summary = Summary::of(&[("a.xml".to_owned(), Err(error))]);
    assert!(summary.is_bad());
    assert_eq!(summary.to_string(), "1 failed of 2 in 20 min 34 s; 1 report could not be read to its end");
    assert!(summary.unread[0].why.contains("cut short after 2 test cases"));
}

#[test]
fn every_prefix_of_every_sample_is_cut_short_or_empty_and_never_a_success() {
    for (name, text) in SAMPLES {
        let end = text.trim_end().len();
        for at in (0..end).filter(|at| text.is_char_boundary(*at)) {
            let outcome = parse(&text[..at]);
            assert!(outcome.is_err(), "{name} up to {at} was read as a whole");
        }
    }
}

#[test]
fn a_hundred_thousand_cases_are_read() {
    let mut text = String::from("<testsuites><testsuite name=\"s\">");
    for index in 0..100_000 {
        let _ = write!(text, "<testcase classname=\"c\" name=\"t{index}\" time=\"0.001\"/>");
    }
    text.push_str("</testsuite></testsuites>");
    assert_eq!(parse(&text).expect("read").cases.len(), 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Whatever happens to a report on its way, reading it ends, without panic and within its limits.
    #[test]
    fn damaged_reports_are_read_or_refused(
        which in 0..SAMPLES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..8),
    ) {
        let mut bytes = SAMPLES[which].1.as_bytes().to_vec();
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => { bytes.remove(at); }
                2 => bytes.insert(at.min(bytes.len()), byte),
                _ => bytes.truncate(bytes.len() - at.min(16).min(bytes.len())),
            }
        }
        let limits = Limits { output: 100, text: 100, ..Limits::default() };
        if let Ok(report) = Report::parse(&bytes, &limits) {
            prop_assert!(report.cases.len() < 40);
            for case in &report.cases {
                prop_assert!(case.attempts >= 1);
                prop_assert!(!case.name.chars().any(char::is_control));
                prop_assert!(!case.flaky || case.outcome == Outcome::Passed);
                prop_assert!(case.detail.as_ref().is_none_or(|detail| detail.text.len() < 200));
            }
        }
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Report::parse(&bytes, &Limits::default());
    }

    #[test]
    fn no_text_of_markup_makes_it_panic(text in "(<|>|/|\"|'|=|&|;|!|\\[|\\]|-|\\?|CDATA|testsuite|testcase|failure| |#x1B|name|ä){0,60}") {
        let _ = Report::parse(format!("<testsuite>{text}").as_bytes(), &Limits::default());
    }
}
