//! Merges without a work tree.

use towpath_domain::{CommitId, Timestamp};

use crate::command::Limit;
use crate::read::paths;
use crate::{GitError, Identity, Mirror};

/// A merge to make. The same request makes the same commit in every process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRequest {
    /// What is merged into: the merge commit's first parent.
    pub base: CommitId,
    /// What is merged: its second parent.
    pub head: CommitId,
    /// The merge commit's message.
    pub message: String,
    /// Who merges.
    pub who: Identity,
    /// When; to the second, in UTC.
    pub at: Timestamp,
}

/// How a merge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a conflict is not an error but it is no merge either"]
pub enum Merged {
    /// The merge commit. It is in the mirror; nothing refers to it until it is pushed.
    Commit(CommitId),
    /// Both sides changed the same lines.
    Conflict {
        /// The files in conflict, sorted.
        paths: Vec<String>,
    },
}

/// The settings that merges are made by, each as `name=value`.
pub const MERGE_RULES: [&str; 7] = [
    "merge.renames=true",
    "merge.directoryRenames=false",
    "merge.conflictStyle=merge",
    "merge.renormalize=false",
    "merge.renameLimit=7000",
    "diff.algorithm=histogram",
    "core.attributesFile=/dev/null",
];

impl Mirror {
    /// Merges two commits into a merge commit in the mirror.
    ///
    /// Attributes (`merge=union` and the like) are those of the base commit, renames are found, and no setting of the user's plays a
    /// part, so that the result depends on the request only.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror lacks either commit; [`GitError::Failed`] when they share no history.
    pub async fn merge_commit(&self, request: &MergeRequest) -> Result<Merged, GitError> {
        self.require_commit(request.base).await?;
        self.require_commit(request.head).await?;
        let (base, head) = (request.base.to_string(), request.head.to_string());
        let mut call = self.call(format!("merging {head} into {base}"), Limit::Local);
        for rule in MERGE_RULES {
            call = call.rule(rule);
        }
        let call = call.env("GIT_ATTR_NOSYSTEM", "1").env("GIT_ATTR_SOURCE", &base);
        let finished = call.args(["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", &base, &head]).run().await?;
        let mut fields = paths(finished.stdout());
        match finished.code() {
            Some(1) if !fields.is_empty() => {
                // The first field is the tree with conflict markers in it.
                fields.remove(0);
                fields.sort();
                fields.dedup();
                Ok(Merged::Conflict { paths: fields })
            }
            Some(0) => {
                let Some(tree) = fields.into_iter().next() else { return Err(finished.error()) };
                let who = (&request.who, &request.who);
                let commit = self.make_commit(tree.trim(), &[request.base, request.head], &request.message, who, request.at).await?;
                Ok(Merged::Commit(commit))
            }
            _ => Err(finished.error()),
        }
    }
}
