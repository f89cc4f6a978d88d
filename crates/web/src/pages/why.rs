//! `/targets/{id}` and `/sources/{name}`: the engine's verdict, hold by hold, with what would lift it. `/why` finds what people type.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use towpath_control::view::WhyView;

use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::api::extract::{Path, Query};
use crate::caller::Caller;

#[derive(Template)]
#[template(path = "why.html")]
struct Why<'a> {
    frame: &'a Frame,
    view: &'a WhyView,
    signed: bool,
}

/// `GET /targets/{id}`.
pub(super) async fn target(state: State<Shared>, caller: Caller, frame: Frame, Path(id): Path) -> Result<Response, Failed> {
    page(state, caller, frame, id).await
}

/// `GET /sources/{name}`.
pub(super) async fn source(state: State<Shared>, caller: Caller, frame: Frame, Path(name): Path) -> Result<Response, Failed> {
    page(state, caller, frame, format!("source/{name}")).await
}

async fn page(State(shared): State<Shared>, caller: Caller, frame: Frame, what: String) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Elsewhere, "Why").known_to(&shared).await;
    match shared.brain.why(caller.sight(), what).await {
        Ok(view) => {
            let frame = frame.on(Nav::Elsewhere, view.title.clone());
            Ok(show(&Why { frame: &frame, view: &view, signed: caller.name.is_some() }))
        }
        Err(problem) => Err(Failed::new(frame, problem)),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    what: String,
}

/// `GET /why?what=`: leads to the page of what is named.
pub(super) async fn find(State(shared): State<Shared>, caller: Caller, frame: Frame, Query(asked): Query<Asked>) -> Result<Response, Failed> {
    let what = asked.what.trim().to_owned();
    if what.is_empty() {
        return Ok(Redirect::to("/").into_response());
    }
    let found = match shared.brain.explain(caller.sight(), what.clone()).await {
        Ok(found) => found,
        // A run that has another form of name is still found by it.
        Err(problem) => match shared.brain.run(caller.sight(), what).await {
            Ok(run) => return Ok(Redirect::to(&format!("/runs/{}", words::segment(run.id.as_str()))).into_response()),
            Err(_) => return Err(Failed::new(frame, problem)),
        },
    };
    let address = match found.kind.as_str() {
        "commit" => format!("/commits/{}", words::segment(found.title.split(' ').next().unwrap_or(&what))),
        "run" => format!("/runs/{}", words::segment(&found.title)),
        "channel" => format!("/graph?around={}", words::segment(&found.title)),
        _ => match shared.brain.why(caller.sight(), what).await {
            Ok(why) => format!("/{}s/{}", why.kind, words::segment(&why.id)),
            Err(problem) => return Err(Failed::new(frame, problem)),
        },
    };
    Ok(Redirect::to(&address).into_response())
}
