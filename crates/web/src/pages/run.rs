//! `/runs/{id}`: why it failed, its steps, what it found, and its log.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{CaseView, ObjectView, PullView, ReportView, RunDetail};

use super::ask::{Path, Query, filled};
use super::log::{self, Part};
use super::{Failed, Frame, Nav, ansi, show, words};
use crate::api::Shared;
use crate::caller::Caller;

/// Tests that passed which a report shows; the failed ones are all shown.
const PASSED_MAX: usize = 200;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// The line that is to be seen.
    at: Option<u64>,
    /// What is looked for in the log.
    #[serde(default, deserialize_with = "filled")]
    find: Option<String>,
    /// Where the search goes on.
    #[serde(default)]
    from: u64,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage<'a> {
    frame: &'a Frame,
    id: &'a str,
    detail: &'a RunDetail,
    /// The pull request that it checks, while that is open.
    pull: Option<&'a PullView>,
    part: Part,
    find: &'a str,
}

impl RunPage<'_> {
    /// The run goes on.
    fn is_open(&self) -> bool {
        self.detail.run.finished_at.is_none()
    }

    /// The longest step's share of the whole, for the bars: from 0 to 100.
    fn share(&self, ms: &u64) -> u64 {
        let longest = self.detail.run.steps.iter().filter_map(|step| Some(step.finished_at?.since(step.started_at).as_millis())).max();
        ms * 100 / longest.unwrap_or(1).max(1)
    }

    /// It checks a pull request, or tries something.
    fn is_check(&self) -> bool {
        self.detail.subject.0 == "check"
    }

    fn line(&self, text: &str) -> words::Markup {
        words::Markup(ansi::lines(text))
    }

    fn fails<'r>(&self, report: &'r ReportView) -> impl Iterator<Item = &'r CaseView> {
        report.tests.iter().filter(|test| is_told(test))
    }

    fn others<'r>(&self, report: &'r ReportView) -> impl Iterator<Item = &'r CaseView> {
        report.tests.iter().filter(|test| !is_told(test)).take(PASSED_MAX)
    }

    /// What is known of a test's failure, in few words.
    fn told(&self, test: &CaseView) -> Option<&'static str> {
        match test.mark.as_deref() {
            Some("quarantined") => Some("quarantined: does not count"),
            Some("known-flaky") => Some("known flaky"),
            Some("new") => Some("new failure"),
            Some("failing") => Some("fails since earlier"),
            _ if test.flaky => Some("passed at a later try"),
            _ => None,
        }
    }

    /// How many tests are not listed.
    fn unlisted(&self, report: &ReportView) -> usize {
        let all = report.passed as usize + report.failed as usize + report.skipped as usize;
        all.saturating_sub(self.fails(report).count() + self.others(report).count())
    }

    /// An object's state as a badge knows it.
    fn condition(&self, object: &ObjectView) -> &'static str {
        match object.state.to_ascii_lowercase().as_str() {
            "ready" | "running" | "succeeded" | "available" | "complete" => "ok",
            "pending" | "containercreating" => "waiting",
            _ => "failed",
        }
    }
}

/// Whether people are shown all of it: it failed, or did not pass at once.
fn is_told(test: &CaseView) -> bool {
    test.state == "failed" || test.flaky
}

/// The page.
pub(crate) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Path(id): Path,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let frame = frame.known_to(&shared).await;
    let detail = match shared.brain.run_detail(caller.sight(), id).await {
        Ok(detail) => detail,
        Err(problem) => return Err(Failed::new(frame, problem)),
    };
    let id = detail.run.id.as_str();
    let part = match &asked.find {
        // The log has a way of its own to stay as it is now.
        _ if headers.contains_key("x-fragment") => Ok(Part::default()),
        Some(find) => log::search(&shared, caller.sight(), id, asked.from, find).await,
        None => log::around(&shared, caller.sight(), id, asked.at).await,
    };
    let part = match part {
        Ok(part) => part,
        Err(problem) => return Err(Failed::new(frame, problem)),
    };
    let pull = match detail.subject.0.as_str() {
        // One that is closed by now, or was none but a try, has no more than its run says.
        "check" => shared.brain.pull(caller.sight(), detail.subject.1.clone()).await.ok().map(|detail| detail.check),
        _ => None,
    };
    let frame = frame.on(Nav::Runs, words::run_name(&detail.run));
    let find = asked.find.as_deref().unwrap_or_default();
    Ok(show(&RunPage { frame: &frame, id, detail: &detail, pull: pull.as_ref(), part, find }))
}
