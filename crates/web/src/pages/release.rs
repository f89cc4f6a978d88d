//! `/commits/{id}`: one commit's way to production.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use towpath_control::view::{ReleaseView, StationView};

use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::api::extract::Path;
use crate::caller::Caller;

#[derive(Template)]
#[template(path = "release.html")]
struct Release<'a> {
    frame: &'a Frame,
    view: &'a ReleaseView,
}

/// `GET /commits/{id}`.
pub(super) async fn get(State(shared): State<Shared>, caller: Caller, frame: Frame, Path(id): Path) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Elsewhere, "Release").known_to(&shared).await;
    match shared.brain.release_of(caller.sight(), id).await {
        Ok(view) => {
            let title = format!("{} {}", view.commit.id.short(7), view.commit.subject.as_deref().unwrap_or_default());
            Ok(show(&Release { frame: &frame.on(Nav::Elsewhere, title), view: &view }))
        }
        Err(problem) => Err(Failed::new(frame, problem)),
    }
}

impl Release<'_> {
    /// How long a station took, or usually takes.
    fn took(&self, station: &StationView) -> String {
        match (&station.started_at, &station.finished_at, &station.usually_ms) {
            (Some(from), Some(to), _) if from < to => words::between(from, to),
            (_, None, Some(usual)) => format!("usually {}", words::took(usual)),
            _ => String::new(),
        }
    }

    /// From the merge to the last station that is done.
    fn whole(&self) -> Option<String> {
        let last = self.view.stations.iter().rev().find(|station| station.state == "done")?.finished_at?;
        let from = self.view.merged_at.filter(|from| *from < last)?;
        (self.view.state == "live").then(|| words::between(&from, &last))
    }
}
