//! Merging through GitHub: at once, by its queue, or by itself once all is there.

use serde_json::json;
use towpath_domain::{CommitId, FailureClass};

use super::answers::MergeResult;
use super::graphql::{Said, Standing};
use super::{GitHub, words};
use crate::hosted::api::{ApiMerge, ApiMerged};
use crate::{ForgeError, Number, PullState, Queued};

/// What it says of statuses and checks that may still come; of those that failed it says so, too.
const MAY_COME: [&str; 6] = ["expected", "pending", "in progress", "queued", "waiting", "not completed"];

const MERGING: &str = "merging a change";

/// Merges now, or has it merged once the statuses that the branch demands are there.
pub(super) async fn at_once(github: &GitHub, order: &ApiMerge) -> Result<ApiMerged, ForgeError> {
    let path = github.pull_at(order.number, "/merge");
    let body =
        json!({"sha": order.head.to_string(), "commit_title": order.title, "commit_message": order.message, "merge_method": "merge"});
    let reply = github.client.send::<_, MergeResult>("PUT", &path, &body).await?;
    let told = reply.body.filter(|_| reply.status == 200).and_then(MergeResult::commit);
    // What it shows next is the truth, whatever it answered: an earlier try may have done it.
    let Some(pull) = github.look(order.number).await? else {
        return Ok(ApiMerged::Refused { why: format!("there is no change {}", order.number.0) });
    };
    match pull.state() {
        PullState::Merged { commit } => return Ok(ApiMerged::Merged { commit: told.or(commit) }),
        PullState::Closed => return Ok(ApiMerged::Refused { why: "it is closed".to_owned() }),
        PullState::Open if pull.head.sha != order.head.to_string() => return Ok(ApiMerged::HeadMoved),
        PullState::Open => {}
    }
    let why = words(&reply.text);
    let again = |why: &str| Err(github.client.error(MERGING, &format!("{why}; order it again"), FailureClass::Environment));
    match reply.status {
        200 => again("it says that it merged the change, and shows it open"),
        // The head is what was ordered, as was just seen: it moved back, or GitHub's parts do not agree yet.
        409 => again(&why),
        405 if ["Base branch was modified", "out of date", "is behind"].iter().any(|moved| why.contains(moved)) => again(&why),
        405 if may_come(&why) => later(github, order, &pull, why).await,
        // It has not looked yet, or looks again since the branch moved.
        405 if pull.mergeable_state.as_deref() == Some("unknown") => {
            Ok(ApiMerged::Waits { why: "GitHub still looks whether the change can be merged".to_owned() })
        }
        403 | 404 | 405 | 422 if !super::is_limit(reply.status, &reply.text) => {
            Ok(ApiMerged::Refused { why: if why.is_empty() { format!("it answered {}", reply.status) } else { why } })
        }
        _ => Err(github.said_no(MERGING, reply.status, &reply.text)),
    }
}

fn may_come(why: &str) -> bool {
    // Without what stands in quotes: names, which may be any words.
    let why = why.split('"').step_by(2).collect::<String>().to_lowercase();
    why.contains("status check") && MAY_COME.iter().any(|words| why.contains(words)) && !why.contains("fail")
}

/// Has it merged by GitHub once all is there, and says what it waits for.
///
/// GitHub would merge what people push to it meanwhile just the same. So it is asked only where the branch demands a status of Towpath's: what
/// Towpath did not check lacks that.
async fn later(github: &GitHub, order: &ApiMerge, pull: &super::answers::Pull, why: String) -> Result<ApiMerged, ForgeError> {
    let protection = super::protection::read(github, &pull.base.branch).await?;
    if protection.required_statuses.iter().any(|name| name.starts_with("towpath/")) {
        match github.merge_later(&pull.node_id, order).await? {
            Said::Yes(_) => return Ok(ApiMerged::Waits { why: format!("GitHub merges it once all is there: {why}") }),
            // It is asked for already, the repository does not allow it, or all has come just now.
            Said::No(refused) => tracing::debug!(change.number = order.number.0, refused, "not merged by GitHub later"),
        }
    }
    Ok(ApiMerged::Waits { why })
}

/// Puts it into the merge queue, or asks how it goes there.
pub(super) async fn by_queue(github: &GitHub, order: &ApiMerge) -> Result<ApiMerged, ForgeError> {
    let standing = github.standing(order.number).await?;
    if let Some(ended) = ended(&standing, order) {
        return Ok(ended);
    }
    if let Some(why) = standing.thrown_out() {
        return Ok(ApiMerged::Refused { why });
    }
    let Said::No(why) = github.enqueue(&standing.id, order.head).await? else {
        return Ok(ApiMerged::Waits { why: "it was added to the merge queue".to_owned() });
    };
    // It is in the queue by somebody else's doing, moved, or merged by now.
    let standing = github.standing(order.number).await?;
    if let Some(ended) = ended(&standing, order) {
        return Ok(ended);
    }
    Ok(if may_come(&why) { ApiMerged::Waits { why } } else { ApiMerged::Refused { why } })
}

/// Where a change at this head stands with the queue.
pub(super) async fn in_queue(github: &GitHub, number: Number, head: CommitId) -> Result<Queued, ForgeError> {
    let standing = github.standing(number).await?;
    if standing.state != "OPEN" || standing.head_ref_oid != head.to_string() {
        return Ok(Queued::Outside);
    }
    Ok(match (&standing.merge_queue_entry, standing.thrown_out()) {
        (Some(entry), _) => Queued::Waits { why: entry.waits() },
        (None, Some(why)) => Queued::ThrownOut { why },
        (None, None) => Queued::Outside,
    })
}

/// Puts a change at this head into the queue whether or not it was thrown out.
pub(super) async fn enqueue_again(github: &GitHub, number: Number, head: CommitId) -> Result<(), ForgeError> {
    let standing = github.standing(number).await?;
    if standing.merge_queue_entry.is_some() {
        return Ok(());
    }
    match github.enqueue(&standing.id, head).await? {
        Said::Yes(_) => Ok(()),
        // Somebody else was faster.
        Said::No(_) if github.standing(number).await?.merge_queue_entry.is_some() => Ok(()),
        Said::No(why) => Err(github.client.error("adding a change to the merge queue", &why, FailureClass::Own)),
    }
}

/// What became of a change already; `None` when it is open at the ordered head and not in the queue.
fn ended(standing: &Standing, order: &ApiMerge) -> Option<ApiMerged> {
    match standing.state.as_str() {
        "MERGED" => Some(ApiMerged::Merged { commit: standing.merged_by() }),
        "CLOSED" => Some(ApiMerged::Refused { why: "it is closed".to_owned() }),
        _ if standing.head_ref_oid != order.head.to_string() => Some(ApiMerged::HeadMoved),
        _ => standing.merge_queue_entry.as_ref().map(|entry| ApiMerged::Waits { why: entry.waits() }),
    }
}

#[cfg(test)]
mod tests {
    use super::may_come;

    #[test]
    fn what_may_still_come_is_told_from_what_failed() {
        for words in [
            "Required status check \"ci\" is expected.",
            "2 of 3 required status checks are expected.",
            "Repository rule violations found\n\nRequired status check \"ci\" is in progress.",
            "Required status check \"failover\" is pending.",
            "2 of 2 required status checks have not succeeded: 2 expected.",
        ] {
            assert!(may_come(words), "{words}");
        }
        for words in [
            "Required status check \"pending\" is failing.",
            "2 of 2 required status checks have not succeeded: 1 failing and 1 expected.",
            "At least 1 approving review is required by reviewers with write access.",
            "Pull Request is not mergeable",
        ] {
            assert!(!may_come(words), "{words}");
        }
    }
}
