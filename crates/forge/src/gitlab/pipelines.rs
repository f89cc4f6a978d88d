//! Pipelines of merge requests: the one that failed is run again.

use serde::Deserialize;
use serde_json::Value;
use towpath_domain::CommitId;

use super::{GitLab, PAGE, words};
use crate::{ForgeError, Number, Reruns};

#[derive(Debug, Deserialize)]
struct Pipeline {
    id: u64,
    sha: String,
    #[serde(rename = "ref")]
    branch: String,
    status: String,
    #[serde(default)]
    source: String,
}

impl Pipeline {
    /// Whether it checks this head of a merge request: itself, or what merging it would give, of which GitLab does not say of which head. What
    /// only collects statuses that others set is run by those, and what the merge train began is the train's.
    fn checks(&self, head: CommitId) -> bool {
        let ours = self.sha == head.to_string() || self.source == "merge_request_event";
        ours && self.source != "external" && !self.branch.ends_with("/train")
    }
}

/// Runs again what failed of the newest pipeline. One that runs, or is well, is left as it is.
pub(super) async fn retry(gitlab: &GitLab, number: Number, head: CommitId) -> Result<Reruns, ForgeError> {
    let path = gitlab.request_at(number, &format!("/pipelines?per_page={PAGE}"));
    let mut all: Vec<Pipeline> = gitlab.client.get_all(&path).await?;
    all.retain(|pipeline| pipeline.checks(head));
    let mut reruns = Reruns::default();
    let Some(newest) = all.into_iter().max_by_key(|pipeline| pipeline.id) else { return Ok(reruns) };
    if !matches!(newest.status.as_str(), "failed" | "canceled") {
        return Ok(reruns);
    }
    let name = format!("pipeline {}", newest.id);
    let reply = gitlab.client.send::<_, Value>("POST", &gitlab.at(&format!("/pipelines/{}/retry", newest.id)), &Value::Null).await?;
    match reply.status {
        200 | 201 => reruns.begun.push(name),
        // Its account may not, or the pipeline is gone or cannot be run again.
        400 | 401 | 403 | 404 | 422 => reruns.not.push((name, words(&reply.text))),
        _ => return Err(gitlab.refused("running a pipeline again", &reply)),
    }
    Ok(reruns)
}
