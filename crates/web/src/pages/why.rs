//! `/targets/{id}` and `/sources/{name}`: the engine's verdict, hold by hold, with what can be done; and `/why`, which finds them.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use towpath_control::view::{Problem, WhyView};

use super::ask::{Path, Query};
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;

#[derive(Template)]
#[template(path = "why.html")]
struct WhyPage<'a> {
    frame: &'a Frame,
    why: &'a WhyView,
}

impl WhyPage<'_> {
    /// The state's word as the board has it, from what the verdict says.
    fn state(&self) -> &str {
        match self.why.verdict.state.as_str() {
            "act" => "moving",
            state => state,
        }
    }

    fn retriable(&self, hold: &str) -> bool {
        hold.contains("failed")
    }
}

/// The page of a target or a source.
pub(crate) async fn page(State(shared): State<Shared>, caller: Caller, frame: Frame, Path(what): Path) -> Result<Response, Failed> {
    let frame = frame.known_to(&shared).await;
    match shared.brain.why(caller.sight(), what).await {
        Ok(why) => {
            let frame = frame.on(Nav::Elsewhere, why.title.clone());
            Ok(show(&WhyPage { frame: &frame, why: &why }))
        }
        Err(problem) => Err(Failed::new(frame, problem)),
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    what: String,
}

/// `/why?what=`: to the page of what is named: a target, source, change, commit, run, channel or pull request.
pub(crate) async fn find(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(search): Query<Search>,
) -> Result<Response, Failed> {
    let what = search.what.trim();
    if what.is_empty() {
        return Ok(Redirect::to("/").into_response());
    }
    match place(&shared, &caller, what).await {
        Ok(to) => Ok(Redirect::to(&to).into_response()),
        Err(problem) => Err(Failed::new(frame, problem)),
    }
}

async fn place(shared: &Shared, caller: &Caller, what: &str) -> Result<String, Problem> {
    let brain = &shared.brain;
    let refused = match brain.why(caller.sight(), what.to_owned()).await {
        Ok(why) => return Ok(words::subject_page(&why.kind, &why.id)),
        Err(problem) => problem,
    };
    // What is called by several is told: guessing would lead to the wrong one.
    if !matches!(refused.status, 404 | 422) {
        return Err(refused);
    }
    if let Ok(release) = brain.release_of(caller.sight(), what.to_owned()).await {
        return Ok(format!("/commits/{}", release.commit.id));
    }
    if let Ok(run) = brain.run(caller.sight(), what.to_owned()).await {
        return Ok(format!("/runs/{}", words::segment(run.id.as_str())));
    }
    match brain.explain(caller.sight(), what.to_owned()).await {
        Ok(told) if told.kind == "channel" => Ok(format!("/graph?around={}", words::segment(&told.title))),
        Ok(told) if told.kind == "check" => Ok(words::subject_page("check", &told.title)),
        Ok(_) => Err(refused),
        Err(problem) => Err(problem),
    }
}
