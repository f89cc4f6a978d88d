//! Merging through GitLab, at once or by its merge train.

use serde_json::{Value, json};
use towpath_domain::{CommitId, FailureClass};

use super::answers::MergeRequest;
use super::{GitLab, words};
use crate::hosted::api::{ApiMerge, ApiMerged};
use crate::http::Reply;
use crate::{ForgeError, Number, Queued};

/// What it says of a change that it may merge in a moment, or that somebody else may make ready: with what it waits for, for people.
const WAITS: &[(&str, &str)] = &[
    ("unchecked", "GitLab still looks whether it can be merged"),
    ("checking", "GitLab still looks whether it can be merged"),
    ("preparing", "GitLab still prepares it"),
    ("approvals_syncing", "GitLab still counts the approvals"),
    ("ci_still_running", "its pipeline still runs"),
];

/// What it says of a change that it does not merge as it is.
const REFUSES: &[(&str, &str)] = &[
    ("ci_must_pass", "its pipeline must pass"),
    ("not_approved", "it needs more approvals"),
    ("requested_changes", "a reviewer asks for changes"),
    ("discussions_not_resolved", "its threads must be resolved"),
    ("draft_status", "it is a draft"),
    ("need_rebase", "it does not hold all of the branch; propose it again from there"),
    ("conflict", "it conflicts"),
    ("broken_status", "it conflicts"),
    ("commits_status", "its branch is gone, or has no commits"),
    ("status_checks_must_pass", "external status checks must pass"),
    ("security_policy_violations", "it violates a security policy"),
    ("merge_request_blocked", "another change blocks it"),
    ("not_open", "it is not open"),
];

/// How a change waits that is on the train.
const ON_TRAIN: &str = "it is on the merge train";

pub(super) async fn at_once(gitlab: &GitLab, order: &ApiMerge) -> Result<ApiMerged, ForgeError> {
    let request = match look(gitlab, order).await? {
        Looked::Ended(merged) => return Ok(merged),
        Looked::Open(request) => request,
    };
    let status = request.detailed_merge_status.clone().unwrap_or_default();
    let waits = status == "ci_still_running";
    let body = json!({
        "sha": order.head.to_string(), "merge_commit_message": format!("{}\n\n{}", order.title, order.message).trim_end(),
        "should_remove_source_branch": false, "squash": false,
        // The first is its name since 17.11, the second before.
        "auto_merge": waits, "merge_when_pipeline_succeeds": waits,
    });
    let reply = gitlab.client.send::<_, Value>("PUT", &gitlab.request_at(order.number, "/merge"), &body).await?;
    // What it shows next is the truth, whatever it answered: an earlier try may have done it.
    let request = match look(gitlab, order).await? {
        Looked::Ended(merged) => return Ok(merged),
        Looked::Open(request) => request,
    };
    let status = request.detailed_merge_status.unwrap_or_default();
    let told = |list: &[(&str, &str)]| list.iter().find(|(known, _)| *known == status).map(|(_, why)| (*why).to_owned());
    match reply.status {
        409 => Ok(ApiMerged::HeadMoved),
        200 | 202 => {
            Ok(ApiMerged::Waits { why: told(WAITS).unwrap_or_else(|| "GitLab merges it as soon as its pipeline is well".to_owned()) })
        }
        400 | 401 | 403 | 405 | 406 | 422 => Ok(match told(WAITS) {
            Some(why) => ApiMerged::Waits { why },
            None => ApiMerged::Refused { why: told(REFUSES).unwrap_or_else(|| format!("{} ({status})", words(&reply.text))) },
        }),
        _ => Err(gitlab.refused("merging a change", &reply)),
    }
}

pub(super) async fn by_train(gitlab: &GitLab, order: &ApiMerge) -> Result<ApiMerged, ForgeError> {
    if let Looked::Ended(merged) = look(gitlab, order).await? {
        return Ok(merged);
    }
    match on_train(gitlab, order.number).await? {
        Queued::Waits { why } => return Ok(ApiMerged::Waits { why }),
        Queued::ThrownOut { why } => return Ok(ApiMerged::Refused { why }),
        Queued::Outside => {}
    }
    let reply = board(gitlab, order.number, order.head).await?;
    let waits = || ApiMerged::Waits { why: ON_TRAIN.to_owned() };
    match reply.status {
        200..=202 => Ok(waits()),
        // It has another head, or is on the train by an earlier try, or merged by now.
        400 | 409 => match look(gitlab, order).await? {
            Looked::Ended(merged) => Ok(merged),
            Looked::Open(_) if is_on_train(gitlab, order.number).await? => Ok(waits()),
            Looked::Open(_) => Ok(ApiMerged::Refused { why: words(&reply.text) }),
        },
        401 | 403 => {
            Ok(ApiMerged::Refused { why: format!("it does not let Towpath's account onto the merge train: {}", words(&reply.text)) })
        }
        _ => Err(gitlab.refused("adding a change to the merge train", &reply)),
    }
}

/// Where a change stands with the train since its newest commit came.
pub(super) async fn on_train(gitlab: &GitLab, number: Number) -> Result<Queued, ForgeError> {
    let waits = || Queued::Waits { why: ON_TRAIN.to_owned() };
    if is_on_train(gitlab, number).await? {
        return Ok(waits());
    }
    Ok(match told_by_notes(gitlab, number).await? {
        Told::ThrownOut(why) => Queued::ThrownOut { why },
        // It is not there before its pipeline is well, nor for a moment before it leaves.
        Told::OnItsWay => waits(),
        Told::Nothing => Queued::Outside,
    })
}

/// Puts a change on the train whether or not it was taken off it.
pub(super) async fn board_again(gitlab: &GitLab, number: Number, head: CommitId) -> Result<(), ForgeError> {
    if is_on_train(gitlab, number).await? {
        return Ok(());
    }
    let reply = board(gitlab, number, head).await?;
    match reply.status {
        200..=202 => Ok(()),
        400 | 409 if is_on_train(gitlab, number).await? => Ok(()),
        _ => Err(gitlab.refused("adding a change to the merge train", &reply)),
    }
}

fn train(gitlab: &GitLab, number: Number) -> String {
    gitlab.at(&format!("/merge_trains/merge_requests/{}", number.0))
}

async fn is_on_train(gitlab: &GitLab, number: Number) -> Result<bool, ForgeError> {
    let reply = gitlab.client.get::<Value>(&train(gitlab, number)).await?;
    match reply.status {
        200 => Ok(true),
        // It is not there, or there are no trains, of which whoever boards is told.
        403 | 404 => Ok(false),
        _ => Err(gitlab.refused("looking at the merge train", &reply)),
    }
}

async fn board(gitlab: &GitLab, number: Number, head: CommitId) -> Result<Reply<Value>, ForgeError> {
    let body = json!({"sha": head.to_string(), "squash": false, "auto_merge": true, "when_pipeline_succeeds": true});
    gitlab.client.send::<_, Value>("POST", &train(gitlab, number), &body).await
}

/// A change as it is.
enum Looked {
    Open(Box<MergeRequest>),
    Ended(ApiMerged),
}

async fn look(gitlab: &GitLab, order: &ApiMerge) -> Result<Looked, ForgeError> {
    let reply = gitlab.client.get::<MergeRequest>(&gitlab.request_at(order.number, "")).await?;
    let Some(request) = reply.body else { return Err(gitlab.refused("looking at a change", &reply)) };
    Ok(match request.state.as_str() {
        "merged" => Looked::Ended(ApiMerged::Merged { commit: request.merged_by() }),
        // It is being merged.
        "locked" => Looked::Ended(ApiMerged::Waits { why: "GitLab merges it just now".to_owned() }),
        "closed" => Looked::Ended(ApiMerged::Refused { why: "it is closed".to_owned() }),
        "opened" if request.sha.as_deref() != Some(order.head.to_string().as_str()) => Looked::Ended(ApiMerged::HeadMoved),
        "opened" => Looked::Open(Box::new(request)),
        other => {
            let why = format!("it calls the state of change {} {other:?}", order.number.0);
            return Err(gitlab.client.error("looking at a change", &why, FailureClass::Unknown));
        }
    })
}

/// What GitLab's own notes say of a change and the train since its newest commit came.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    OnItsWay,
    ThrownOut(String),
}

async fn told_by_notes(gitlab: &GitLab, number: Number) -> Result<Told, ForgeError> {
    let notes = gitlab.notes(number).await?;
    let says = notes.iter().rev().filter(|note| note.system).map(|note| told_by(&note.body));
    Ok(says.flatten().next().unwrap_or(Told::Nothing))
}

/// `started a merge train`, `added this merge request to the merge train at position 2`, `enabled automatic add to merge train when the pipeline
/// for … succeeds`; `removed this merge request from the merge train because …`, `cancelled automatic add to merge train`, `aborted …`.
fn told_by(note: &str) -> Option<Told> {
    if note.starts_with("added ") && note.contains(" commit") {
        return Some(Told::Nothing);
    }
    if !note.contains("merge train") {
        return None;
    }
    let ends = ["removed ", "aborted ", "canceled ", "cancelled "].iter().any(|word| note.starts_with(word));
    Some(if ends { Told::ThrownOut(note.lines().next().unwrap_or_default().to_owned()) } else { Told::OnItsWay })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_tell_where_a_change_stands_with_the_train() {
        for way in [
            "started a merge train",
            "added this merge request to the merge train at position 2",
            "enabled automatic add to merge train when the pipeline for 1a2b succeeds",
        ] {
            assert_eq!(told_by(way), Some(Told::OnItsWay), "{way}");
        }
        for end in
            ["removed this merge request from the merge train because pipeline did not succeed", "cancelled automatic add to merge train"]
        {
            assert_eq!(told_by(end), Some(Told::ThrownOut(end.to_owned())));
        }
        assert_eq!(told_by("added 1 commit\n\n<ul><li>1a2b - merge train</li></ul>"), Some(Told::Nothing), "a new commit is a new try");
        assert_eq!(told_by("approved this merge request"), None);
    }
}
