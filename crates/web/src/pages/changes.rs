//! `/changes`, and each change at `/changes/{id}`.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{ChangeDetail, ChangeFilter, ChangeView};

use super::ask::{Path, Query, filled};
use super::wording::{outside, with_query};
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;

/// What can be chosen, with its words.
const STATES: [(&str, &str); 4] = [("open", "open"), ("merged", "merged"), ("failed", "failed"), ("closed", "closed")];
const KINDS: [(&str, &str); 4] = [("promotion", "promotion"), ("rollback", "rollback"), ("hold", "hold"), ("release", "release of a hold")];

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    state: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    app: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesPage<'a> {
    frame: &'a Frame,
    state: &'a str,
    kind: &'a str,
    app: &'a str,
    states: [(&'static str, &'static str); 4],
    kinds: [(&'static str, &'static str); 4],
    filtered: bool,
    items: Vec<ChangeView>,
    next: Option<String>,
}

/// The list.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Changes, "Changes").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let filter = ChangeFilter {
        state: asked.state.clone(),
        kind: asked.kind.clone(),
        app: asked.app.clone(),
        cursor: asked.cursor.clone(),
        limit: None,
    };
    let view = shared.brain.changes(caller.sight(), filter).await.map_err(|problem| failed(problem.into()))?;
    let (state, kind, app) = (asked.state.as_deref(), asked.kind.as_deref(), asked.app.as_deref());
    Ok(show(&ChangesPage {
        frame: &frame,
        filtered: state.is_some() || kind.is_some() || app.is_some() || asked.cursor.is_some(),
        state: state.unwrap_or_default(),
        kind: kind.unwrap_or_default(),
        app: app.unwrap_or_default(),
        states: STATES,
        kinds: KINDS,
        items: view.items,
        next: view.next.map(|next| with_query("/changes", &[("state", state), ("kind", kind), ("app", app), ("cursor", Some(&next))])),
    }))
}

#[derive(Template)]
#[template(path = "change.html")]
struct ChangePage<'a> {
    frame: &'a Frame,
    detail: &'a ChangeDetail,
    url: Option<&'a str>,
}

/// One change.
pub(super) async fn one(State(shared): State<Shared>, caller: Caller, frame: Frame, Path(id): Path) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Changes, "Changes").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let detail = shared.brain.change(caller.sight(), id).await.map_err(|problem| failed(problem.into()))?;
    Ok(show(&ChangePage { frame: &frame, url: outside(detail.url.as_deref()), detail: &detail }))
}
