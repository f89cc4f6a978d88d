//! The board: apps × environments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{RunId, SourceName, TargetId, Timestamp};

use super::{CommitView, HoldView};

/// Apps × environments: what runs where, what is on its way, what is stuck and on what.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoardView {
    /// The columns: environments in the order in which commits reach them.
    pub environments: Vec<String>,
    /// All apps there are, for filters; those of `rows` only when filtered.
    pub apps: Vec<String>,
    /// All teams there are, for filters. A team is the role that owns an app's files.
    pub teams: Vec<String>,
    /// One per app, those with trouble first, else by name.
    pub rows: Vec<BoardRow>,
    /// Counts over all rows.
    pub totals: Totals,
}

/// How many targets are how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Targets in all.
    pub targets: u32,
    /// As they should be.
    pub up_to_date: u32,
    /// On their way.
    pub moving: u32,
    /// Held by something that passes by itself or that somebody wants so.
    pub waiting: u32,
    /// Held until somebody does something.
    pub stuck: u32,
}

/// An app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoardRow {
    /// The app.
    pub app: String,
    /// The teams that own it.
    pub teams: Vec<String>,
    /// Its targets by environment, in the order of [`BoardView::environments`]; empty where it has none.
    pub cells: Vec<Vec<CellView>>,
    /// Commits that are on the branch and not in production yet: the train, oldest first.
    pub train: Vec<WaitingCommit>,
    /// How many more wait than `train` lists.
    pub more_waiting: u32,
}

/// A target on the board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellView {
    /// Its id.
    pub target: TargetId,
    /// The shortest name that means only this target.
    pub name: String,
    /// It is a post-deploy test.
    pub is_test: bool,
    /// `up-to-date`, `moving`, `waiting` or `stuck`.
    pub state: String,
    /// What runs there.
    pub commit: Option<CommitView>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What is on its way to it.
    pub wanted: Option<CommitView>,
    /// One line for people.
    pub summary: String,
    /// The weightiest hold.
    pub hold: Option<HoldView>,
    /// The run that is about it now.
    pub run: Option<RunId>,
    /// Commits that it is behind its source's branch; none where that is not known.
    pub behind: Option<u32>,
}

/// A commit that is not in production yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingCommit {
    /// Of this source.
    pub source: SourceName,
    /// The commit.
    pub commit: CommitView,
    /// When it was first seen on the branch.
    pub since: Timestamp,
    /// The furthest that it got: `merged`, `built`, or the environment's name.
    pub reached: String,
    /// What it waits for, in words.
    pub waits_for: String,
}

/// What of the board is asked for. All that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BoardFilter {
    /// Of this app.
    pub app: Option<String>,
    /// Of this team.
    pub team: Option<String>,
    /// With a target in this state: `up-to-date`, `moving`, `waiting` or `stuck`.
    #[schemars(extend("enum" = ["", "up-to-date", "moving", "waiting", "stuck", null]))]
    pub state: Option<String>,
    /// With this text in the app's or a target's name, or the beginning of a commit that runs there.
    pub text: Option<String>,
}
