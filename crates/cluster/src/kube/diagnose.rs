//! What pods say of the object that wants them. Pure, but for the time that something has lasted, which is handed in.

use std::time::Duration;

use serde_json::Value;

use super::status;
use super::watching::{Seen, text};
use crate::api::{ObjectKey, Reason};

/// How often a container may end before it counts as a crash loop: one end may be a dependency that was not up yet.
const RESTARTS: i64 = 2;

/// How many failed probes in a row are told as a failure: with the usual period of ten seconds, a hundred seconds.
const PROBES: i64 = 10;

/// What is wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) reason: Reason,
    /// What, where, and what to do next.
    pub(super) message: String,
    pub(super) pod: String,
    /// The container at fault.
    pub(super) container: Option<String>,
    /// Its last words are those of the container before the present one.
    pub(super) restarted: bool,
    /// How long it must have lasted before it counts: a cluster that grows needs its time.
    pub(super) after: Duration,
}

/// How long a pod may find no node: autoscalers need their time.
pub(super) const UNSCHEDULABLE_AFTER: Duration = Duration::from_secs(60);

/// The pods that an object wants, at its present revision.
pub(super) fn pods<'s>(seen: &'s Seen, key: &ObjectKey) -> Vec<&'s Value> {
    let Some(object) = seen.get(&key.kind_and_group(), &key.name) else { return Vec::new() };
    match (key.group.as_str(), key.kind.as_str()) {
        ("apps", "Deployment") => of_deployment(seen, object),
        ("apps", "StatefulSet") => {
            let revision = text(object, "/status/updateRevision");
            let of = seen.owned_by("Pod", text(object, "/metadata/uid"));
            of.filter(|pod| revision.is_empty() || text(pod, "/metadata/labels/controller-revision-hash") == revision).collect()
        }
        ("cloud.redhat.com", "ClowdApp") => {
            let uid = text(object, "/metadata/uid");
            seen.owned_by("Deployment.apps", uid).flat_map(|deployment| of_deployment(seen, deployment)).collect()
        }
        ("cloud.redhat.com", "ClowdJobInvocation") => {
            let uid = text(object, "/metadata/uid");
            let named = |job: &&Value| text(job, "/metadata/labels/clowdjob") == key.name || super::watching::is_owned_by(job, uid);
            let jobs = seen.all("Job.batch").filter(named);
            jobs.flat_map(|job| seen.owned_by("Pod", text(job, "/metadata/uid"))).collect()
        }
        ("tekton.dev", "PipelineRun") => {
            let name = text(object, "/metadata/name");
            seen.all("Pod").filter(|pod| text(pod, "/metadata/labels/tekton.dev~1pipelineRun") == name).collect()
        }
        _ => seen.owned_by("Pod", text(object, "/metadata/uid")).collect(),
    }
}

/// The pods of a deployment's newest revision.
fn of_deployment<'s>(seen: &'s Seen, deployment: &Value) -> Vec<&'s Value> {
    let set = newest_set(seen, deployment);
    set.into_iter().flat_map(|set| seen.owned_by("Pod", text(set, "/metadata/uid"))).collect()
}

/// The replica set of a deployment's newest revision; none before its controller has seen the present generation.
fn newest_set<'s>(seen: &'s Seen, deployment: &Value) -> Option<&'s Value> {
    const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";
    let generation = |pointer| deployment.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    if generation("/status/observedGeneration") < generation("/metadata/generation") {
        return None;
    }
    let revision = text(deployment, REVISION);
    // Collected first: the id borrows from the deployment, not from what is seen.
    let sets: Vec<&Value> =
        seen.all("ReplicaSet.apps").filter(|set| super::watching::is_owned_by(set, text(deployment, "/metadata/uid"))).collect();
    sets.into_iter().find(|set| text(set, REVISION) == revision)
}

/// Ids of the object and of all that stands between it and its pods: events speak of them.
pub(super) fn ids(seen: &Seen, key: &ObjectKey) -> Vec<String> {
    let Some(object) = seen.get(&key.kind_and_group(), &key.name) else { return Vec::new() };
    let mut ids = vec![text(object, "/metadata/uid").to_owned()];
    let between = ["Deployment.apps", "ReplicaSet.apps", "Job.batch"];
    for kind in between {
        let more: Vec<String> = seen
            .all(kind)
            .filter(|object| ids.iter().any(|id| super::watching::is_owned_by(object, id)))
            .map(|object| text(object, "/metadata/uid").to_owned())
            .collect();
        ids.extend(more);
    }
    ids.extend(pods(seen, key).iter().map(|pod| text(pod, "/metadata/uid").to_owned()));
    ids
}

/// What is wrong with the object's pods, or keeps them from being made; the gravest first.
pub(super) fn findings(seen: &Seen, key: &ObjectKey) -> Vec<Finding> {
    if seen.get(&key.kind_and_group(), &key.name).is_some_and(|object| !status::is_seen(object)) {
        return Vec::new();
    }
    let mut found: Vec<Finding> = pods(seen, key).into_iter().filter_map(|pod| of_pod(seen, pod)).collect();
    found.extend(not_made(seen, key));
    found.sort_by_key(|finding| finding.after);
    found
}

/// Pods that the API server refuses. Deployments say it themselves; of jobs only events tell.
fn not_made(seen: &Seen, key: &ObjectKey) -> Option<Finding> {
    let ids = ids(seen, key);
    let has_pods = !pods(seen, key).is_empty();
    let refused = seen.all("Event").find(|event| {
        text(event, "/reason") == "FailedCreate" && ids.iter().any(|id| id == text(event, "/involvedObject/uid")) && !has_pods
    })?;
    let message = text(refused, "/message");
    let (reason, mend) = if message.contains("exceeded quota") {
        (Reason::QuotaExceeded, "make room in the namespace, or have its quota raised")
    } else {
        (Reason::PodRejected, "correct what the cluster refuses")
    };
    let message = format!("its pods cannot be made: {message}; {mend}");
    Some(Finding { reason, message, pod: String::new(), container: None, restarted: false, after: Duration::ZERO })
}

fn of_pod(seen: &Seen, pod: &Value) -> Option<Finding> {
    let name = text(pod, "/metadata/name");
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return None;
    }
    let finding = |reason: Reason, message: String| Finding {
        reason,
        message: format!("pod {name}: {message}"),
        pod: name.to_owned(),
        container: None,
        restarted: false,
        after: Duration::ZERO,
    };
    let reason = text(pod, "/status/reason");
    if text(pod, "/status/phase") == "Failed"
        && ["Evicted", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting", "UnexpectedAdmissionError", "NodeAffinity"]
            .contains(&reason)
    {
        let message = format!("{reason}: {}; it was no fault of its own, and is tried again", text(pod, "/status/message"));
        return Some(finding(Reason::PodLost, message));
    }
    for list in ["initContainerStatuses", "containerStatuses"] {
        let containers = pod.pointer(&format!("/status/{list}")).and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            if let Some((reason, message, restarted)) = of_container(seen, pod, container) {
                let at = text(container, "/name");
                let message = format!("container {at}: {message}");
                return Some(Finding { container: Some(at.to_owned()), restarted, ..finding(reason, message) });
            }
        }
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let scheduled = conditions.into_iter().flatten().find(|condition| text(condition, "/type") == "PodScheduled");
    let homeless = scheduled.filter(|condition| text(condition, "/status") == "False" && text(condition, "/reason") == "Unschedulable")?;
    let message = format!("no node takes it: {}; give the cluster more room, or ask for less", text(homeless, "/message"));
    Some(Finding { after: UNSCHEDULABLE_AFTER, ..finding(Reason::Unschedulable, message) })
}

/// Reason, message, and whether the container that is at fault is the one before the present one.
fn of_container(seen: &Seen, pod: &Value, container: &Value) -> Option<(Reason, String, bool)> {
    let number = |pointer| container.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let restarts = number("/restartCount");
    let image = text(container, "/image");
    let said = text(container, "/state/waiting/message");
    match text(container, "/state/waiting/reason") {
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            return image_missing(seen, pod, container, image);
        }
        "InvalidImageName" => return Some((Reason::ImageMissing, format!("{image:?} is no image's name; correct it"), false)),
        "CreateContainerConfigError" => {
            return Some((Reason::ConfigMissing, format!("{said}; make what is missing, or correct its name"), false));
        }
        "CreateContainerError" | "RunContainerError" => {
            return Some((Reason::CommandMissing, format!("it cannot be started: {said}; correct its command or what it mounts"), false));
        }
        _ => {}
    }
    let (now, before) = (container.pointer("/state/terminated"), container.pointer("/lastState/terminated"));
    let ready = container.pointer("/ready") == Some(&Value::Bool(true));
    for (end, restarted) in [(now, false), (before.filter(|_| !ready), true)] {
        if end.is_some_and(|end| text(end, "/reason") == "OOMKilled") {
            let limit = limit(pod, text(container, "/name"));
            return Some((
                Reason::OutOfMemory,
                format!("it needed more memory than its limit{limit} and was killed; give it more"),
                restarted,
            ));
        }
    }
    let liveness = probe(seen, pod, container, "Liveness").or_else(|| probe(seen, pod, container, "Startup"));
    if restarts >= RESTARTS
        && let Some((_, message)) = liveness
    {
        return Some((Reason::ProbeFailing, format!("it was restarted {restarts} times since its probe fails: {message}"), true));
    }
    let exit = before.or(now).and_then(|end| end.pointer("/exitCode")).and_then(Value::as_i64);
    if text(container, "/state/waiting/reason") == "CrashLoopBackOff" && restarts >= RESTARTS {
        let exit = exit.map(|code| format!(", last with exit code {code}")).unwrap_or_default();
        return Some((Reason::CrashLoop, format!("it ended {restarts} times{exit}; its log tells why"), true));
    }
    let (count, message) = probe(seen, pod, container, "Readiness").filter(|_| !ready)?;
    (count >= PROBES).then(|| (Reason::ProbeFailing, format!("its probe failed {count} times: {message}"), false))
}

/// An image that is not there is told at once; one that could not be had now, when the second try failed, too.
fn image_missing(seen: &Seen, pod: &Value, container: &Value, image: &str) -> Option<(Reason, String, bool)> {
    // While it waits for the next try, only the event says what went wrong with the last one.
    let waiting = text(container, "/state/waiting/message");
    let uid = text(pod, "/metadata/uid");
    let failed = |event: &&Value| {
        text(event, "/reason") == "Failed" && text(event, "/involvedObject/uid") == uid && text(event, "/message").contains("pull")
    };
    let events: Vec<&str> = seen.all("Event").filter(failed).map(|event| text(event, "/message")).collect();
    let said = if waiting.starts_with("Back-off") || waiting.is_empty() { events.last().copied().unwrap_or(waiting) } else { waiting };
    let words = ["not found", "manifest unknown", "does not exist", "unauthorized", "denied", "invalid reference", "no match for platform"];
    if words.iter().any(|word| said.contains(word)) || text(container, "/state/waiting/reason") == "ErrImageNeverPull" {
        return Some((
            Reason::ImageMissing,
            format!("the image {image} cannot be had: {said}; push it, or let the cluster read it"),
            false,
        ));
    }
    let again = text(container, "/state/waiting/reason") == "ImagePullBackOff";
    again.then(|| (Reason::ImageUnavailable, format!("the image {image} could not be had: {said}"), false))
}

/// How often a probe of this kind failed, and what was said.
fn probe<'s>(seen: &'s Seen, pod: &Value, container: &Value, kind: &str) -> Option<(i64, &'s str)> {
    let (uid, field) = (text(pod, "/metadata/uid"), format!("{{{}}}", text(container, "/name")));
    let mut about = seen.all("Event").filter(|event| {
        text(event, "/reason") == "Unhealthy"
            && text(event, "/involvedObject/uid") == uid
            && text(event, "/involvedObject/fieldPath").ends_with(&field)
            && text(event, "/message").starts_with(kind)
    });
    let first = about.next()?;
    let count = |event: &Value| event.get("count").and_then(Value::as_i64).unwrap_or(1);
    Some((count(first) + about.map(count).sum::<i64>(), text(first, "/message")))
}

fn limit(pod: &Value, container: &str) -> String {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let spec = containers.into_iter().flatten().find(|spec| text(spec, "/name") == container);
    spec.map(|spec| text(spec, "/resources/limits/memory"))
        .filter(|limit| !limit.is_empty())
        .map(|limit| format!(" of {limit}"))
        .unwrap_or_default()
}
