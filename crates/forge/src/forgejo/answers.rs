//! What Forgejo answers, as far as it is read.

use serde::Deserialize;
use towpath_domain::{CommitId, FailureClass, Timestamp};

use crate::http::Client;
use crate::{ForgeError, FoundStatus, Number, Opinion, PullState, StatusState};

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Label {
    pub(super) id: u64,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Created {
    pub(super) id: u64,
}

/// One end of a change.
#[derive(Debug, Deserialize)]
pub(super) struct End {
    /// The branch's name, whether it is there or not.
    #[serde(rename = "label")]
    pub(super) name: String,
    /// The same, or `refs/pull/N/head` when the branch is gone.
    #[serde(rename = "ref")]
    place: String,
    #[serde(default)]
    sha: Option<String>,
    /// -1 when its repository is gone.
    repo_id: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pull {
    number: u64,
    user: Option<User>,
    title: String,
    body: Option<String>,
    labels: Option<Vec<Label>>,
    state: String,
    #[serde(default)]
    draft: bool,
    html_url: String,
    #[serde(default)]
    merged: bool,
    merge_commit_sha: Option<String>,
    created_at: Option<String>,
    pub(super) base: End,
    pub(super) head: End,
}

impl Pull {
    pub(super) fn shown(self, client: &Client) -> Result<crate::Pull, ForgeError> {
        let state = match (self.merged, self.state.as_str()) {
            (true, _) => PullState::Merged { commit: self.merge_commit_sha.and_then(|id| id.parse().ok()) },
            (false, "open") => PullState::Open,
            (false, _) => PullState::Closed,
        };
        // Of a closed one it shows what its branch is now, if there is a branch of that name again: that is no commit of this change.
        let elsewhere = state != PullState::Open && !self.head.place.starts_with("refs/");
        let head = if elsewhere { Some(CommitId::NULL) } else { self.head.sha.as_deref().and_then(|id| id.parse().ok()) };
        let head = head.ok_or_else(|| nonsense(client, &format!("the head of change {}", self.number)))?;
        let mut labels: Vec<String> = self.labels.unwrap_or_default().into_iter().map(|label| label.name).collect();
        labels.sort();
        Ok(crate::Pull {
            number: Number(self.number),
            url: self.html_url,
            from_fork: self.head.repo_id != self.base.repo_id,
            branch: self.head.name,
            head,
            into: self.base.name,
            author: self.user.map(|user| user.login).unwrap_or_default(),
            title: self.title,
            body: self.body.unwrap_or_default(),
            labels,
            draft: self.draft,
            opened_at: moment(client, self.created_at.as_deref())?,
            state,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    id: u64,
    user: Option<User>,
    body: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

impl Comment {
    pub(super) fn shown(self, client: &Client) -> Result<crate::Comment, ForgeError> {
        Ok(crate::Comment {
            id: self.id,
            author: self.user.map(|user| user.login).unwrap_or_default(),
            body: self.body.unwrap_or_default(),
            at: moment(client, self.created_at.as_deref())?,
            changed_at: moment(client, self.updated_at.as_deref().or(self.created_at.as_deref()))?,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Review {
    user: Option<User>,
    state: String,
    commit_id: Option<String>,
    #[serde(default)]
    dismissed: bool,
    submitted_at: Option<String>,
}

impl Review {
    /// What a person said; `None` for what is not said yet, was withdrawn, or is only asked for.
    pub(super) fn shown(self) -> Option<crate::Review> {
        let opinion = match self.state.as_str() {
            "APPROVED" => Opinion::Approves,
            "REQUEST_CHANGES" => Opinion::Refuses,
            "COMMENT" => Opinion::Comments,
            _ => return None,
        };
        let author = self.user.filter(|_| !self.dismissed)?.login;
        let at = self.submitted_at.and_then(|text| crate::moment::read(&text));
        Some(crate::Review { author, opinion, commit: self.commit_id.and_then(|id| id.parse().ok()), at })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Combined {
    pub(super) statuses: Option<Vec<OneStatus>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OneStatus {
    pub(super) context: String,
    status: String,
    description: Option<String>,
    target_url: Option<String>,
}

impl OneStatus {
    pub(super) fn shown(self) -> FoundStatus {
        let state = match self.status.as_str() {
            "success" | "skipped" => StatusState::Success,
            "failure" => StatusState::Failure,
            "pending" => StatusState::Pending,
            // A warning speaks neither for nor against.
            _ => StatusState::Error,
        };
        let url = self.target_url.filter(|url| !url.is_empty());
        FoundStatus { context: self.context, state, summary: self.description.unwrap_or_default(), url }
    }
}

/// Forgejo's word for a state.
pub(super) fn word(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failure",
        StatusState::Error => "error",
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Branch {
    #[serde(default)]
    pub(super) protected: bool,
    #[serde(default)]
    pub(super) required_approvals: u32,
    #[serde(default)]
    pub(super) enable_status_check: bool,
    pub(super) status_check_contexts: Option<Vec<String>>,
    pub(super) user_can_push: bool,
    pub(super) effective_branch_protection_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Protected {
    #[serde(default)]
    pub(super) block_on_outdated_branch: bool,
}

fn moment(client: &Client, text: Option<&str>) -> Result<Timestamp, ForgeError> {
    text.and_then(crate::moment::read).ok_or_else(|| nonsense(client, &format!("the moment {text:?}")))
}

fn nonsense(client: &Client, what: &str) -> ForgeError {
    client.error("reading an answer", &format!("{what} makes no sense; is this Forgejo or Gitea?"), FailureClass::Unknown)
}
