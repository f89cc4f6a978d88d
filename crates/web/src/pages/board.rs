//! `/`: apps × environments, and the train of commits that wait for production.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{BoardFilter, BoardRow, BoardView, CellView, WaitingCommit};

use super::ask::{Query, filled};
use super::words::{self, with_query};
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;

/// Apps on a page. More would make the page large for people on a bad line; those with trouble come first.
const ROWS: usize = 150;

/// Commits of the train that are shown at once; the rest is behind a fold.
const TRAIN: usize = 5;

/// Commits of the train in all, over all apps.
const TRAIN_MAX: usize = 60;

/// States that can be asked for: the value and its words.
const STATES: [(&str, &str); 4] = [("stuck", "stuck"), ("moving", "moving"), ("waiting", "waiting"), ("up-to-date", "up to date")];

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    app: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    team: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    state: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    text: Option<String>,
    #[serde(default)]
    page: usize,
}

impl Asked {
    fn address(&self, state: &str, page: usize) -> String {
        let page = if page > 1 { page.to_string() } else { String::new() };
        with_query("/", &[("app", or(&self.app)), ("team", or(&self.team)), ("state", state), ("text", or(&self.text)), ("page", &page)])
    }
}

fn or(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

/// A commit of the train with its app.
struct Wagon<'a> {
    app: &'a str,
    waiting: &'a WaitingCommit,
}

/// A count with the link that shows what is counted.
struct Chip {
    state: &'static str,
    word: &'static str,
    count: u32,
    address: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage<'a> {
    frame: &'a Frame,
    board: &'a BoardView,
    asked: &'a Asked,
    states: [(&'static str, &'static str); 4],
    filtered: bool,
    chips: Vec<Chip>,
    rows: &'a [BoardRow],
    train: Vec<Wagon<'a>>,
    /// How many more wait than the train lists.
    more: u64,
    folded: usize,
    pages: usize,
    page: usize,
    before: Option<String>,
    after: Option<String>,
}

impl BoardPage<'_> {
    fn quiet(&self, row: &BoardRow) -> bool {
        row.cells.iter().flatten().all(|cell| cell.state == "up-to-date")
    }

    /// The oldest commit of an app's train, and how many there are.
    fn queue<'r>(&self, row: &'r BoardRow) -> Option<(&'r WaitingCommit, u64)> {
        row.train.first().map(|first| (first, row.train.len() as u64 + u64::from(row.more_waiting)))
    }

    /// What is on its way to a target and not yet there.
    fn coming<'c>(&self, cell: &'c CellView) -> Option<&'c towpath_control::view::CommitView> {
        cell.wanted.as_ref().filter(|wanted| cell.commit.as_ref().is_none_or(|commit| commit.id != wanted.id))
    }
}

/// The page.
pub(crate) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Board, "Board").known_to(&shared).await;
    let filter = BoardFilter { app: asked.app.clone(), team: asked.team.clone(), state: asked.state.clone(), text: asked.text.clone() };
    let board = match shared.brain.board(caller.sight(), filter).await {
        Ok(board) => board,
        Err(problem) => return Err(Failed::new(frame, problem)),
    };
    let pages = board.rows.len().div_ceil(ROWS).max(1);
    let page = asked.page.clamp(1, pages);
    let rows = board.rows.chunks(ROWS).nth(page - 1).unwrap_or_default();
    let mut train: Vec<Wagon<'_>> =
        board.rows.iter().flat_map(|row| row.train.iter().map(|waiting| Wagon { app: &row.app, waiting })).collect();
    train.sort_by_key(|wagon| wagon.waiting.since);
    let listed = train.len() as u64 + board.rows.iter().map(|row| u64::from(row.more_waiting)).sum::<u64>();
    train.truncate(TRAIN_MAX);
    let state = or(&asked.state);
    let totals = board.totals;
    let counts = [totals.stuck, totals.moving, totals.waiting, totals.up_to_date];
    let chips = STATES.iter().zip(counts).map(|((value, word), count)| {
        let here = state == *value;
        Chip { state: value, word, count, address: asked.address(if here { "" } else { value }, 1), here }
    });
    Ok(show(&BoardPage {
        chips: chips.collect(),
        filtered: [&asked.app, &asked.team, &asked.state, &asked.text].into_iter().any(Option::is_some),
        rows,
        more: listed - train.len() as u64,
        folded: train.len().saturating_sub(TRAIN),
        train,
        pages,
        page,
        before: (page > 1).then(|| asked.address(state, page - 1)),
        after: (page < pages).then(|| asked.address(state, page + 1)),
        states: STATES,
        asked: &asked,
        board: &board,
        frame: &frame,
    }))
}
