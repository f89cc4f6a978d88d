//! A run's log: a part of it at a time, each line with its number, so that a link to a line stays one.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::Instant;
use towpath_control::Sight;
use towpath_control::view::Problem;

use super::ask::{Path, Query, filled};
use super::{ansi, show, words};
use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;
use crate::query::LogQuery;

/// Lines that a page begins with; more come as one scrolls.
pub(super) const FIRST: u64 = 1000;

/// Lines that are found at most at once.
const FOUND_MAX: usize = 500;

/// How long one search may look on before it shows what it has.
const SEARCH_TIME: Duration = Duration::from_secs(2);

/// How long a page that follows a log waits for a line. Shorter than proxies wait for an answer.
const FOLLOW_TIME: Duration = Duration::from_secs(20);

/// A line as it is shown.
pub(super) struct Line {
    pub(super) number: u64,
    /// When it was written, in UTC.
    pub(super) clock: String,
    /// The step that begins with it.
    pub(super) step: Option<String>,
    /// It was an error stream's, or Towpath's own.
    pub(super) stream: &'static str,
    pub(super) html: String,
}

/// Part of a log.
#[derive(Default)]
pub(super) struct Part {
    pub(super) lines: Vec<Line>,
    /// So many lines come before.
    pub(super) from: u64,
    /// Where the next part begins.
    pub(super) next: u64,
    pub(super) total: u64,
    /// There will be no more after it.
    pub(super) done: bool,
    /// What was looked for.
    pub(super) find: Option<String>,
}

impl Part {
    /// Where the part before begins.
    pub(super) fn before(&self) -> Option<u64> {
        (self.from > 0 && self.find.is_none()).then(|| self.from.saturating_sub(FIRST) + 1)
    }

    /// The first line of the part after.
    pub(super) fn after(&self) -> Option<u64> {
        (self.next < self.total && self.find.is_none()).then_some(self.next + 1)
    }
}

/// The end of a log, or what is around line `at` of it.
pub(super) async fn around(shared: &Shared, sight: Sight, run: &str, at: Option<u64>) -> Result<Part, Problem> {
    let from = match at {
        // A line is shown with some before it.
        Some(at) => at.saturating_sub(20).saturating_sub(1),
        None => {
            let end = shared.brain.logs(sight.clone(), LogQuery { run: run.to_owned(), from: u64::MAX, search: None }).await?;
            end.total.saturating_sub(FIRST)
        }
    };
    read(shared, sight, run, from, Some(FIRST)).await
}

/// The lines after the first `from`.
async fn read(shared: &Shared, sight: Sight, run: &str, from: u64, most: Option<u64>) -> Result<Part, Problem> {
    let page = shared.brain.logs(sight, LogQuery { run: run.to_owned(), from, search: None }).await?;
    let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let cut = page.lines.len() > most;
    let lines = lines(page.lines.into_iter().take(most), None);
    let next = if cut { lines.last().map_or(page.next, |line| line.number) } else { page.next };
    Ok(Part { lines, from, next, total: page.total, done: page.done && !cut, find: None })
}

/// The lines after the first `from` that hold `find`.
pub(super) async fn search(shared: &Shared, sight: Sight, run: &str, from: u64, find: &str) -> Result<Part, Problem> {
    let until = Instant::now() + SEARCH_TIME;
    let mut part = Part { from, next: from, find: Some(find.to_owned()), ..Part::default() };
    loop {
        let query = LogQuery { run: run.to_owned(), from: part.next, search: Some(find.to_owned()) };
        let page = shared.brain.logs(sight.clone(), query).await?;
        let is_end = page.done || page.next == part.next;
        (part.next, part.total, part.done) = (page.next, page.total, page.done);
        part.lines.extend(lines(page.lines.into_iter(), Some(find)));
        if is_end || part.lines.len() >= FOUND_MAX || Instant::now() >= until {
            return Ok(part);
        }
    }
}

fn lines(all: impl Iterator<Item = crate::query::LogLine>, find: Option<&str>) -> Vec<Line> {
    let mut step = String::new();
    let line = |line: crate::query::LogLine| {
        let begins = (line.step != step && find.is_none()).then(|| line.step.clone());
        step = line.step;
        Line {
            number: line.number,
            clock: words::clock(&line.at),
            step: begins,
            stream: match line.stream.as_str() {
                "stderr" => "err",
                "towpath" => "own",
                _ => "",
            },
            html: ansi::html(&line.text, find),
        }
    };
    all.map(line).collect()
}

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    from: u64,
    #[serde(default, deserialize_with = "filled")]
    find: Option<String>,
    #[serde(default)]
    wait: bool,
}

#[derive(Template)]
#[template(path = "log-lines.html")]
struct Lines {
    id: String,
    part: Part,
}

/// `GET /runs/{id}/log`: lines alone, for the script that puts them to those that are there. With `wait`, as soon as there is one.
pub(crate) async fn more(State(shared): State<Shared>, caller: Caller, Path(id): Path, Query(asked): Query<Asked>) -> Response {
    let until = Instant::now() + FOLLOW_TIME;
    let mut stopping = shared.stopping.clone();
    loop {
        let part = match &asked.find {
            Some(find) => search(&shared, caller.sight(), &id, asked.from, find).await,
            None => read(&shared, caller.sight(), &id, asked.from, None).await,
        };
        let part = match part {
            Ok(part) => part,
            Err(problem) => return Refusal::from(problem).into_response(),
        };
        if !asked.wait || !part.lines.is_empty() || part.done || *stopping.borrow() || Instant::now() >= until {
            return show(&Lines { id, part });
        }
        tokio::select! {
            () = shared.brain.log_may_have_grown() => {}
            () = tokio::time::sleep_until(until) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
}
