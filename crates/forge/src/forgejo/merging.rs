//! Merging through Forgejo.

use serde_json::{Value, json};
use towpath_domain::FailureClass;

use super::{Forgejo, words};
use crate::hosted::api::{Api, ApiMerge, ApiMerged};
use crate::{ForgeError, PullState};

/// What it says while a status that the branch demands is not there yet.
const STATUSES: &str = "status checks";

/// What it says while it still looks whether a change can be merged.
const LATER: &str = "try again later";

pub(super) async fn merge(forgejo: &Forgejo, order: &ApiMerge) -> Result<ApiMerged, ForgeError> {
    let path = format!("{}/merge", forgejo.pull_at(order.number));
    let body = json!({
        "Do": "merge", "MergeTitleField": order.title, "MergeMessageField": order.message, "head_commit_id": order.head.to_string(),
        "delete_branch_after_merge": false, "force_merge": false,
    });
    let reply = forgejo.client.send::<_, Value>("POST", &path, &body).await?;
    // What it says next is the truth, whatever it answered: an earlier try may have done it.
    let now = forgejo.pull(order.number).await?;
    if let Some(pull) = &now
        && let PullState::Merged { commit } = pull.state
    {
        return Ok(ApiMerged::Merged { commit });
    }
    let why = words(&reply.text);
    match reply.status {
        409 if now.is_none_or(|pull| pull.head != order.head) || why.contains("head out of date") => Ok(ApiMerged::HeadMoved),
        409 if why.contains("PushRejected") => Ok(ApiMerged::Refused { why }),
        // That it merges cleanly is known: something moved under it, and the next order will see what.
        409 => Err(forgejo.client.error("merging a change", &format!("{why}; order it again"), FailureClass::Environment)),
        405 if why.contains(LATER) => Ok(ApiMerged::Waits { why: "it still looks whether the change can be merged".to_owned() }),
        405 if why.contains(STATUSES) => Ok(ApiMerged::Waits { why }),
        404 | 405 | 423 => Ok(ApiMerged::Refused { why: if why.is_empty() { format!("it answered {}", reply.status) } else { why } }),
        200 => {
            let why = "it says that it merged the change, and shows it open; order it again";
            Err(forgejo.client.error("merging a change", why, FailureClass::Environment))
        }
        _ => Err(forgejo.refused("merging a change", &reply)),
    }
}
