//! `/commits/{sha}`: one commit's way to production.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use towpath_control::view::{ReleaseView, StationView};

use super::ask::Path;
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;

#[derive(Template)]
#[template(path = "release.html")]
struct ReleasePage<'a> {
    frame: &'a Frame,
    release: &'a ReleaseView,
}

impl ReleasePage<'_> {
    /// How long a station took; what happens in an instant, such as a merge, takes no time that anybody asks for.
    fn took(&self, station: &StationView) -> Option<String> {
        let (from, to) = (station.started_at?, station.finished_at?);
        (from != to).then(|| words::between(&from, &to))
    }

    /// How many of its stations the commit has behind it.
    fn done(&self) -> usize {
        self.release.stations.iter().filter(|station| station.state == "done").count()
    }
}

/// The page.
pub(crate) async fn page(State(shared): State<Shared>, caller: Caller, frame: Frame, Path(commit): Path) -> Result<Response, Failed> {
    let frame = frame.known_to(&shared).await;
    match shared.brain.release_of(caller.sight(), commit).await {
        Ok(release) => {
            let subject = release.commit.subject.as_deref().unwrap_or_default();
            let title = format!("{} {subject}", release.commit.id.short(7));
            Ok(show(&ReleasePage { frame: &frame.on(Nav::Elsewhere, title.trim()), release: &release }))
        }
        Err(problem) => Err(Failed::new(frame, problem)),
    }
}
