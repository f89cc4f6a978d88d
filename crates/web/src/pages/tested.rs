//! `/tests`: tests over their runs, and `/tests/{id}`: one of them with its history.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{TestDetail, TestFilter, TestLine, TestTimeView};

use super::ask::{Path, Query, filled};
use super::wording::with_query;
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    find: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    state: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    app: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "tests.html")]
struct TestsPage<'a> {
    frame: &'a Frame,
    find: &'a str,
    state: &'a str,
    app: &'a str,
    filtered: bool,
    items: Vec<TestLine>,
    next: Option<String>,
}

/// The list.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Tests, "Tests").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    if let Some(other) = asked.state.as_deref().filter(|state| !["flaky", "failing"].contains(state)) {
        let detail = format!("state is {:?}", other.chars().take(40).collect::<String>());
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "bad-query", "There is no such state", detail, "choose flaky or failing");
        return Err(failed(refusal));
    }
    let filter = TestFilter {
        find: asked.find.clone(),
        state: asked.state.clone(),
        app: asked.app.clone(),
        cursor: asked.cursor.clone(),
        limit: None,
    };
    let view = shared.brain.tests(caller.sight(), filter).await.map_err(|problem| failed(problem.into()))?;
    let (find, state, app) = (asked.find.as_deref(), asked.state.as_deref(), asked.app.as_deref());
    let next = |next: String| with_query("/tests", &[("find", find), ("state", state), ("app", app), ("cursor", Some(&next))]);
    Ok(show(&TestsPage {
        frame: &frame,
        find: find.unwrap_or_default(),
        state: state.unwrap_or_default(),
        app: app.unwrap_or_default(),
        filtered: find.is_some() || state.is_some() || app.is_some() || asked.cursor.is_some(),
        items: view.items,
        next: view.next.map(next),
    }))
}

#[derive(Template)]
#[template(path = "test.html")]
struct TestPage<'a> {
    frame: &'a Frame,
    detail: &'a TestDetail,
}

impl TestPage<'_> {
    fn count(&self, count: &u32, one: &str) -> String {
        words::counted(u64::from(*count), one)
    }

    /// The times oldest first, as marks are read.
    fn marks(&self) -> impl Iterator<Item = Mark<'_>> {
        self.detail.times.iter().rev().map(Mark)
    }
}

/// One time as a mark in a row: a sign, its colour, and what it means.
struct Mark<'a>(&'a TestTimeView);

impl Mark<'_> {
    fn sign(&self) -> &'static str {
        match (self.0.state.as_str(), self.0.flaky) {
            ("failed", _) => "✕",
            ("passed", true) => "≈",
            ("passed", false) => "✓",
            _ => "–",
        }
    }

    fn class(&self) -> &'static str {
        match (self.0.state.as_str(), self.0.flaky) {
            ("failed", _) => "stuck",
            ("passed", true) => "moving",
            ("passed", false) => "ok",
            _ => "",
        }
    }

    fn meaning(&self) -> String {
        let how = if self.0.flaky { "passed at a later try" } else { self.0.state.as_str() };
        let commit = self.0.commit.as_ref().map(|commit| format!(" at {}", commit.id.short(7))).unwrap_or_default();
        format!("{how}{commit}, {}", self.0.at)
    }
}

/// One test.
pub(super) async fn one(State(shared): State<Shared>, caller: Caller, frame: Frame, Path(id): Path) -> Result<Response, Failed> {
    let frame = frame.known_to(&shared).await;
    match shared.brain.test(caller.sight(), id).await {
        Ok(detail) => {
            let frame = frame.on(Nav::Tests, detail.test.name.clone());
            Ok(show(&TestPage { frame: &frame, detail: &detail }))
        }
        Err(problem) => Err(Failed::new(frame, problem)),
    }
}
