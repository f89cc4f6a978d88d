//! What GitHub answers, as far as it is read.

use serde::Deserialize;
use towpath_domain::{CommitId, FailureClass, Timestamp};

use crate::http::Client;
use crate::{ForgeError, Number, Opinion, PullState};

/// An account. What a deleted one did is shown without any, or as `ghost`'s.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
}

/// One end of a change.
#[derive(Debug, Deserialize)]
pub(super) struct End {
    /// The branch, without its owner.
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) sha: String,
    /// None when a fork was deleted.
    pub(super) repo: Option<Repository>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pull {
    pub(super) number: u64,
    /// Its name in GraphQL.
    pub(super) node_id: String,
    user: Option<User>,
    title: String,
    body: Option<String>,
    #[serde(default)]
    labels: Vec<Label>,
    state: String,
    #[serde(default)]
    draft: bool,
    html_url: String,
    merged_at: Option<String>,
    /// Of an open one the commit that GitHub tries merging by, of a merged one the commit that it was merged by.
    merge_commit_sha: Option<String>,
    /// Shown of one change alone, not in lists.
    pub(super) mergeable_state: Option<String>,
    created_at: String,
    pub(super) base: End,
    pub(super) head: End,
}

impl Pull {
    pub(super) fn state(&self) -> PullState {
        match (&self.merged_at, self.state.as_str()) {
            (Some(_), _) => PullState::Merged { commit: self.merge_commit_sha.as_deref().and_then(|id| id.parse().ok()) },
            (None, "open") => PullState::Open,
            (None, _) => PullState::Closed,
        }
    }

    pub(super) fn shown(self, client: &Client) -> Result<crate::Pull, ForgeError> {
        let head =
            self.head.sha.parse().map_err(|_| nonsense(client, &format!("the head {:?} of change {}", self.head.sha, self.number)))?;
        let state = self.state();
        let mut labels: Vec<String> = self.labels.into_iter().map(|label| label.name).collect();
        labels.sort();
        Ok(crate::Pull {
            number: Number(self.number),
            url: self.html_url,
            from_fork: match (&self.head.repo, &self.base.repo) {
                (Some(head), Some(base)) => head.id != base.id,
                _ => true,
            },
            branch: self.head.branch,
            head,
            into: self.base.branch,
            author: name(self.user),
            title: self.title,
            body: self.body.unwrap_or_default(),
            labels,
            draft: self.draft,
            opened_at: moment(client, &self.created_at)?,
            state,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    id: u64,
    user: Option<User>,
    body: Option<String>,
    created_at: String,
    updated_at: String,
}

impl Comment {
    pub(super) fn shown(self, client: &Client) -> Result<crate::Comment, ForgeError> {
        Ok(crate::Comment {
            id: self.id,
            author: name(self.user),
            body: self.body.unwrap_or_default(),
            at: moment(client, &self.created_at)?,
            changed_at: moment(client, &self.updated_at)?,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Review {
    user: Option<User>,
    state: String,
    commit_id: Option<String>,
    submitted_at: Option<String>,
}

impl Review {
    /// What a person said; `None` for what is not said yet or was dismissed, and for what nobody's account is left to stand for.
    pub(super) fn shown(self) -> Option<crate::Review> {
        let opinion = match self.state.as_str() {
            "APPROVED" => Opinion::Approves,
            "CHANGES_REQUESTED" => Opinion::Refuses,
            "COMMENTED" => Opinion::Comments,
            _ => return None,
        };
        let at = self.submitted_at.as_deref().and_then(crate::moment::read);
        Some(crate::Review { author: self.user?.login, opinion, commit: self.commit_id.and_then(|id| id.parse().ok()), at })
    }
}

/// How a merge ended.
#[derive(Debug, Deserialize)]
pub(super) struct MergeResult {
    sha: Option<String>,
}

impl MergeResult {
    pub(super) fn commit(self) -> Option<CommitId> {
        self.sha.and_then(|id| id.parse().ok())
    }
}

fn name(user: Option<User>) -> String {
    user.map_or_else(|| "ghost".to_owned(), |user| user.login)
}

pub(super) fn moment(client: &Client, text: &str) -> Result<Timestamp, ForgeError> {
    crate::moment::read(text).ok_or_else(|| nonsense(client, &format!("the moment {text:?}")))
}

pub(super) fn nonsense(client: &Client, what: &str) -> ForgeError {
    client.error("reading an answer", &format!("{what} makes no sense; is this GitHub?"), FailureClass::Unknown)
}
