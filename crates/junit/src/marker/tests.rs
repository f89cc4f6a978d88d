use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

const XML: &str = "<testsuite name=\"smoke\">\n  <testcase name=\"works\" time=\"1\"/>\n  <testcase name=\"fails\"><failure>no</failure></testcase>\n</testsuite>";

fn packed(xml: &str) -> Vec<String> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(xml.as_bytes()).expect("packed");
    let text = STANDARD.encode(gzip.finish().expect("packed"));
    text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

type Collected = Vec<(String, Result<Report, ReportError>)>;

fn collect(lines: &[&str]) -> (Vec<Line>, Collected) {
    let mut collector = Collector::new(Limits::default());
    let kinds = lines.iter().map(|line| collector.line(line)).collect();
    (kinds, outcomes(collector))
}

fn outcomes(collector: Collector) -> Collected {
    collector.finish().into_iter().map(|document| (document.name, document.report)).collect()
}

fn names(report: &Result<Report, ReportError>) -> Vec<&str> {
    report.as_ref().expect("read").cases.iter().map(|case| case.name.as_str()).collect()
}

#[test]
fn a_plain_report_is_taken_out_of_the_log_around_it() {
    let mut lines = vec!["starting", "-----BEGIN JUNIT REPORT smoke.xml-----"];
    lines.extend(XML.lines());
    lines.extend(["-----END JUNIT REPORT-----", "done"]);
    let (kinds, reports) = collect(&lines);
    assert_eq!(kinds.iter().filter(|kind| **kind == Line::Ordinary).count(), 2);
    assert_eq!((kinds[0], kinds[6]), (Line::Ordinary, Line::Kept));
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].0, "smoke.xml");
    assert_eq!(names(&reports[0].1), ["works", "fails"]);
}

#[test]
fn a_packed_report_survives_other_output_in_between() {
    let packed = packed(XML);
    let mut lines = vec!["  -----BEGIN JUNIT REPORT reports/smoke.xml (gzip+base64)-----\r\n"];
    for line in &packed {
        lines.push(line);
        lines.push("WARN: something else writes, too");
    }
    lines.push("-----END JUNIT REPORT-----");
    let (kinds, reports) = collect(&lines);
    assert_eq!(kinds.iter().filter(|kind| **kind == Line::Ordinary).count(), packed.len());
    assert_eq!(reports[0].0, "reports-smoke.xml");
    assert_eq!(names(&reports[0].1), ["works", "fails"]);
}

#[test]
fn a_report_that_the_log_ends_in_is_cut_short() {
    let (_, plain) = collect(&["-----BEGIN JUNIT REPORT a.xml-----", "<testsuite>", "<testcase name=\"works\"/>"]);
    assert!(matches!(&plain[0].1, Err(ReportError::CutShort { so_far }) if so_far.cases.len() == 1), "{plain:?}");
    // The document was whole, but nobody said so.
    let (_, whole) = collect(&["-----BEGIN JUNIT REPORT a.xml-----", "<testsuite><testcase name=\"works\"/></testsuite>"]);
    assert!(matches!(&whole[0].1, Err(ReportError::CutShort { so_far }) if so_far.cases.len() == 1), "{whole:?}");
    let (_, nothing) = collect(&["-----BEGIN JUNIT REPORT a.xml-----"]);
    assert!(matches!(&nothing[0].1, Err(ReportError::CutShort { .. })), "{nothing:?}");
    let half = packed(&XML.repeat(50));
    let (_, packed) = collect(&["-----BEGIN JUNIT REPORT a.xml (gzip+base64)-----", &half[0][..41]]);
    assert!(matches!(&packed[0].1, Err(ReportError::CutShort { .. })), "{packed:?}");
}

#[test]
fn a_new_report_ends_the_one_before_it_and_names_stay_apart() {
    let (_, reports) = collect(&[
        "-----BEGIN JUNIT REPORT a.xml-----",
        "<testsuite>",
        "-----BEGIN JUNIT REPORT a.xml-----",
        "<testsuite><testcase name=\"works\"/></testsuite>",
        "-----END JUNIT REPORT-----",
        "-----END JUNIT REPORT-----",
    ]);
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].0, "a.xml");
    assert!(matches!(reports[0].1, Err(ReportError::CutShort { .. })));
    assert_eq!(reports[1].0, "2-a.xml");
    assert_eq!(names(&reports[1].1), ["works"]);
}

#[test]
fn damaged_packing_is_told() {
    let (_, reports) = collect(&["-----BEGIN JUNIT REPORT a.xml (gzip+base64)-----", "aGVsbG8=", "-----END JUNIT REPORT-----"]);
    assert!(reports[0].1.as_ref().expect_err("no gzip").to_string().contains("it is not gzip"), "{reports:?}");
    let (_, reports) = collect(&["-----BEGIN JUNIT REPORT a.xml (gzip+base64)-----", "=====", "-----END JUNIT REPORT-----"]);
    assert!(reports[0].1.as_ref().expect_err("no base64").to_string().contains("it is not base64"), "{reports:?}");
}

#[test]
fn what_unpacks_to_too_much_is_refused_without_being_unpacked() {
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let mut collector = Collector::new(limits);
    collector.line("-----BEGIN JUNIT REPORT a.xml (gzip+base64)-----");
    for line in packed(&" ".repeat(16 << 20)) {
        collector.line(&line);
    }
    collector.line("-----END JUNIT REPORT-----");
    collector.line("-----BEGIN JUNIT REPORT b.xml-----");
    for _ in 0..2000 {
        assert_eq!(collector.line(&"x".repeat(1024)), Line::Kept);
    }
    collector.line("-----END JUNIT REPORT-----");
    assert_eq!(collector.line("after"), Line::Ordinary);
    let reports = outcomes(collector);
    for (name, outcome) in &reports {
        assert_eq!(outcome, &Err(ReportError::TooLarge { limit: 1 << 20 }), "{name}");
    }
    assert_eq!(reports.len(), 2);
}

#[test]
fn a_log_of_nothing_but_beginnings_does_not_grow_without_end() {
    let mut collector = Collector::new(Limits::default());
    for _ in 0..10_000 {
        collector.line("-----BEGIN JUNIT REPORT a.xml-----");
    }
    assert!(collector.finish().len() <= MOST_TOLD);
}

#[test]
fn ordinary_logs_stay_ordinary() {
    for line in
        ["-----BEGIN CERTIFICATE-----", "-----BEGIN JUNIT REPORT", "x -----BEGIN JUNIT REPORT a-----", "-----END JUNIT REPORT-----", ""]
    {
        let (kinds, reports) = collect(&[line]);
        assert_eq!((kinds[0], reports.len()), (Line::Ordinary, 0), "{line:?}");
    }
}

proptest! {
    #[test]
    fn no_log_makes_it_panic_and_lines_outside_stay_ordinary(
        lines in prop::collection::vec(
            prop_oneof![
                Just("-----BEGIN JUNIT REPORT a.xml-----".to_owned()),
                Just("-----BEGIN JUNIT REPORT a.xml (gzip+base64)-----".to_owned()),
                Just("-----BEGIN JUNIT REPORT ----------".to_owned()),
                Just("-----END JUNIT REPORT-----".to_owned()),
                Just("<testsuite><testcase/></testsuite>".to_owned()),
                "[A-Za-z0-9+/=]{0,20}",
                ".{0,20}",
            ],
            0..40,
        ),
    ) {
        let mut collector = Collector::new(Limits { bytes: 200, ..Limits::default() });
        for line in &lines {
            let was_inside = collector.is_inside();
            let kind = collector.line(line);
            if !was_inside && !collector.is_inside() {
                prop_assert_eq!(kind, Line::Ordinary);
            }
        }
        let begun = lines.iter().filter(|line| line.trim().starts_with(BEGIN)).count();
        prop_assert!(collector.finish().len() <= begun);
    }
}
