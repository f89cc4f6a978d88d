//! `/compare`: two commits of a target beside each other.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{CommitView, CompareRequest, CompareView, ObjectDiffView, Problem};

use super::ask::{Query, filled};
use super::wording::with_query;
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::draw::diff::{self, Line};
use crate::problem::Refusal;

/// Objects are shown open up to so many lines in all: a long page is read from its list.
const OPEN_LINES: usize = 400;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    target: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    from: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    to: Option<String>,
}

/// An object that differs.
struct Object {
    name: String,
    change: String,
    added: usize,
    removed: usize,
    lines: Vec<Line>,
    open: bool,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage<'a> {
    frame: &'a Frame,
    target: &'a str,
    from: &'a str,
    to: &'a str,
    problem: Option<Problem>,
    found: Option<Found<'a>>,
}

/// What came of comparing.
struct Found<'a> {
    view: &'a CompareView,
    swapped: String,
    sides: Vec<(&'static str, &'a [CommitView])>,
    objects: Vec<Object>,
}

/// The page.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Compare, "Compare").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let request = asked.target.clone().map(|target| CompareRequest { target, from: asked.from.clone(), to: asked.to.clone() });
    let (view, problem) = match request {
        None => (None, None),
        Some(request) => match shared.brain.compare(caller.sight(), request).await {
            Ok(view) => (Some(view), None),
            // What was asked for stands in the form, to be mended there.
            Err(problem) if problem.status < 500 => (None, Some(problem)),
            Err(problem) => return Err(failed(problem.into())),
        },
    };
    let target = asked.target.as_deref().unwrap_or_default();
    let status = problem.as_ref().map(|problem| problem.status);
    let page = ComparePage {
        frame: &frame,
        target,
        from: asked.from.as_deref().unwrap_or_default(),
        to: asked.to.as_deref().unwrap_or_default(),
        problem,
        found: view.as_ref().map(|view| found(view, target)),
    };
    let mut response = show(&page);
    if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
        *response.status_mut() = status;
    }
    Ok(response)
}

fn found<'a>(view: &'a CompareView, target: &str) -> Found<'a> {
    let (from, to) = (view.to.id.to_string(), view.from.id.to_string());
    let sides = [("New", view.ahead.as_slice()), ("Gone", view.behind.as_slice())];
    Found {
        swapped: with_query("/compare", &[("target", Some(target)), ("from", Some(&from)), ("to", Some(&to))]),
        sides: sides.into_iter().filter(|(_, commits)| !commits.is_empty()).collect(),
        objects: objects(&view.objects.objects),
        view,
    }
}

fn objects(differing: &[ObjectDiffView]) -> Vec<Object> {
    let mut shown = 0;
    let object = |object: &ObjectDiffView| {
        let lines = diff::lines(&object.lines);
        let (added, removed) = diff::count(&lines);
        shown += lines.len();
        Object { name: object.object.clone(), change: object.change.clone(), added, removed, open: shown <= OPEN_LINES, lines }
    };
    differing.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_shown_open_until_the_page_is_long() {
        let object =
            |count: usize| ObjectDiffView { object: "ConfigMap/x".into(), change: "created".into(), lines: vec!["+a".to_owned(); count] };
        let open: Vec<bool> = objects(&[object(10), object(390), object(1)]).iter().map(|object| object.open).collect();
        assert_eq!(open, [true, true, false]);
    }
}
