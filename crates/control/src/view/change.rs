//! Changes on the config repository, one by one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{ChangeId, TargetId};

use super::{ActionView, ChangeView, CommitView, RunView, StoryLine};

/// A change with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDetail {
    /// The change.
    pub change: ChangeView,
    /// Its description.
    pub description: String,
    /// Where it is on the forge, when people can see it there.
    pub url: Option<String>,
    /// What it moves.
    pub moves: Vec<MoveView>,
    /// Its checks.
    pub checks: Vec<CheckView>,
    /// Who approved it, and what is still missing, in words.
    pub approvals: Vec<String>,
    /// The change that it came in place of, and the one that came in place of it.
    pub replaces: Vec<ChangeId>,
    /// Its runs, newest first.
    pub runs: Vec<RunView>,
    /// What happened, oldest first.
    pub story: Vec<StoryLine>,
    /// What can be done now.
    pub actions: Vec<ActionView>,
}

/// A target that a change moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveView {
    /// The target.
    pub target: TargetId,
    /// As people call it.
    pub title: String,
    /// From; a branch has no commit.
    pub from: Option<CommitView>,
    /// To; none for what sets no ref.
    pub to: Option<CommitView>,
}

/// A check of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// Its name, such as `validation`.
    pub name: String,
    /// `passed`, `failed`, `running` or `waiting`.
    pub state: String,
    /// What was found.
    pub text: String,
}

/// Which changes. All that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeFilter {
    /// `open`, `merged`, `failed` or `closed`.
    #[schemars(extend("enum" = ["", "open", "merged", "failed", "closed", null]))]
    pub state: Option<String>,
    /// Of this kind, as in [`ChangeView::kind`].
    pub kind: Option<String>,
    /// That move a target of this app.
    pub app: Option<String>,
    /// Where to go on: the [`PageView::next`](super::PageView::next) of the page before.
    #[schemars(regex(pattern = r"^[0-9]{1,18}\."))]
    pub cursor: Option<String>,
    /// At most so many; 50 when absent.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}
