//! What pods say of the object that wants them. Pure, but for the time that something has lasted, which is handed in.

pub(super) mod container;
mod pod;
pub(super) mod refused;
mod shown;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value;

use super::status;
use super::view::View;
use super::watching::text;
use crate::api::{ObjectKey, Reason};

pub(super) use shown::shown;

/// What is wrong with a pod, or keeps it from being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) reason: Reason,
    /// What, where, and what to do next.
    pub(super) message: String,
    /// The pod; empty when there is none.
    pub(super) pod: String,
    /// The container at fault.
    pub(super) container: Option<String>,
    /// Its last words are those of the container before the present one.
    pub(super) restarted: bool,
    /// How long it must have lasted before it counts: a cluster that grows needs its time.
    pub(super) after: Duration,
}

/// What is only told when time is up: by itself it may yet be mended, however long it lasts.
pub(super) const WHEN_TIME_IS_UP: Duration = Duration::MAX;

/// The pods that an object wants, at its present revision.
pub(super) fn pods<'s>(view: &View<'s>, key: &ObjectKey) -> Vec<&'s Value> {
    let Some(object) = view.get(&key.kind_and_group(), &key.name) else { return Vec::new() };
    let uid = text(object, "/metadata/uid");
    match (key.group.as_str(), key.kind.as_str()) {
        ("apps", "Deployment") => of_deployment(view, object),
        ("apps", "StatefulSet") if is_observed(object) => {
            let revision = text(object, "/status/updateRevision");
            view.owned_by("Pod", uid).filter(|pod| revision.is_empty() || hash(pod) == revision).collect()
        }
        ("apps", "DaemonSet") if is_observed(object) => of_daemon_set(view, object),
        ("apps", "StatefulSet" | "DaemonSet") => Vec::new(),
        ("cloud.redhat.com", "ClowdApp") => {
            view.owned_by("Deployment.apps", uid).flat_map(|deployment| of_deployment(view, deployment)).collect()
        }
        ("cloud.redhat.com", "ClowdJobInvocation") => {
            jobs_of(view, key, uid).into_iter().flat_map(|job| view.owned_by("Pod", text(job, "/metadata/uid"))).collect()
        }
        ("apps.openshift.io", "DeploymentConfig") => {
            let latest = object.pointer("/status/latestVersion").and_then(Value::as_i64).unwrap_or_default();
            let controller = view.get("ReplicationController", &format!("{}-{latest}", key.name));
            controller.map(|it| view.owned_by("Pod", text(it, "/metadata/uid")).collect()).unwrap_or_default()
        }
        ("batch", "CronJob") => Vec::new(),
        ("tekton.dev", "PipelineRun") => {
            view.all("Pod").filter(|pod| text(pod, "/metadata/labels/tekton.dev~1pipelineRun") == key.name).collect()
        }
        _ => view.owned_by("Pod", uid).collect(),
    }
}

/// The pods in which a job was tried, the first one first, those that are gone included.
pub(super) fn attempts<'s>(view: &View<'s>, key: &ObjectKey) -> Vec<&'s Value> {
    let mut found = pods(view, key);
    if let Some(object) = view.get(&key.kind_and_group(), &key.name) {
        let uid = text(object, "/metadata/uid");
        found.extend(view.gone_from(uid));
        if key.kind == "ClowdJobInvocation" {
            found.extend(jobs_of(view, key, uid).into_iter().flat_map(|job| view.gone_from(text(job, "/metadata/uid"))));
        }
    }
    found.sort_by_key(|pod| text(pod, "/metadata/creationTimestamp"));
    found
}

/// The jobs that an invocation has made.
fn jobs_of<'s>(view: &View<'s>, key: &ObjectKey, uid: &str) -> Vec<&'s Value> {
    let is_owned = |job: &Value| super::watching::owners(job).any(|owner| owner == uid);
    view.all("Job.batch").filter(|job| text(job, "/metadata/labels/clowdjob") == key.name || is_owned(job)).collect()
}

/// The pods of a deployment's newest revision.
fn of_deployment<'s>(view: &View<'s>, deployment: &Value) -> Vec<&'s Value> {
    newest_set(view, deployment).map(|set| view.owned_by("Pod", text(set, "/metadata/uid")).collect()).unwrap_or_default()
}

/// The replica set of a deployment's newest revision; none before its controller has seen the present generation.
fn newest_set<'s>(view: &View<'s>, deployment: &Value) -> Option<&'s Value> {
    const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";
    if !is_observed(deployment) {
        return None;
    }
    let revision = text(deployment, REVISION);
    view.owned_by("ReplicaSet.apps", text(deployment, "/metadata/uid")).find(|set| text(set, REVISION) == revision)
}

/// The pods of the newest revision; the set itself does not say which that is.
fn of_daemon_set<'s>(view: &View<'s>, set: &Value) -> Vec<&'s Value> {
    let pods: Vec<&Value> = view.owned_by("Pod", text(set, "/metadata/uid")).collect();
    if set.pointer("/status/updatedNumberScheduled").and_then(Value::as_i64).unwrap_or_default() == 0 {
        return Vec::new();
    }
    let newest = pods.iter().max_by_key(|pod| text(pod, "/metadata/creationTimestamp")).map(|pod| hash(pod)).unwrap_or_default();
    pods.into_iter().filter(|pod| hash(pod) == newest).collect()
}

fn hash(pod: &Value) -> &str {
    text(pod, "/metadata/labels/controller-revision-hash")
}

fn is_observed(object: &Value) -> bool {
    let number = |pointer| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    number("/status/observedGeneration") >= number("/metadata/generation")
}

/// Ids of the object and of all that stands between it and its pods.
fn makers(view: &View<'_>, key: &ObjectKey) -> Vec<String> {
    let Some(object) = view.get(&key.kind_and_group(), &key.name) else { return Vec::new() };
    let uid = text(object, "/metadata/uid");
    let mut ids = vec![uid.to_owned()];
    if key.kind == "ClowdJobInvocation" {
        ids.extend(jobs_of(view, key, uid).into_iter().map(|job| text(job, "/metadata/uid").to_owned()));
    }
    let mut next = 0;
    while let Some(id) = ids.get(next).cloned() {
        next += 1;
        for owned in view.all_owned_by(&id).filter(|owned| text(owned, "/kind") != "Pod") {
            let uid = text(owned, "/metadata/uid");
            if !ids.iter().any(|known| known == uid) {
                ids.push(uid.to_owned());
            }
        }
    }
    ids
}

/// Ids of the object, of all that stands between it and its pods, and of these: events speak of them.
pub(super) fn ids(view: &View<'_>, key: &ObjectKey) -> Vec<String> {
    let mut ids = makers(view, key);
    let gone: Vec<&Value> = ids.iter().flat_map(|id| view.gone_from(id)).collect();
    ids.extend(pods(view, key).into_iter().chain(gone).map(|pod| text(pod, "/metadata/uid").to_owned()));
    ids
}

/// What is wrong with the object's pods, or keeps them from being made; the gravest first.
pub(super) fn findings(view: &View<'_>, key: &ObjectKey) -> Vec<Finding> {
    // Before its controller has seen it as it is now, all of them are of what it was.
    if view.get(&key.kind_and_group(), &key.name).is_some_and(|object| !status::is_seen(object)) {
        return Vec::new();
    }
    let mut found: Vec<Finding> = pods(view, key).into_iter().filter_map(|pod| pod::of_pod(view, pod)).collect();
    found.extend(refused::not_made(view, key));
    found.sort_by_key(|finding| finding.after);
    found
}

/// What the last attempt of a job that failed says of why: that it was no fault of its own, or that it could not even begin. A job that took too
/// long deletes its pods itself.
pub(super) fn last_attempt(view: &View<'_>, key: &ObjectKey, took_too_long: bool) -> Option<Finding> {
    let last = attempts(view, key).pop()?;
    let is_deleted = last.pointer("/metadata/deletionTimestamp").is_some();
    let outside = if took_too_long { pod::lost(last) } else { pod::ended_from_outside(last) };
    // One that failed before it was deleted is told by its containers.
    outside.or_else(|| if is_deleted { container::of_containers(view, last) } else { pod::of_pod(view, last) })
}

/// Whether a claim waits for the first pod that uses it, and none does: then it is as wanted.
pub(super) fn waits_for_consumer(view: &View<'_>, claim: &Value) -> bool {
    let waits = view.events_of(text(claim, "/metadata/uid")).any(|event| text(event, "/reason") == "WaitForFirstConsumer");
    let name = text(claim, "/metadata/name");
    let uses = |pod: &Value| {
        let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
        volumes.into_iter().flatten().any(|volume| text(volume, "/persistentVolumeClaim/claimName") == name)
    };
    waits && !view.all("Pod").any(uses)
}
