//! What runs: built-in workloads, and OpenShift's own.

use serde_json::Value;

use super::{Status, condition, is, is_observed, number, said, text, unseen};
use crate::api::Reason;

/// How many are wanted; one when nothing is said.
fn wanted(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

pub(super) fn deployment(object: &Value) -> Status {
    if !is_observed(object) || object.pointer("/status/observedGeneration").is_none() {
        return unseen();
    }
    if let Some(found) = condition(object, "Progressing").filter(|found| text(found, "/reason") == "ProgressDeadlineExceeded") {
        return Status::failed(Reason::DeadlineExceeded, format!("its rollout does not go on: {}", text(found, "/message")));
    }
    if let Some(found) = condition(object, "ReplicaFailure").filter(|found| found["status"] == "True") {
        return refused_pods(text(found, "/message"));
    }
    let wanted = wanted(object);
    let (updated, all) = (number(object, "/status/updatedReplicas"), number(object, "/status/replicas"));
    let (available, ready) = (number(object, "/status/availableReplicas"), number(object, "/status/readyReplicas"));
    if updated < wanted {
        return Status::waits(format!("{updated} of {wanted} pods are of the new revision"));
    }
    if all > updated {
        return Status::waits(format!("{} pods of the old revision are still there", all - updated));
    }
    if available < updated || ready < wanted {
        return Status::waits(format!("{} of {wanted} pods are ready", available.min(ready)));
    }
    if object.pointer("/spec/paused") == Some(&Value::Bool(true)) && updated < wanted {
        return Status::waits("its rollout is paused");
    }
    Status::Current
}

/// Pods that the API server does not let be made.
pub(super) fn refused_pods(message: &str) -> Status {
    let reason = if message.contains("exceeded quota") { Reason::QuotaExceeded } else { Reason::PodRejected };
    Status::failed(reason, format!("its pods cannot be made: {message}"))
}

pub(super) fn stateful_set(object: &Value) -> Status {
    if !is_observed(object) || object.pointer("/status/observedGeneration").is_none() {
        return unseen();
    }
    // Pods that are only replaced when somebody deletes them say nothing about this revision.
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Status::Current;
    }
    let wanted = wanted(object);
    let ready = number(object, "/status/readyReplicas");
    if ready < wanted {
        return Status::waits(format!("{ready} of {wanted} pods are ready"));
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    let updated = number(object, "/status/updatedReplicas");
    let due = wanted - partition.min(wanted);
    let rolled = text(object, "/status/currentRevision") == text(object, "/status/updateRevision");
    if updated < due && !(rolled && partition == 0) {
        return Status::waits(format!("{updated} of {due} pods are of the new revision"));
    }
    if number(object, "/status/replicas") > wanted {
        return Status::waits("pods that are too many are still there");
    }
    Status::Current
}

pub(super) fn daemon_set(object: &Value) -> Status {
    if !is_observed(object) || object.pointer("/status/observedGeneration").is_none() {
        return unseen();
    }
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Status::Current;
    }
    let wanted = number(object, "/status/desiredNumberScheduled");
    let (updated, available) = (number(object, "/status/updatedNumberScheduled"), number(object, "/status/numberAvailable"));
    if updated < wanted {
        return Status::waits(format!("{updated} of {wanted} pods are of the new revision"));
    }
    if available < wanted {
        return Status::waits(format!("{available} of {wanted} pods are available"));
    }
    Status::Current
}

pub(super) fn replica_set(object: &Value) -> Status {
    if !is_observed(object) {
        return unseen();
    }
    if let Some(found) = condition(object, "ReplicaFailure").filter(|found| found["status"] == "True") {
        return refused_pods(text(found, "/message"));
    }
    let (wanted, available) = (wanted(object), number(object, "/status/availableReplicas"));
    if available < wanted { Status::waits(format!("{available} of {wanted} pods are available")) } else { Status::Current }
}

pub(super) fn deployment_config(object: &Value) -> Status {
    if !is_observed(object) {
        return unseen();
    }
    if let Some(found) = condition(object, "Progressing").filter(|found| found["status"] == "False") {
        return Status::failed(Reason::ConditionFailed, format!("its rollout failed: {}", said(found)));
    }
    let (wanted, updated) = (wanted(object), number(object, "/status/updatedReplicas"));
    let available = number(object, "/status/availableReplicas");
    if updated < wanted || available < wanted {
        return Status::waits(format!("{} of {wanted} pods are available at the new revision", updated.min(available)));
    }
    Status::Current
}

/// A job is well when it came to a good end.
pub(super) fn job(object: &Value) -> Status {
    if let Some(found) = condition(object, "Failed").filter(|found| found["status"] == "True") {
        let reason = match text(found, "/reason") {
            "DeadlineExceeded" => Reason::DeadlineExceeded,
            _ => Reason::JobFailed { exit: None },
        };
        return Status::failed(reason, format!("the job failed: {}", said(found)));
    }
    if is(condition(object, "Complete"), "True") {
        return Status::Current;
    }
    if object.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return Status::waits("the job is suspended");
    }
    let (active, succeeded, failed) =
        (number(object, "/status/active"), number(object, "/status/succeeded"), number(object, "/status/failed"));
    let attempts = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    Status::waits(format!("{active} pods at work, {succeeded} succeeded{attempts}"))
}

/// A run of Tekton's: one condition tells its end. <https://tekton.dev/docs/pipelines/pipelineruns/#monitoring-execution-status>
pub(super) fn tekton_run(object: &Value) -> Status {
    let Some(found) = condition(object, "Succeeded") else { return Status::waits("Tekton has not looked at it yet") };
    match (text(found, "/status"), text(found, "/reason")) {
        ("True", _) => Status::Current,
        ("False", "PipelineRunTimeout" | "TaskRunTimeout") => {
            Status::failed(Reason::DeadlineExceeded, format!("it took too long: {}", said(found)))
        }
        // `Cancelled`, `CancelledRunFinally`, and their names in earlier versions.
        ("False", reason) if reason.contains("Cancelled") => {
            Status::failed(Reason::Superseded, format!("somebody stopped it: {}", said(found)))
        }
        ("False", _) => Status::failed(Reason::JobFailed { exit: None }, format!("it failed: {}", said(found))),
        _ => Status::waits(said(found)),
    }
}

pub(super) fn pod(object: &Value) -> Status {
    match text(object, "/status/phase") {
        "Succeeded" => Status::Current,
        "Failed" => Status::failed(Reason::ConditionFailed, format!("the pod failed: {}", text(object, "/status/message"))),
        _ if is(condition(object, "Ready"), "True") => Status::Current,
        phase => Status::waits(format!("the pod is not ready ({phase})")),
    }
}
