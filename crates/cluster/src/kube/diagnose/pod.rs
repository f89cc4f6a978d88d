//! What a pod says of itself. Pure.

use std::time::Duration;

use serde_json::Value;

use super::{Finding, WHEN_TIME_IS_UP, container};
use crate::api::Reason;
use crate::kube::events;
use crate::kube::view::View;
use crate::kube::watching::text;

/// How long a pod may find no node: autoscalers need their time.
const UNSCHEDULABLE_AFTER: Duration = Duration::from_secs(60);

/// How long a volume may be missing that names what is not there: it may be made at the same time.
const VOLUME_MISSING_AFTER: Duration = Duration::from_secs(15);

/// How long a node may try to mount a volume, or to give a pod its network.
const NOT_SET_UP_AFTER: Duration = Duration::from_secs(120);

/// How much longer than it is allowed to a pod may take to end: then its node is lost.
const ENDS_FOR_EVER_AFTER: Duration = Duration::from_secs(90);

/// Why pods fail that did nothing wrong: nodes and schedulers say so in `status.reason`.
const LOST: [&str; 14] = [
    "Evicted",
    "NodeLost",
    "NodeShutdown",
    "NodeAffinity",
    "NodePorts",
    "Shutdown",
    "Terminated",
    "Preempting",
    "Preempted",
    "TaintToleration",
    "TopologyAffinityError",
    "UnexpectedAdmissionError",
    "UnexpectedPodAdmissionError",
    "VolumeAttachmentLimitExceeded",
];

/// What is wrong with a pod; none when nothing is, or nothing yet.
pub(super) fn of_pod(view: &View<'_>, pod: &Value) -> Option<Finding> {
    if let Some(lost) = lost(pod) {
        return Some(lost);
    }
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        let grace = pod.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(30);
        let message = "it is to go and does not; its node may be lost, or a finalizer holds it".to_owned();
        let after = ENDS_FOR_EVER_AFTER + Duration::from_secs(grace);
        return Some(Finding { after, ..finding(pod, Reason::PodLost, message) });
    }
    container::of_containers(view, pod).or_else(|| unscheduled(pod)).or_else(|| not_set_up(view, pod))
}

/// A pod that was rejected by its node, evicted or lost. For those who make another in its place it is over; for a job it was an attempt.
pub(super) fn lost(pod: &Value) -> Option<Finding> {
    let (reason, said) = (text(pod, "/status/reason"), text(pod, "/status/message"));
    let by_status = LOST.contains(&reason) || reason.starts_with("OutOf");
    let failed = text(pod, "/status/phase") == "Failed";
    let target = condition(pod, "DisruptionTarget").filter(|condition| text(condition, "/status") == "True");
    let (why, said) = match target {
        Some(target) if failed => (text(target, "/reason"), text(target, "/message")),
        _ if by_status && (failed || reason == "NodeLost") => (reason, said),
        _ => return None,
    };
    let message = format!("{why}: {said}; it was no fault of its own, and is tried again");
    Some(Finding { after: WHEN_TIME_IS_UP, ..finding(pod, Reason::PodLost, message) })
}

/// Whether a pod of a job that failed was ended from outside: evicted, lost with its node, or deleted before it came to an end of its own.
pub(super) fn ended_from_outside(pod: &Value) -> Option<Finding> {
    if let Some(lost) = lost(pod) {
        return Some(lost);
    }
    let deleted = text(pod, "/metadata/deletionTimestamp");
    if deleted.is_empty() || container::has_failed_before(pod, deleted) {
        return None;
    }
    let message = "it was deleted before it came to an end, by somebody, or with its node; it was no fault of its own".to_owned();
    Some(finding(pod, Reason::PodLost, message))
}

/// A pod for which there is no node.
fn unscheduled(pod: &Value) -> Option<Finding> {
    let scheduled = condition(pod, "PodScheduled").filter(|condition| text(condition, "/status") == "False")?;
    if text(scheduled, "/reason") != "Unschedulable" {
        return None;
    }
    let message = format!("no node takes it: {}; give the cluster more room, or ask for less", text(scheduled, "/message"));
    Some(Finding { after: UNSCHEDULABLE_AFTER, ..finding(pod, Reason::Unschedulable, message) })
}

/// A pod that has a node, which cannot give it its volumes or its network.
fn not_set_up(view: &View<'_>, pod: &Value) -> Option<Finding> {
    let statuses = |list: &str| pod.pointer(&format!("/status/{list}")).and_then(Value::as_array).into_iter().flatten();
    let waits = |status: &Value| ["ContainerCreating", "PodInitializing"].contains(&text(status, "/state/waiting/reason"));
    let begun = statuses("initContainerStatuses").chain(statuses("containerStatuses")).any(|status| !waits(status));
    if text(pod, "/status/phase") != "Pending" || begun {
        return None;
    }
    let reasons = ["FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"];
    let told = view.events_of(text(pod, "/metadata/uid")).filter(|event| reasons.contains(&text(event, "/reason")));
    let told: Vec<&Value> = told.collect();
    // What names the missing says more than that it took too long.
    let named = told.iter().find(|event| text(event, "/message").ends_with("not found"));
    let event = named.or_else(|| told.iter().max_by_key(|event| events::at(event)))?;
    let said = text(event, "/message");
    Some(if named.is_some() {
        let message = format!("{said}; make what is missing, or correct its name");
        Finding { after: VOLUME_MISSING_AFTER, ..finding(pod, Reason::ConfigMissing, message) }
    } else {
        Finding { after: NOT_SET_UP_AFTER, ..finding(pod, Reason::Host, format!("its node cannot set it up: {said}")) }
    })
}

fn condition<'p>(pod: &'p Value, kind: &str) -> Option<&'p Value> {
    pod.pointer("/status/conditions")?.as_array()?.iter().find(|condition| text(condition, "/type") == kind)
}

/// A finding that counts at once.
pub(super) fn finding(pod: &Value, reason: Reason, message: String) -> Finding {
    let name = text(pod, "/metadata/name");
    Finding {
        reason,
        message: format!("pod {name}: {message}"),
        pod: name.to_owned(),
        container: None,
        restarted: false,
        after: Duration::ZERO,
    }
}
