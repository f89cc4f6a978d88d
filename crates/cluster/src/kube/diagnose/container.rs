//! What the containers of a pod say. Pure.

use std::time::Duration;

use serde_json::Value;

use super::{Finding, pod};
use crate::api::Reason;
use crate::kube::view::View;
use crate::kube::watching::text;

/// How often a container may end before it counts as a crash loop: one end may be a dependency that was not up yet.
const RESTARTS: i64 = 2;

/// How many failed probes in a row are told as a failure, and for how long they must fail after that: with the usual period of ten seconds two minutes and
/// more, and with one of a second still time to start.
const PROBES: i64 = 10;
const PROBES_AFTER: Duration = Duration::from_secs(30);

/// How long it is waited for the news of why an image could not be pulled: until after the second try, which comes ten seconds after the first.
const PULL_EXPLAINED_WITHIN: Duration = Duration::from_secs(40);

/// Both lists of a pod's container statuses, in the order in which they run.
pub(in crate::kube) fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .flat_map(|list| pod.pointer(list).and_then(Value::as_array).into_iter().flatten())
}

/// What one container is found to be.
struct Ill {
    reason: Reason,
    message: String,
    /// The container at fault is the one before the present one.
    restarted: bool,
    after: Duration,
}

/// An illness that counts at once.
fn ill(reason: Reason, message: String) -> Option<Ill> {
    Some(Ill { reason, message, restarted: false, after: Duration::ZERO })
}

/// What is wrong with the first container that something is wrong with.
pub(super) fn of_containers(view: &View<'_>, pod: &Value) -> Option<Finding> {
    statuses(pod).find_map(|status| {
        let ill = of_container(view, pod, status)?;
        let at = text(status, "/name");
        let found = pod::finding(pod, ill.reason, format!("container {at}: {}", ill.message));
        Some(Finding { container: Some(at.to_owned()), restarted: ill.restarted, after: ill.after, ..found })
    })
}

fn of_container(view: &View<'_>, pod: &Value, container: &Value) -> Option<Ill> {
    let restarts = container.pointer("/restartCount").and_then(Value::as_i64).unwrap_or_default();
    let image = text(container, "/image");
    let said = text(container, "/state/waiting/message");
    match text(container, "/state/waiting/reason") {
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "RegistryUnavailable" | "ImageInspectError" => {
            return image_missing(view, pod, container, image);
        }
        "InvalidImageName" => return ill(Reason::ImageMissing, format!("{image:?} is no image's name; correct it")),
        "CreateContainerConfigError" => {
            return ill(Reason::ConfigMissing, format!("{said}; make what is missing, or correct its name"));
        }
        "CreateContainerError" | "RunContainerError" => {
            return ill(Reason::CommandMissing, format!("it cannot be started: {said}; correct its command or what it mounts"));
        }
        _ => {}
    }
    let (now, before) = (container.pointer("/state/terminated"), container.pointer("/lastState/terminated"));
    let ready = container.pointer("/ready") == Some(&Value::Bool(true));
    let ends = [(now, false), (before.filter(|_| !ready), true)];
    for (end, restarted) in ends.into_iter().filter_map(|(end, restarted)| Some((end?, restarted))) {
        match text(end, "/reason") {
            "OOMKilled" => {
                let limit = limit(pod, text(container, "/name"));
                let message = format!("it needed more memory than its limit{limit} and was killed; give it more");
                return Some(Ill { restarted, ..ill(Reason::OutOfMemory, message)? });
            }
            "StartError" | "ContainerCannotRun" => {
                let message = format!("it cannot be started: {}; correct its command or what it mounts", text(end, "/message"));
                return Some(Ill { restarted, ..ill(Reason::CommandMissing, message)? });
            }
            _ => {}
        }
    }
    let liveness = probe(view, pod, container, "Liveness").or_else(|| probe(view, pod, container, "Startup"));
    if restarts >= RESTARTS
        && !ready
        && let Some((_, message)) = liveness
    {
        let message = format!("it was restarted {restarts} times since its probe fails: {message}");
        return Some(Ill { restarted: true, ..ill(Reason::ProbeFailing, message)? });
    }
    if text(container, "/state/waiting/reason") == "CrashLoopBackOff" && restarts >= RESTARTS {
        let exit = before.or(now).and_then(|end| end.pointer("/exitCode")).and_then(Value::as_i64);
        let exit = exit.map(|code| format!(", last with exit code {code}{}", hint(code))).unwrap_or_default();
        let message = format!("it ended {restarts} times{exit}; its log tells why");
        return Some(Ill { restarted: true, ..ill(Reason::CrashLoop, message)? });
    }
    let (count, message) = probe(view, pod, container, "Readiness").filter(|_| !ready)?;
    let failing = ill(Reason::ProbeFailing, format!("its probe failed {count} times: {message}"))?;
    (count >= PROBES).then_some(Ill { after: PROBES_AFTER, ..failing })
}

/// What an exit code often means.
pub(in crate::kube) fn hint(exit: i64) -> &'static str {
    match exit {
        126 => " (its command cannot be carried out)",
        127 => " (its command was not found)",
        137 => " (killed: a process of it may have run out of memory)",
        _ => "",
    }
}

/// An image that is not there is told at once; one that could not be had now, when the second try failed, too.
fn image_missing(view: &View<'_>, pod: &Value, container: &Value, image: &str) -> Option<Ill> {
    // While it waits for the next try, only the event says what went wrong with the last one.
    let waiting = text(container, "/state/waiting/message");
    let failed = |event: &&Value| text(event, "/reason") == "Failed" && text(event, "/message").contains("pull");
    let about_it = |event: &&Value| text(event, "/message").contains(image);
    let events: Vec<&Value> = view.events_of(text(pod, "/metadata/uid")).filter(failed).collect();
    let last = events.iter().rfind(|event| about_it(event)).or(events.last()).map_or(waiting, |event| text(event, "/message"));
    let said = if waiting.starts_with("Back-off") || waiting.is_empty() { last } else { waiting };
    let never = text(container, "/state/waiting/reason") == "ErrImageNeverPull";
    let words = ["not found", "manifest unknown", "does not exist", "unauthorized", "denied", "invalid reference", "no match for platform"];
    if never || words.iter().any(|word| said.contains(word)) {
        return ill(Reason::ImageMissing, format!("the image {image} cannot be had: {said}; push it, or let the cluster read it"));
    }
    let again = text(container, "/state/waiting/reason") == "ImagePullBackOff";
    // As long as nobody says what went wrong, it may be an image that is not there: the next try, or a late event, tells.
    let after = if said.starts_with("Back-off") { PULL_EXPLAINED_WITHIN } else { Duration::ZERO };
    let unavailable = ill(Reason::ImageUnavailable, format!("the image {image} could not be had: {said}"));
    unavailable.filter(|_| again).map(|found| Ill { after, ..found })
}

/// How often a probe of this kind failed, and what was said.
fn probe<'s>(view: &View<'s>, pod: &Value, container: &Value, kind: &str) -> Option<(i64, &'s str)> {
    let field = format!("{{{}}}", text(container, "/name"));
    let mut about = view.events_of(text(pod, "/metadata/uid")).filter(|event| {
        text(event, "/reason") == "Unhealthy"
            && text(event, "/involvedObject/fieldPath").ends_with(&field)
            && text(event, "/message").starts_with(kind)
    });
    let first = about.next()?;
    let count = |event: &Value| event.get("count").and_then(Value::as_i64).unwrap_or(1);
    Some((count(first) + about.map(count).sum::<i64>(), text(first, "/message")))
}

fn limit(pod: &Value, container: &str) -> String {
    let specs = ["/spec/containers", "/spec/initContainers"]
        .into_iter()
        .flat_map(|list| pod.pointer(list).and_then(Value::as_array).into_iter().flatten());
    let limit = specs.filter(|spec| text(spec, "/name") == container).map(|spec| text(spec, "/resources/limits/memory")).next();
    limit.filter(|limit| !limit.is_empty()).map(|limit| format!(" of {limit}")).unwrap_or_default()
}

/// A container's end that was not a good one.
pub(in crate::kube) struct BadEnd<'p> {
    pub(in crate::kube) container: &'p str,
    pub(in crate::kube) exit: i64,
    pub(in crate::kube) ended: &'p str,
    /// It is the end of the container before the present one.
    pub(in crate::kube) restarted: bool,
}

/// The container of a pod that ended badly first: the others are often ended because of it. Helpers that run beside it end last, whatever becomes of it.
pub(in crate::kube) fn bad_end(pod: &Value) -> Option<BadEnd<'_>> {
    let helper = |name: &str| {
        let specs = pod.pointer("/spec/initContainers").and_then(Value::as_array);
        specs.into_iter().flatten().any(|spec| text(spec, "/name") == name && text(spec, "/restartPolicy") == "Always")
    };
    let ends = statuses(pod).filter_map(|status| {
        let (now, before) = (status.pointer("/state/terminated"), status.pointer("/lastState/terminated"));
        let exit = |end: &Value| end.get("exitCode").and_then(Value::as_i64).filter(|exit| *exit != 0);
        let (end, exit, restarted) = match (now.and_then(|end| Some((end, exit(end)?))), before.and_then(|end| Some((end, exit(end)?)))) {
            (Some((end, exit)), _) => (end, exit, false),
            (None, Some((end, exit))) => (end, exit, true),
            (None, None) => return None,
        };
        Some(BadEnd { container: text(status, "/name"), exit, ended: text(end, "/finishedAt"), restarted })
    });
    ends.min_by_key(|end| (helper(end.container), end.ended))
}

/// Whether a container of the pod ended badly before it was to be deleted, at the time that `deleted` says: a pod's grace period ends then, and begins
/// earlier.
pub(super) fn has_failed_before(pod: &Value, deleted: &str) -> bool {
    let grace = pod.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or_default();
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
    let Some(begun) = time(deleted).map(|deleted| deleted - grace) else { return false };
    // Within the same second, only the code tells whether a signal ended it.
    let by_signal = |exit: i64| [137, 143].contains(&exit);
    bad_end(pod).is_some_and(|end| time(end.ended).is_some_and(|ended| ended < begun || (ended == begun && !by_signal(end.exit))))
}
