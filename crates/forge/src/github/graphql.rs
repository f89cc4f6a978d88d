//! GraphQL, for what REST does not have: the merge queue, and merging once all is there.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use towpath_domain::{CommitId, FailureClass};

use super::GitHub;
use crate::hosted::api::ApiMerge;
use crate::{ForgeError, Number};

/// A change, its place in the queue, and what of all that happened to it says whether it was thrown out.
pub(super) const STANDING: &str = "query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      id
      state
      headRefOid
      mergeCommit { oid }
      mergeQueueEntry { state position }
      timelineItems(last: 20, itemTypes: [ADDED_TO_MERGE_QUEUE_EVENT, REMOVED_FROM_MERGE_QUEUE_EVENT, HEAD_REF_FORCE_PUSHED_EVENT, PULL_REQUEST_COMMIT]) {
        nodes { __typename ... on RemovedFromMergeQueueEvent { reason } }
      }
    }
  }
}";

/// Whether a branch has a queue.
pub(super) const QUEUE: &str = "query($owner: String!, $name: String!, $branch: String!) {
  repository(owner: $owner, name: $name) { mergeQueue(branch: $branch) { id } }
}";

/// Puts a change into the queue.
pub(super) const ENQUEUE: &str = "mutation($input: EnqueuePullRequestInput!) {
  enqueuePullRequest(input: $input) { mergeQueueEntry { state position } }
}";

/// Lets GitHub merge a change once all that its branch demands is there.
pub(super) const AUTO_MERGE: &str = "mutation($input: EnablePullRequestAutoMergeInput!) {
  enablePullRequestAutoMerge(input: $input) { pullRequest { id } }
}";

#[derive(Debug, Deserialize)]
struct Answer {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: String,
}

/// What came back: data, or a refusal in words.
pub(super) enum Said {
    Yes(Value),
    No(String),
}

/// A change in GraphQL's words.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standing {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) head_ref_oid: String,
    merge_commit: Option<Commit>,
    pub(super) merge_queue_entry: Option<Entry>,
    timeline_items: Timeline,
}

#[derive(Debug, Deserialize)]
struct Commit {
    oid: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    state: String,
    position: u64,
}

#[derive(Debug, Deserialize)]
struct Timeline {
    nodes: Option<Vec<Option<Event>>>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "__typename")]
    kind: String,
    reason: Option<String>,
}

impl Standing {
    pub(super) fn merged_by(&self) -> Option<CommitId> {
        self.merge_commit.as_ref().and_then(|commit| commit.oid.parse().ok())
    }

    /// Why the queue threw it out since its newest commit came.
    pub(super) fn thrown_out(&self) -> Option<String> {
        let last = self.timeline_items.nodes.as_deref().unwrap_or_default().iter().flatten().next_back()?;
        let reason = || last.reason.clone().filter(|reason| !reason.is_empty()).unwrap_or_else(|| "it does not say why".to_owned());
        (last.kind == "RemovedFromMergeQueueEvent").then(|| format!("the merge queue threw it out: {}", reason()))
    }
}

impl Entry {
    /// What it waits for, for people.
    pub(super) fn waits(&self) -> String {
        let what = match self.state.as_str() {
            "AWAITING_CHECKS" => "the queue's checks run",
            "MERGEABLE" => "the queue merges it with those before it",
            "UNMERGEABLE" => "the queue cannot merge it, and is about to throw it out",
            "LOCKED" => "the queue is being merged",
            _ => "it waits for its turn",
        };
        format!("it is number {} of the merge queue: {what}", self.position)
    }
}

impl GitHub {
    /// Asks, and tells a refusal of what was asked from all other failures.
    pub(super) async fn ask(&self, what: &str, query: &str, variables: &Value) -> Result<Said, ForgeError> {
        let reply = self.graph.send::<_, Answer>("POST", "/graphql", &json!({"query": query, "variables": variables})).await?;
        let Some(Answer { data, errors }) = reply.body else { return Err(self.refused(what, &reply)) };
        if reply.status != 200 {
            let why = format!("it answered {}: {}", reply.status, super::words(&reply.text));
            return Err(self.graph.error(what, &why, FailureClass::Own));
        }
        let Some(first) = errors.first() else {
            return data.map(Said::Yes).ok_or_else(|| self.graph.error(what, "it answered without data", FailureClass::Unknown));
        };
        if first.kind.as_deref() == Some("RATE_LIMITED") {
            return Err(self.graph.error(what, &first.message, FailureClass::Environment));
        }
        Ok(Said::No(errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; ").chars().take(300).collect()))
    }

    /// What `path` leads to in the answer; it must be there.
    async fn asked<T: DeserializeOwned>(&self, what: &str, query: &str, variables: &Value, path: &str) -> Result<T, ForgeError> {
        let data = match self.ask(what, query, variables).await? {
            Said::Yes(data) => data,
            Said::No(why) => return Err(self.graph.error(what, &why, FailureClass::Own)),
        };
        let found = data.pointer(path).cloned().unwrap_or_default();
        serde_json::from_value(found).map_err(|error| self.graph.error(what, &format!("{path}: {error}"), FailureClass::Unknown))
    }

    /// How a change stands with the queue.
    pub(super) async fn standing(&self, number: Number) -> Result<Standing, ForgeError> {
        let variables = json!({"owner": self.owner, "name": self.repository, "number": number.0});
        self.asked("looking into the merge queue", STANDING, &variables, "/repository/pullRequest").await
    }

    /// Whether a branch has a queue; `None` where GraphQL does not say: not by this account, or an older Enterprise Server.
    pub(super) async fn has_queue(&self, branch: &str) -> Result<Option<bool>, ForgeError> {
        let variables = json!({"owner": self.owner, "name": self.repository, "branch": branch});
        Ok(match self.ask("looking for a merge queue", QUEUE, &variables).await? {
            Said::Yes(data) => Some(data.pointer("/repository/mergeQueue").is_some_and(|queue| !queue.is_null())),
            Said::No(_) => None,
        })
    }

    /// Puts a change at this head into the queue.
    pub(super) async fn enqueue(&self, id: &str, head: CommitId) -> Result<Said, ForgeError> {
        let input = json!({"pullRequestId": id, "expectedHeadOid": head.to_string()});
        self.ask("adding a change to the merge queue", ENQUEUE, &json!({"input": input})).await
    }

    /// Has a change at this head merged once all is there.
    pub(super) async fn merge_later(&self, id: &str, order: &ApiMerge) -> Result<Said, ForgeError> {
        let input = json!({
            "pullRequestId": id, "expectedHeadOid": order.head.to_string(), "mergeMethod": "MERGE",
            "commitHeadline": order.title, "commitBody": order.message,
        });
        self.ask("asking for a merge once all is there", AUTO_MERGE, &json!({"input": input})).await
    }
}
