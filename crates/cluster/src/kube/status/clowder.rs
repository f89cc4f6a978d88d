//! Clowder's kinds.

use serde_json::Value;

use super::{Status, condition, is, is_observed, said, unseen};
use crate::api::Reason;

/// Whether what the operator says is of an earlier generation. It keeps the generation it saw in one of two places, by its age; this is the
/// other one.
pub(super) fn is_stale(object: &Value) -> bool {
    let seen = object.pointer("/status/generation").and_then(Value::as_i64);
    seen.is_some_and(|seen| seen < object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default())
}

/// `ClowdApp` and `ClowdEnvironment`: reconciled without a failure, and all that was made of it is ready.
pub(super) fn app(object: &Value) -> Status {
    if is_stale(object) || !is_observed(object) || object.get("status").is_none() {
        return unseen();
    }
    let (good, bad) = (condition(object, "ReconciliationSuccessful"), condition(object, "ReconciliationFailed"));
    if let Some(bad) = bad.filter(|bad| bad["status"] == "True") {
        return Status::waits(format!("its operator cannot reconcile it: {}", said(bad)));
    }
    if !is(good, "True") {
        return Status::waits("its operator has not reconciled it yet");
    }
    match condition(object, "DeploymentsReady") {
        Some(found) if found["status"] == "True" => Status::Current,
        Some(found) => Status::waits(format!("its deployments are not ready: {}", said(found))),
        None if object.pointer("/status/ready") == Some(&Value::Bool(true)) => Status::Current,
        None => Status::waits("its deployments are not ready yet"),
    }
}

/// `ClowdJobInvocation`: passed when all that was asked for was run and is complete. Completed alone says nothing.
pub(super) fn invocation(object: &Value) -> Status {
    let jobs = object.pointer("/status/jobMap").and_then(Value::as_object).cloned().unwrap_or_default();
    let failed: Vec<&str> = jobs.iter().filter(|(_, end)| *end == "Failed").map(|(name, _)| name.as_str()).collect();
    if !failed.is_empty() {
        return Status::failed(Reason::JobFailed { exit: None }, format!("the test failed: {}", failed.join(", ")));
    }
    if object.pointer("/spec/disabled") == Some(&Value::Bool(true)) {
        return Status::failed(Reason::NothingRan, "it is disabled, so that nothing runs; a test that does not run is not passed");
    }
    let asked = object.pointer("/spec/jobs").and_then(Value::as_array).map_or(0, Vec::len);
    let testing = object.pointer("/spec/testing/iqe").and_then(Value::as_object).is_some_and(|iqe| !iqe.is_empty());
    let wanted = asked + usize::from(testing);
    let complete = jobs.values().filter(|end| *end == "Complete").count();
    let completed = object.pointer("/status/completed") == Some(&Value::Bool(true));
    if completed && wanted == 0 {
        return Status::failed(Reason::NothingRan, "it asks for no job and no test, so that nothing ran; name `jobs` or `testing.iqe`");
    }
    if completed && (complete < wanted || complete < jobs.len()) {
        return Status::failed(
            Reason::NothingRan,
            format!("it says that it is completed, but only {complete} of {wanted} jobs came to a good end"),
        );
    }
    if completed {
        return Status::Current;
    }
    match condition(object, "ReconciliationFailed").filter(|found| found["status"] == "True") {
        Some(found) => Status::waits(format!("its operator cannot start it: {}", said(found))),
        None if jobs.is_empty() => Status::waits("its operator has not started it yet"),
        None => Status::waits(format!("{complete} of {wanted} jobs are complete")),
    }
}
