//! `/runs`: all runs, newest first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::RunView;

use super::ask::{Query, filled};
use super::words::{self, with_query};
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::query::RunFilter;

/// States that can be asked for.
const STATES: [&str; 6] = ["running", "queued", "failed", "succeeded", "superseded", "cancelled"];

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    subject: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    state: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage<'a> {
    frame: &'a Frame,
    subject: &'a str,
    state: &'a str,
    states: [&'static str; 6],
    filtered: bool,
    runs: &'a [RunView],
    older: Option<String>,
    newest: Option<String>,
}

/// The page.
pub(crate) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Runs, "Runs").known_to(&shared).await;
    let (subject, state) = (asked.subject.as_deref().unwrap_or_default(), asked.state.as_deref().unwrap_or_default());
    let filter =
        RunFilter { subject: asked.subject.clone(), state: asked.state.clone(), cursor: asked.cursor.clone(), ..RunFilter::default() };
    let found = match shared.brain.runs(caller.sight(), filter).await {
        Ok(found) => found,
        Err(problem) => return Err(Failed::new(frame, problem)),
    };
    let address = |cursor: &str| with_query("/runs", &[("subject", subject), ("state", state), ("cursor", cursor)]);
    Ok(show(&RunsPage {
        frame: &frame,
        subject,
        state,
        states: STATES,
        filtered: asked.subject.is_some() || asked.state.is_some(),
        runs: &found.items,
        older: found.next.as_deref().map(address),
        newest: asked.cursor.is_some().then(|| address("")),
    }))
}
