//! Targets and channels as a drawing's nodes and edges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CommitView;

/// What publishes to what, as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphView {
    /// Sources, targets and channels.
    pub nodes: Vec<NodeView>,
    /// From what comes before to what comes after, as indices into `nodes`.
    pub edges: Vec<(u32, u32)>,
    /// How many nodes were left out, since there are more than can be drawn.
    pub left_out: u32,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// `source`, `target` or `channel`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// A short name.
    pub name: String,
    /// Its app, where it has one.
    pub app: Option<String>,
    /// Its environment, where it has one.
    pub environment: Option<String>,
    /// `up-to-date`, `moving`, `waiting` or `stuck`; of a channel none.
    pub state: Option<String>,
    /// What is there.
    pub commit: Option<CommitView>,
    /// On the way of the commit that was asked for.
    pub on_path: bool,
    /// The commit that was asked for is there.
    pub reached: bool,
}

/// Which part of the graph. All that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GraphFilter {
    /// Of this app.
    pub app: Option<String>,
    /// What leads to this node and what it leads to: id of a source or target, or a channel's name.
    pub around: Option<String>,
    /// The path of this commit is marked, and only sources and what follows them are shown that have it.
    pub commit: Option<String>,
}
