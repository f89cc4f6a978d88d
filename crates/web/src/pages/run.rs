//! `/runs` and `/runs/{id}`: steps with times, the cause of a failure on top, the log.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{PageView, RunDetail, RunView, StepView};

use super::words::{self, Markup};
use super::{Failed, Frame, Nav, ansi, show};
use crate::api::Shared;
use crate::api::extract::{Path, Query};
use crate::caller::Caller;
use crate::query::{LogPage, LogQuery, RunFilter};

const STATES: [&str; 6] = ["queued", "running", "succeeded", "failed", "superseded", "cancelled"];

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs<'a> {
    frame: &'a Frame,
    page: &'a PageView<RunView>,
    asked: &'a Listed,
    states: [&'static str; 6],
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Listed {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    state: String,
    cursor: Option<String>,
}

/// `GET /runs`.
pub(super) async fn list(State(shared): State<Shared>, caller: Caller, frame: Frame, Query(asked): Query<Listed>) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Runs, "Runs").known_to(&shared).await;
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = RunFilter { subject: given(&asked.subject), state: given(&asked.state), cursor: asked.cursor.clone(), ..RunFilter::default() };
    match shared.brain.runs(caller.sight(), filter).await {
        Ok(page) => Ok(show(&Runs { frame: &frame, page: &page, asked: &asked, states: STATES })),
        Err(problem) => Err(Failed::new(frame, problem)),
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct Run<'a> {
    frame: &'a Frame,
    view: &'a RunDetail,
    log: &'a LogPage,
    lines: Vec<Line>,
    asked: &'a Asked,
    signed: bool,
}

/// A line of the log, painted.
struct Line {
    number: u64,
    at: Markup,
    stream: String,
    text: Markup,
}

/// Which part of the log.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    from: u64,
    #[serde(default)]
    search: String,
}

/// `GET /runs/{id}`.
pub(super) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Path(id): Path,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Runs, "Run").known_to(&shared).await;
    let view = match shared.brain.run_detail(caller.sight(), id.clone()).await {
        Ok(view) => view,
        Err(problem) => return Err(Failed::new(frame, problem)),
    };
    let search = Some(asked.search.clone()).filter(|text| !text.is_empty());
    let query = LogQuery { run: view.run.id.to_string(), from: asked.from, search };
    let log = match shared.brain.logs(caller.sight(), query).await {
        Ok(log) => log,
        Err(problem) => return Err(Failed::new(frame, problem)),
    };
    let lines = painted(&log, asked.from, asked.search.is_empty());
    let frame = frame.on(Nav::Runs, format!("{} of {}", view.run.kind, view.run.subject));
    Ok(show(&Run { frame: &frame, view: &view, log: &log, lines, asked: &asked, signed: caller.name.is_some() }))
}

/// The lines of a page; numbers only where no line between was left out.
fn painted(log: &LogPage, from: u64, whole: bool) -> Vec<Line> {
    let numbered = log.lines.iter().zip(from + 1..);
    numbered
        .map(|(line, number)| Line {
            number: if whole { number } else { 0 },
            at: words::clock(&line.at),
            stream: line.stream.clone(),
            text: ansi::painted(&line.text),
        })
        .collect()
}

impl Run<'_> {
    fn step_took(&self, step: &StepView) -> String {
        step.finished_at.as_ref().map_or_else(|| "under way".to_owned(), |end| words::between(&step.started_at, end))
    }

    fn is_over(&self) -> bool {
        self.view.run.finished_at.is_some()
    }
}

impl Runs<'_> {
    fn is(&self, state: &str) -> bool {
        self.asked.state == state
    }
}
