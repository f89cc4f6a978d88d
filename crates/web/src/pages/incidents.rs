//! `/incidents`: failures that people must see.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use towpath_control::view::IncidentView;

use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::draw::encode;
use crate::draw::scale::duration;
use crate::problem::Refusal;

/// An incident with what is not in it: where its page is, and how long it took.
struct Incident {
    view: IncidentView,
    address: String,
    took: String,
}

impl From<IncidentView> for Incident {
    fn from(view: IncidentView) -> Self {
        let kind = match view.kind.as_str() {
            "target" => "targets",
            "source" => "sources",
            _ => "changes",
        };
        let took = view.mended_at.map(|at| duration(at.since(view.since).as_millis())).unwrap_or_default();
        Self { address: format!("/{kind}/{}", encode(&view.subject)), took, view }
    }
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage<'a> {
    frame: &'a Frame,
    open: Vec<Incident>,
    mended: Vec<Incident>,
}

/// The page.
pub(super) async fn page(State(shared): State<Shared>, caller: Caller, frame: Frame) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Incidents, "Incidents").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let all = shared.brain.incidents(caller.sight()).await.map_err(|problem| failed(problem.into()))?;
    let (open, mended): (Vec<_>, Vec<_>) = all.into_iter().map(Incident::from).partition(|incident| incident.view.mended_at.is_none());
    Ok(show(&IncidentsPage { frame: &frame, open, mended }))
}
