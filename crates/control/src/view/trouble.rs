//! Incidents, images, comparisons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{RunId, Timestamp};

use super::{ActionView, CommitView, DiffView};

/// A failure that people must see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentView {
    /// `target`, `source` or `change`.
    pub kind: String,
    /// What failed: its id.
    pub subject: String,
    /// As people call it.
    pub title: String,
    /// Its app, where it has one.
    pub app: Option<String>,
    /// Its environment, where it has one.
    pub environment: Option<String>,
    /// The run that failed last.
    pub run: RunId,
    /// What went wrong.
    pub message: String,
    /// The last lines that were written before it failed; secrets masked.
    pub last_lines: Vec<String>,
    /// Since when it fails.
    pub since: Timestamp,
    /// When it was mended; none while it is open.
    pub mended_at: Option<Timestamp>,
    /// Who sees to it, since when.
    pub acknowledged: Option<(String, Timestamp)>,
    /// What can be done now, the most helpful first.
    pub actions: Vec<ActionView>,
}

/// An image that a build made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageView {
    /// The source.
    pub source: String,
    /// Its name with the tag.
    pub image: String,
    /// Its digest.
    pub digest: String,
    /// The commit that it was made of.
    pub commit: CommitView,
    /// When it was built.
    pub built_at: Timestamp,
    /// The run that built it.
    pub run: RunId,
    /// Targets that run it now, as people call them.
    pub runs_in: Vec<String>,
}

/// Which images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageFilter {
    /// Of this source.
    pub source: Option<String>,
    /// Only those that run somewhere.
    pub running: Option<bool>,
    /// Where to go on.
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,17}$"))]
    pub cursor: Option<String>,
    /// At most so many; 50 when absent.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// What is to be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompareRequest {
    /// The target whose objects are compared.
    pub target: String,
    /// The one commit: full, an unambiguous prefix, or the name of another target, for what runs there. What runs in the target when absent.
    pub from: Option<String>,
    /// The other; the newest of the branch when absent.
    pub to: Option<String>,
}

/// Two refs beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompareView {
    /// The target, as people call it.
    pub title: String,
    /// The one.
    pub from: CommitView,
    /// The other.
    pub to: CommitView,
    /// The commits that `to` has and `from` has not, newest first.
    pub ahead: Vec<CommitView>,
    /// The commits that `from` has and `to` has not, newest first.
    pub behind: Vec<CommitView>,
    /// What of the rendered objects differs.
    pub objects: DiffView,
    /// Images: name, digest or tag at `from`, at `to`; those that differ.
    pub images: Vec<ImageMove>,
}

/// An image that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageMove {
    /// Its name without tag.
    pub image: String,
    /// Its tag or digest at the one.
    pub from: Option<String>,
    /// Its tag or digest at the other.
    pub to: Option<String>,
}
