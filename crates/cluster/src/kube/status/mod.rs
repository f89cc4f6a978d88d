//! What an object's own fields say of it. Pure.
//!
//! The rules for built-in kinds are those of the kstatus library of the Kubernetes CLI project: nothing counts before the controller has
//! seen the present generation, and a count of zero that is not written is zero.

mod clowder;
#[cfg(test)]
mod tests;
mod workloads;

use serde_json::Value;

use crate::api::Reason;

/// How an object does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// On its way, and what it lacks.
    InProgress(String),
    /// As wanted, at the present generation.
    Current,
    /// It says itself that it cannot become so.
    Failed {
        /// What it is.
        reason: Reason,
        /// What it says.
        message: String,
    },
}

impl Status {
    fn waits(message: impl Into<String>) -> Self {
        Self::InProgress(message.into())
    }

    fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::Failed { reason, message: message.into() }
    }
}

/// How the object does.
pub(crate) fn status(object: &Value) -> Status {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Status::waits("it is being deleted");
    }
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let group = object.get("apiVersion").and_then(Value::as_str).and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    match (group, kind) {
        ("apps", "Deployment") => workloads::deployment(object),
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps", "DaemonSet") => workloads::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workloads::replica_set(object),
        ("apps.openshift.io", "DeploymentConfig") => workloads::deployment_config(object),
        ("batch", "Job") => workloads::job(object),
        ("tekton.dev", "PipelineRun" | "TaskRun") => workloads::tekton_run(object),
        ("", "Pod") => workloads::pod(object),
        ("cloud.redhat.com", "ClowdApp" | "ClowdEnvironment") => clowder::app(object),
        ("cloud.redhat.com", "ClowdJobInvocation") => clowder::invocation(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("", "Namespace") => namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => by_condition(object, "Available"),
        ("route.openshift.io", "Route") => route(object),
        // These have conditions that say nothing about whether they are well, or none at all.
        ("batch", "CronJob") | ("policy", "PodDisruptionBudget") | ("autoscaling", "HorizontalPodAutoscaler") => seen(object),
        _ => anything(object),
    }
}

/// Whether waiting for an object of this kind makes any sense: the others are well as soon as they are there.
pub(crate) fn is_worth_waiting_for(group: &str, kind: &str) -> bool {
    let passive = ["ConfigMap", "Secret", "ServiceAccount", "LimitRange", "Endpoints", "Event", "PodTemplate"];
    let passive_groups =
        ["rbac.authorization.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io", "networking.k8s.io"];
    !(passive_groups.contains(&group) || group.is_empty() && passive.contains(&kind))
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A condition by its type.
fn condition<'o>(object: &'o Value, kind: &str) -> Option<&'o Value> {
    object.pointer("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn is(condition: Option<&Value>, status: &str) -> bool {
    condition.is_some_and(|condition| condition["status"] == status)
}

/// What a condition says, for people.
fn said(condition: &Value) -> String {
    let (reason, message) = (text(condition, "/reason"), text(condition, "/message"));
    match (reason.is_empty(), message.is_empty()) {
        (_, true) => reason.to_owned(),
        (true, false) => message.to_owned(),
        (false, false) => format!("{reason}: {message}"),
    }
}

/// Whether the controller has seen the present generation. Objects without that bookkeeping count as seen.
fn is_observed(object: &Value) -> bool {
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    observed.is_none_or(|observed| observed >= number(object, "/metadata/generation"))
}

/// Whether the controller has seen what is wanted now. Before, all that is below the object is of an earlier revision.
pub(super) fn is_seen(object: &Value) -> bool {
    let of_clowder = object.pointer("/kind").and_then(Value::as_str) == Some("ClowdApp");
    is_observed(object) && !(of_clowder && clowder::is_stale(object))
}

/// Well as soon as the controller has seen it.
fn seen(object: &Value) -> Status {
    if is_observed(object) { Status::Current } else { unseen() }
}

fn unseen() -> Status {
    Status::waits("its controller has not looked at the new revision yet")
}

fn by_condition(object: &Value, kind: &str) -> Status {
    match condition(object, kind) {
        Some(found) if found["status"] == "True" => seen(object),
        Some(found) => Status::waits(format!("not {kind}: {}", said(found))),
        None => Status::waits(format!("not {kind} yet")),
    }
}

/// An object of a kind that nobody told us about: its generation, and the conditions whose meaning is agreed on.
fn anything(object: &Value) -> Status {
    if !is_observed(object) {
        return unseen();
    }
    for bad in ["Stalled", "Failed"] {
        if let Some(found) = condition(object, bad).filter(|found| found["status"] == "True") {
            return Status::failed(Reason::ConditionFailed, format!("{bad}: {}", said(found)));
        }
    }
    if let Some(found) = condition(object, "Reconciling").filter(|found| found["status"] == "True") {
        return Status::waits(format!("reconciling: {}", said(found)));
    }
    for good in ["Ready", "Available", "Succeeded"] {
        if let Some(found) = condition(object, good) {
            return if found["status"] == "True" { Status::Current } else { Status::waits(format!("not {good}: {}", said(found))) };
        }
    }
    Status::Current
}

/// A claim that waits for its first consumer is bound when a pod uses it: the pod then says what is missing.
fn claim(object: &Value) -> Status {
    match text(object, "/status/phase") {
        "Bound" => Status::Current,
        "Lost" => Status::failed(Reason::ConditionFailed, "its volume is lost"),
        phase => Status::waits(format!("not bound yet ({})", if phase.is_empty() { "Pending" } else { phase })),
    }
}

fn service(object: &Value) -> Status {
    let addresses = object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    if text(object, "/spec/type") == "LoadBalancer" && addresses.is_none_or(Vec::is_empty) {
        return Status::waits("its load balancer has no address yet");
    }
    Status::Current
}

fn namespace(object: &Value) -> Status {
    match text(object, "/status/phase") {
        "Active" => Status::Current,
        phase => Status::waits(format!("its phase is {phase:?}")),
    }
}

fn definition(object: &Value) -> Status {
    if let Some(found) = condition(object, "NamesAccepted").filter(|found| found["status"] == "False") {
        return Status::failed(Reason::ConditionFailed, format!("its names are not accepted: {}", said(found)));
    }
    by_condition(object, "Established")
}

fn route(object: &Value) -> Status {
    let routers = object.pointer("/status/ingress").and_then(Value::as_array).cloned().unwrap_or_default();
    let admitted = |router: &Value| {
        let conditions = router.get("conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().find(|condition| condition["type"] == "Admitted").cloned()
    };
    let answers: Vec<Value> = routers.iter().filter_map(admitted).collect();
    if let Some(refused) = answers.iter().find(|answer| answer["status"] == "False") {
        return Status::failed(Reason::ConditionFailed, format!("not admitted: {}", said(refused)));
    }
    if answers.is_empty() { Status::waits("no router has admitted it yet") } else { Status::Current }
}
