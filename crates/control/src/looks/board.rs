//! The board.

use std::collections::BTreeMap;

use super::picture::Picture;
use super::piece::Piece;
use super::standing::Standing;
use super::train;
use crate::find::problem;
use crate::places::sees_target;
use crate::sight::Sight;
use crate::steer::Control;
use crate::view::{BoardFilter, BoardRow, BoardView, Problem, Totals};

impl Control {
    /// Apps × environments: what runs where, what is on its way, what is stuck and on what.
    ///
    /// # Errors
    /// [`Problem`] when `state` is none.
    pub async fn board(&self, sight: Sight, filter: BoardFilter) -> Result<BoardView, Problem> {
        board(&self.picture(), &sight, &filter)
    }
}

pub(crate) fn board(picture: &Picture, sight: &Sight, filter: &BoardFilter) -> Result<BoardView, Problem> {
    let state = filter.state.as_deref().filter(|state| !state.is_empty());
    if let Some(state) = state
        && !Standing::ALL.iter().any(|standing| standing.word() == state)
    {
        let all = Standing::ALL.map(Standing::word).join(", ");
        let (title, detail) = ("There is no such state", format!("{state:?} is no state of a target"));
        return Err(problem("unknown-state", 422, title, detail, format!("use one of {all}")));
    }
    let mut by_app: BTreeMap<&str, Vec<&Piece>> = BTreeMap::new();
    for piece in picture.pieces.iter().filter(|piece| sees_target(sight, &piece.target)) {
        by_app.entry(piece.target.saas_file.app.as_str()).or_default().push(piece);
    }
    let apps: Vec<String> = by_app.keys().map(|app| (*app).to_owned()).collect();
    let mut teams: Vec<String> = by_app.keys().filter_map(|app| picture.shape.teams.get(*app)).flatten().cloned().collect();
    teams.sort();
    teams.dedup();
    let wanted = |set: &Option<String>| set.clone().filter(|text| !text.is_empty());
    let (app, team, text) = (wanted(&filter.app), wanted(&filter.team), wanted(&filter.text).map(|text| text.to_lowercase()));
    by_app.retain(|name, pieces| {
        app.as_deref().is_none_or(|app| app == *name)
            && team.as_ref().is_none_or(|team| picture.shape.teams.get(*name).is_some_and(|teams| teams.contains(team)))
            && state.is_none_or(|state| pieces.iter().any(|piece| piece.standing.word() == state))
            && text.as_deref().is_none_or(|text| name.to_lowercase().contains(text) || pieces.iter().any(|piece| matches(piece, text)))
    });
    let environments: Vec<&str> = picture
        .shape
        .environments
        .iter()
        .map(|environment| &**environment)
        .filter(|environment| by_app.values().flatten().any(|piece| piece.target.environment.as_str() == *environment))
        .collect();
    let mut totals = Totals::default();
    for piece in by_app.values().flatten() {
        totals.targets += 1;
        *match piece.standing {
            Standing::UpToDate => &mut totals.up_to_date,
            Standing::Moving => &mut totals.moving,
            Standing::Waiting => &mut totals.waiting,
            Standing::Stuck => &mut totals.stuck,
        } += 1;
    }
    let mut rows: Vec<(Standing, BoardRow)> = by_app
        .into_iter()
        .map(|(app, pieces)| {
            let (waiting, more_waiting) = train::listed(picture.trains.get(app), sight);
            let of = |environment: &&str| {
                let there = pieces.iter().filter(|piece| piece.target.environment.as_str() == *environment);
                there.map(|piece| piece.cell.clone()).collect()
            };
            let row = BoardRow {
                app: app.to_owned(),
                teams: picture.shape.teams.get(app).cloned().unwrap_or_default(),
                cells: environments.iter().map(of).collect(),
                train: waiting,
                more_waiting,
            };
            // Only trouble and motion come first: the rest stays where people look for it, by name.
            let worst = pieces.iter().map(|piece| piece.standing).min().unwrap_or(Standing::UpToDate);
            (if worst == Standing::Waiting { Standing::UpToDate } else { worst }, row)
        })
        .collect();
    rows.sort_by_key(|(worst, _)| *worst);
    Ok(BoardView {
        environments: environments.into_iter().map(str::to_owned).collect(),
        apps,
        teams,
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        totals,
    })
}

/// Whether a lower-case text is in the target's name, or begins a commit there.
fn matches(piece: &Piece, text: &str) -> bool {
    let begins = |commit: &crate::view::CommitView| commit.id.to_string().starts_with(text);
    piece.target.title().to_lowercase().contains(text) || piece.cell.commit.iter().chain(&piece.cell.wanted).any(begins)
}
