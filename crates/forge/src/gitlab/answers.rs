//! What GitLab answers, as far as it is read.

use serde::Deserialize;
use towpath_domain::{CommitId, FailureClass, Timestamp};

use crate::http::Client;
use crate::{ForgeError, FoundStatus, Number, Opinion, Pull, PullState, Review, StatusState};

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) username: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct MergeRequest {
    pub(super) iid: u64,
    title: String,
    description: Option<String>,
    pub(super) state: String,
    author: Option<User>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    draft: bool,
    source_branch: String,
    target_branch: String,
    source_project_id: Option<u64>,
    target_project_id: u64,
    pub(super) sha: Option<String>,
    merge_commit_sha: Option<String>,
    squash_commit_sha: Option<String>,
    created_at: String,
    web_url: String,
    pub(super) detailed_merge_status: Option<String>,
}

impl MergeRequest {
    /// The commit on the branch: the merge, or what it was squashed to. Without either it was fast-forwarded.
    pub(super) fn merged_by(&self) -> Option<CommitId> {
        [&self.merge_commit_sha, &self.squash_commit_sha].into_iter().flatten().find_map(|id| id.parse().ok())
    }

    pub(super) fn shown(self, client: &Client) -> Result<Pull, ForgeError> {
        let state = match self.state.as_str() {
            "merged" => PullState::Merged { commit: self.merged_by() },
            "closed" => PullState::Closed,
            _ => PullState::Open,
        };
        // Without a commit only for as long as its branch is being looked at, or where that is gone.
        let head = match self.sha.as_deref() {
            None | Some("") => CommitId::NULL,
            Some(id) => id.parse().map_err(|_| nonsense(client, &format!("the head {id:?} of change {}", self.iid)))?,
        };
        let mut labels = self.labels;
        labels.sort();
        Ok(Pull {
            number: Number(self.iid),
            url: self.web_url,
            branch: self.source_branch,
            from_fork: self.source_project_id != Some(self.target_project_id),
            head,
            into: self.target_branch,
            author: self.author.map(|user| user.username).unwrap_or_default(),
            title: self.title,
            body: self.description.unwrap_or_default(),
            labels,
            draft: self.draft,
            opened_at: moment(client, &self.created_at)?,
            state,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Note {
    id: u64,
    pub(super) body: String,
    author: Option<User>,
    /// GitLab wrote it itself.
    #[serde(default)]
    pub(super) system: bool,
    created_at: String,
    updated_at: Option<String>,
}

impl Note {
    pub(super) fn shown(self, client: &Client) -> Result<crate::Comment, ForgeError> {
        let changed = self.updated_at.as_deref().unwrap_or(&self.created_at);
        Ok(crate::Comment {
            id: self.id,
            author: self.author.map(|user| user.username).unwrap_or_default(),
            at: moment(client, &self.created_at)?,
            changed_at: moment(client, changed)?,
            body: self.body,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Approvals {
    #[serde(default)]
    pub(super) approved_by: Vec<Approval>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Approval {
    user: User,
    approved_at: Option<String>,
}

impl Approval {
    pub(super) fn shown(self) -> Review {
        let at = self.approved_at.as_deref().and_then(crate::moment::read);
        // It does not say which commit was looked at.
        Review { author: self.user.username, opinion: Opinion::Approves, commit: None, at }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Reviewer {
    user: User,
    state: String,
    created_at: Option<String>,
}

impl Reviewer {
    pub(super) fn refuses(self) -> Option<Review> {
        let at = self.created_at.as_deref().and_then(crate::moment::read);
        (self.state == "requested_changes").then_some(Review { author: self.user.username, opinion: Opinion::Refuses, commit: None, at })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct OneStatus {
    pub(super) id: u64,
    pub(super) name: String,
    status: String,
    description: Option<String>,
    target_url: Option<String>,
}

impl OneStatus {
    pub(super) fn shown(self) -> FoundStatus {
        let state = match self.status.as_str() {
            "success" | "skipped" => StatusState::Success,
            "failed" => StatusState::Failure,
            "canceled" => StatusState::Error,
            // Created, waiting for something, running, manual, scheduled.
            _ => StatusState::Pending,
        };
        FoundStatus {
            context: self.name,
            state,
            summary: self.description.unwrap_or_default(),
            url: self.target_url.filter(|url| !url.is_empty()),
        }
    }
}

/// GitLab's word for a state. It has none for what could not be found out; `canceled` lets nothing pass either.
pub(super) fn word(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failed",
        StatusState::Error => "canceled",
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Branch {
    #[serde(default)]
    pub(super) protected: bool,
    /// Whether the account that asks may push to it.
    pub(super) can_push: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Project {
    merge_method: Option<String>,
    #[serde(default)]
    pub(super) merge_trains_enabled: bool,
}

impl Project {
    /// Fast-forward and semi-linear histories take only what holds all of the branch.
    pub(super) fn merges_only_what_is_up_to_date(&self) -> bool {
        matches!(self.merge_method.as_deref(), Some("ff" | "rebase_merge"))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) approvals_required: u32,
    #[serde(default)]
    protected_branches: Vec<Named>,
    #[serde(default)]
    applies_to_all_protected_branches: bool,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

impl Rule {
    pub(super) fn is_for(&self, branch: &str, protected: bool) -> bool {
        if self.applies_to_all_protected_branches {
            return protected;
        }
        self.protected_branches.is_empty() || self.protected_branches.iter().any(|rule| rule.name == branch)
    }
}

fn moment(client: &Client, text: &str) -> Result<Timestamp, ForgeError> {
    crate::moment::read(text).ok_or_else(|| nonsense(client, &format!("the moment {text:?}")))
}

fn nonsense(client: &Client, what: &str) -> ForgeError {
    client.error("reading an answer", &format!("{what} makes no sense; is this GitLab?"), FailureClass::Unknown)
}
