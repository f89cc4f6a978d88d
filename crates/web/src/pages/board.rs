//! `/`: what runs where, what is on its way, what is stuck and on what.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use towpath_control::view::{BoardFilter, BoardRow, BoardView, CellView};

use super::words::{self, Markup};
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::api::extract::Query;
use crate::caller::Caller;

/// States that can be chosen.
const STATES: [&str; 4] = ["stuck", "waiting", "moving", "up-to-date"];

/// Commits of a train that a row tells one by one.
const TRAIN: usize = 5;

#[derive(Template)]
#[template(path = "board.html")]
struct Board<'a> {
    frame: &'a Frame,
    view: &'a BoardView,
    filter: &'a BoardFilter,
    states: [&'static str; 4],
}

/// `GET /`.
pub(super) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(filter): Query<BoardFilter>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Board, "Board").known_to(&shared).await;
    let view = match shared.brain.board(caller.sight(), filter.clone()).await {
        Ok(view) => view,
        Err(problem) => return Err(Failed::new(frame, problem)),
    };
    Ok(show(&Board { frame: &frame, view: &view, filter: &filter, states: STATES }))
}

impl Board<'_> {
    fn is(&self, set: &Option<String>, value: &str) -> bool {
        set.as_deref() == Some(value)
    }

    fn text(&self) -> &str {
        self.filter.text.as_deref().unwrap_or_default()
    }

    fn is_filtered(&self) -> bool {
        [&self.filter.app, &self.filter.team, &self.filter.state, &self.filter.text].into_iter().flatten().any(|text| !text.is_empty())
    }

    /// What a cell's second line says: what is on its way or what holds it; nothing where all is well.
    fn note(&self, cell: &CellView) -> Markup {
        if cell.state == "up-to-date" {
            return Markup::default();
        }
        let said = cell.hold.as_ref().map_or(cell.summary.as_str(), |hold| hold.text.as_str());
        let short: String = if said.chars().count() > 110 { said.chars().take(109).chain(['…']).collect() } else { said.to_owned() };
        let wanted = cell.wanted.as_ref().map(|commit| format!("→ {} ", words::commit(&commit.id))).unwrap_or_default();
        Markup(format!("{wanted}<span title=\"{}\">{}</span>", words::escaped(said), words::escaped(&short)))
    }

    fn train<'b>(&self, row: &'b BoardRow) -> &'b [towpath_control::view::WaitingCommit] {
        row.train.get(..TRAIN.min(row.train.len())).unwrap_or_default()
    }

    fn more(&self, row: &BoardRow) -> u32 {
        row.more_waiting.saturating_add(u32::try_from(row.train.len().saturating_sub(TRAIN)).unwrap_or(u32::MAX))
    }
}
