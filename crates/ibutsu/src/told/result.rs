//! A test case becomes a result.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use towpath_domain::Timestamp;
use towpath_junit::{Case, Detail, Outcome};
use uuid::Uuid;

use super::files::{self, NamedFile, Names};
use super::{ToldResult, metadata, written};
use crate::settings::Limits;
use crate::upload::Upload;

/// How a test ended, in Ibutsu's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Passed,
    Failed,
    Error,
    Skipped,
    ExpectedFailure,
    UnexpectedPass,
}

impl Told {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::ExpectedFailure => "xfailed",
            Self::UnexpectedPass => "xpassed",
        }
    }
}

/// What all results of a run have in common.
pub(super) struct About<'a> {
    pub run: Uuid,
    pub project: &'a str,
    pub upload: &'a Upload,
}

/// What pytest writes for a test that was expected to fail (`_pytest/junitxml.py`): as the type of `skipped`, and as its message if it passed.
const EXPECTED: &str = "pytest.xfail";
const UNEXPECTED: &str = "xfail-marked test passes unexpectedly";

/// How a case ended. A pass after failures is a pass.
pub(super) fn outcome(case: &Case) -> Told {
    let detail = case.detail.as_ref();
    match case.outcome {
        Outcome::Passed => Told::Passed,
        Outcome::Failed => Told::Failed,
        Outcome::Error => Told::Error,
        Outcome::Skipped if detail.is_some_and(|detail| detail.message.trim() == UNEXPECTED) => Told::UnexpectedPass,
        Outcome::Skipped if detail.is_some_and(|detail| detail.kind == EXPECTED) => Told::ExpectedFailure,
        Outcome::Skipped => Told::Skipped,
    }
}

/// The whole name: Ibutsu's own import cuts it at dots, so that `test_param[1.5-b]` becomes `5-b]`.
fn test_id(case: &Case) -> Cow<'_, str> {
    match (case.class.as_str(), case.name.as_str()) {
        ("", "") if case.suite.is_empty() => "(without a name)".into(),
        ("", "") => (&*case.suite).into(),
        // Some tools write the class into the name, too.
        ("", name) => name.into(),
        (class, "") => class.into(),
        (class, name) if class == name => name.into(),
        (class, name) => format!("{class}.{name}").into(),
    }
}

pub(super) fn told(
    about: &About<'_>,
    id: Uuid,
    report: &str,
    case: &Case,
    outcome: Told,
    started: Timestamp,
    limits: &Limits,
) -> ToldResult {
    let upload = about.upload;
    let mut own = Map::new();
    let mut say = |name: &str, value: Value| {
        if !value.is_null() {
            own.insert(name.to_owned(), value);
        }
    };
    // The server takes the run from here alone.
    say("run", json!(about.run.to_string()));
    say("project", json!(about.project));
    say("component", json!(upload.component));
    say("env", json!(upload.env));
    say("report", json!(report));
    say("suite", if case.suite.is_empty() { Value::Null } else { json!(&*case.suite) });
    say("classname", if case.class.is_empty() { Value::Null } else { json!(case.class) });
    say("fspath", json!(case.file));
    say("line", json!(case.line));
    if case.attempts > 1 || case.flaky {
        say("attempts", json!(case.attempts));
        say("flaky", json!(case.flaky));
    }
    if let Some(detail) = &case.detail {
        let message = if detail.message.is_empty() { Value::Null } else { json!(detail.message) };
        match outcome {
            Told::Skipped => say("skip_reason", message),
            Told::ExpectedFailure | Told::UnexpectedPass => say("xfail_reason", message),
            Told::Passed | Told::Failed | Told::Error => {
                say("message", message);
                say("exception_name", if detail.kind.is_empty() { Value::Null } else { json!(detail.kind) });
            }
        }
    }
    metadata::promote(&mut own, &case.properties);
    let result = json!({
        "id": id.to_string(),
        "test_id": test_id(case),
        "result": outcome.word(),
        "component": upload.component,
        "env": upload.env,
        "source": upload.source,
        "start_time": written(started),
        "duration": metadata::seconds(case.time.unwrap_or_default()),
        "params": {},
        "metadata": own,
    });
    ToldResult { id, result, files: files_of(case, outcome, limits) }
}

fn files_of(case: &Case, outcome: Told, limits: &Limits) -> Vec<NamedFile> {
    let mut names = Names::of_result();
    let why = case.detail.as_ref().filter(|_| case.flaky || matches!(outcome, Told::Failed | Told::Error)).map(traceback);
    let texts = [("traceback.log", why), ("output.log", case.output.clone())];
    let files = texts.into_iter().filter_map(|(name, text)| Some((names.take(name), text?)));
    // Text is cut, and never refused.
    files.filter_map(|(name, text)| files::bounded(name, text.as_bytes(), limits.file).ok().flatten()).collect()
}

/// Type, message and text, none of them twice.
fn traceback(detail: &Detail) -> String {
    let head = match (detail.kind.is_empty(), detail.message.is_empty()) {
        (true, true) => String::new(),
        (true, false) => detail.message.clone(),
        (false, true) => detail.kind.clone(),
        (false, false) => format!("{}: {}", detail.kind, detail.message),
    };
    match (head.is_empty(), detail.text.is_empty()) {
        (_, true) => head,
        (true, false) => detail.text.clone(),
        (false, false) if !detail.message.is_empty() && detail.text.contains(&detail.message) => detail.text.clone(),
        (false, false) => format!("{head}\n\n{}", detail.text),
    }
}
