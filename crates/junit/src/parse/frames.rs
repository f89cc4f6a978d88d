//! What the elements mean, while they are open.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::attributes::Attributes;
use super::fold::fold;
use crate::bounded::Bounded;
use crate::error::ReportError;
use crate::limits::{LONGEST_NAME, Limits};
use crate::numbers::{count, seconds};
use crate::report::{Case, Detail, Outcome, Property, Report};
use crate::text::{on_one_line, shown};

/// The most notes of one report.
const MOST_NOTES: usize = 20;
/// Between the names of nested suites.
const WITHIN: &str = " > ";

/// Makes a report of elements as they are opened and closed.
pub(super) struct Builder<'a> {
    limits: &'a Limits,
    report: Report,
    stack: Vec<Frame>,
    elements: usize,
    text_left: usize,
    suites_time: Option<Duration>,
    had_root: bool,
    /// Suites that declare fewer test cases than they have.
    counts_once: HashSet<Arc<str>>,
}

enum Frame {
    Suite(Suite),
    Case(Box<OpenCase>),
    /// `failure`, `error`, `skipped`.
    Why(Outcome, Why),
    /// A try that was not the last: `rerunFailure`, `flakyFailure` and the same with `Error`.
    Try(Why),
    StackTrace,
    Property(Property, Bounded),
    Output(Bounded),
    Other,
}

/// An open suite, or the root around all.
struct Suite {
    path: Arc<str>,
    declared: [Option<u64>; 2],
    /// Cases, and bad ones among them.
    counted: [u64; 2],
}

#[derive(Default)]
struct OpenCase {
    case: Case,
    earlier: u32,
    /// Of the first earlier try.
    detail: Option<Detail>,
}

struct Why {
    kind: String,
    message: String,
    text: Bounded,
}

impl Why {
    fn finish(self) -> Detail {
        Detail { kind: self.kind, message: self.message, text: shown(&self.text.finish()).trim_end().to_owned() }
    }
}

impl<'a> Builder<'a> {
    pub fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            report: Report::default(),
            stack: Vec::new(),
            elements: 0,
            text_left: limits.all_text,
            suites_time: None,
            had_root: false,
            counts_once: HashSet::new(),
        }
    }

    /// Whether an element is open.
    pub fn is_open(&self) -> bool {
        !self.stack.is_empty()
    }

    /// Whether there was any element.
    pub fn had_root(&self) -> bool {
        self.had_root
    }

    pub fn open(&mut self, name: &str, attributes: &Attributes) -> Result<(), ReportError> {
        if self.stack.len() >= self.limits.depth {
            return Err(ReportError::TooDeep { limit: self.limits.depth });
        }
        self.had_root = true;
        let frame = match (name, self.stack.last()) {
            ("testsuites" | "testsuite", None | Some(Frame::Suite(_))) => self.suite(name, attributes),
            (_, None) => return Err(ReportError::NotJunit { root: clip(&on_one_line(name)) }),
            ("testcase", Some(Frame::Suite(_))) => {
                self.elements += 1;
                if self.elements > self.limits.cases {
                    return Err(ReportError::TooManyCases { limit: self.limits.cases });
                }
                Frame::Case(Box::new(OpenCase { case: self.case(attributes), ..OpenCase::default() }))
            }
            // `skipped` of a suite says nothing of its cases.
            ("failure" | "error", Some(Frame::Suite(_) | Frame::Case(_))) | ("skipped", Some(Frame::Case(_))) if !attributes.is_nil() => {
                let outcome = match name {
                    "failure" => Outcome::Failed,
                    "error" => Outcome::Error,
                    _ => Outcome::Skipped,
                };
                Frame::Why(outcome, self.why(attributes))
            }
            ("rerunFailure" | "rerunError" | "flakyFailure" | "flakyError", Some(Frame::Case(_))) if !attributes.is_nil() => {
                Frame::Try(self.why(attributes))
            }
            ("stackTrace", Some(Frame::Try(_))) => Frame::StackTrace,
            ("properties", Some(Frame::Suite(_) | Frame::Case(_))) => Frame::Other,
            ("property", Some(Frame::Other | Frame::Suite(_) | Frame::Case(_))) => {
                let name = attributes.get("name").or(attributes.get("key")).map(plain).unwrap_or_default();
                let property = Property { name, value: plain(attributes.text("value")) };
                Frame::Property(property, Bounded::new(LONGEST_NAME))
            }
            ("system-out" | "system-err", Some(Frame::Case(_))) => Frame::Output(Bounded::new(self.limits.output.min(self.text_left))),
            _ => Frame::Other,
        };
        self.stack.push(frame);
        Ok(())
    }

    pub fn text(&mut self, text: &str) {
        let mut open = self.stack.iter_mut().rev();
        let frame = match open.next() {
            Some(Frame::StackTrace) => open.next(),
            frame => frame,
        };
        match frame {
            Some(Frame::Why(_, why) | Frame::Try(why)) => why.text.push(text),
            Some(Frame::Property(_, kept) | Frame::Output(kept)) => kept.push(text),
            _ => {}
        }
    }

    /// Closes the innermost element.
    pub fn close(&mut self) {
        let Some(frame) = self.stack.pop() else { return };
        match frame {
            Frame::Suite(suite) => self.close_suite(&suite),
            Frame::Case(open) => self.close_case(*open),
            Frame::Why(outcome, why) => self.close_why(outcome, why.finish()),
            Frame::Try(why) => {
                let detail = self.taken(why.finish());
                if let Some(Frame::Case(open)) = self.stack.last_mut() {
                    open.earlier += 1;
                    open.detail.get_or_insert(detail);
                }
            }
            Frame::Property(mut property, text) => {
                if property.value.is_empty() {
                    property.value = plain(&text.finish());
                }
                self.close_property(property);
            }
            Frame::Output(kept) => {
                let text = shown(&kept.finish());
                self.text_left = self.text_left.saturating_sub(text.len());
                if let Some(Frame::Case(open)) = self.stack.last_mut()
                    && !text.trim().is_empty()
                {
                    open.case.output.get_or_insert_default().push_str(&text);
                }
            }
            Frame::StackTrace | Frame::Other => {}
        }
    }

    /// The report; what is still open is taken as closed.
    pub fn finish(mut self) -> Report {
        while self.is_open() {
            self.close();
        }
        let cases = std::mem::take(&mut self.report.cases);
        let of_cases = cases.iter().filter_map(|case| case.time).reduce(Duration::saturating_add);
        self.report.time = self.report.time.or(self.suites_time).or(of_cases);
        self.report.cases = fold(cases, &self.counts_once);
        if self.text_left == 0 {
            self.note("texts of later failures are left out: there are too many".into());
        }
        self.report
    }

    fn note(&mut self, note: String) {
        if self.report.notes.len() < MOST_NOTES {
            self.report.notes.push(note);
        }
    }

    fn suite(&mut self, element: &str, attributes: &Attributes) -> Frame {
        let time = attributes.get("time").and_then(seconds);
        match self.stack.len() {
            0 if element == "testsuites" || self.report.time.is_none() => self.report.time = time,
            1 => self.suites_time = time.map_or(self.suites_time, |time| Some(self.suites_time.unwrap_or_default().saturating_add(time))),
            _ => {}
        }
        if self.report.started.is_none() {
            self.report.started = attributes.get("timestamp").filter(|time| !time.trim().is_empty()).map(plain);
        }
        let outer = match self.stack.last() {
            Some(Frame::Suite(suite)) => Arc::clone(&suite.path),
            _ => Arc::from(""),
        };
        let own = plain(attributes.text("name"));
        let path = match (outer.is_empty(), own.is_empty() || element == "testsuites") {
            (_, true) => outer,
            (true, false) => Arc::from(own),
            (false, false) => Arc::from(clip(&format!("{outer}{WITHIN}{own}"))),
        };
        let declared = |name: &str| attributes.get(name).and_then(count);
        let bad = match (declared("failures"), declared("errors")) {
            (None, None) => None,
            (failures, errors) => Some(failures.unwrap_or_default().saturating_add(errors.unwrap_or_default())),
        };
        Frame::Suite(Suite { path, declared: [declared("tests"), bad], counted: [0, 0] })
    }

    fn case(&self, attributes: &Attributes) -> Case {
        let suite = match self.stack.last() {
            Some(Frame::Suite(suite)) => Arc::clone(&suite.path),
            _ => Arc::from(""),
        };
        // As GoogleTest says that a test was not run.
        let not_run =
            matches!(attributes.text("status"), "notrun" | "disabled") || matches!(attributes.text("result"), "skipped" | "suppressed");
        Case {
            suite,
            class: plain(attributes.get("classname").or(attributes.get("class")).unwrap_or_default()),
            name: plain(attributes.text("name")),
            file: attributes.get("file").map(plain).filter(|file| !file.is_empty()),
            line: attributes.get("line").and_then(count),
            time: attributes.get("time").and_then(seconds),
            outcome: if not_run { Outcome::Skipped } else { Outcome::Passed },
            attempts: 1,
            ..Case::default()
        }
    }

    fn why(&self, attributes: &Attributes) -> Why {
        let text = Bounded::new(self.limits.text.min(self.text_left));
        Why { kind: plain(attributes.text("type")), message: clip(&shown(attributes.text("message"))), text }
    }

    /// Takes what a detail's text needs from what is left.
    fn taken(&mut self, detail: Detail) -> Detail {
        self.text_left = self.text_left.saturating_sub(detail.text.len());
        detail
    }

    fn close_why(&mut self, outcome: Outcome, detail: Detail) {
        let detail = self.taken(detail);
        match self.stack.last_mut() {
            Some(Frame::Case(open)) if outcome > open.case.outcome || open.case.detail.is_none() => {
                open.case.outcome = outcome.max(open.case.outcome);
                open.case.detail = Some(detail);
            }
            // A failure of the suite itself: no case has it, and it must not be overlooked.
            Some(Frame::Suite(suite)) => {
                suite.counted[1] += 1;
                let name = suite.path.to_string();
                let case = Case { suite: Arc::clone(&suite.path), name, outcome, attempts: 1, detail: Some(detail), ..Case::default() };
                self.report.cases.push(case);
            }
            _ => {}
        }
    }

    fn close_property(&mut self, property: Property) {
        let kept = match self.stack.iter_mut().rev().find(|frame| !matches!(frame, Frame::Other)) {
            Some(Frame::Case(open)) => &mut open.case.properties,
            _ => &mut self.report.properties,
        };
        if kept.len() < self.limits.properties {
            kept.push(property);
        }
    }

    fn close_case(&mut self, open: OpenCase) {
        let OpenCase { mut case, earlier, detail } = open;
        case.attempts = earlier.saturating_add(1);
        case.flaky = earlier > 0 && case.outcome == Outcome::Passed;
        case.detail = case.detail.or(detail);
        if let Some(Frame::Suite(suite)) = self.stack.last_mut() {
            suite.counted[0] += 1;
            suite.counted[1] += u64::from(case.outcome.is_bad());
        }
        self.report.cases.push(case);
    }

    fn close_suite(&mut self, suite: &Suite) {
        let Suite { path, declared, counted } = suite;
        if declared[0].is_some_and(|declared| 0 < declared && declared < counted[0]) {
            self.counts_once.insert(Arc::clone(path));
        }
        for (declared, counted, what) in [(declared[0], counted[0], "test cases"), (declared[1], counted[1], "failures and errors")] {
            if let Some(declared) = declared.filter(|declared| *declared != counted) {
                let of = if path.is_empty() { "the report".to_owned() } else { format!("suite `{path}`") };
                self.note(format!("{of} declares {declared} {what} and has {counted}"));
            }
        }
        if let Some(Frame::Suite(outer)) = self.stack.last_mut() {
            outer.counted[0] += counted[0];
            outer.counted[1] += counted[1];
        }
    }
}

fn plain(text: &str) -> String {
    clip(&on_one_line(text))
}

fn clip(text: &str) -> String {
    if text.len() <= LONGEST_NAME {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST_NAME)])
}
