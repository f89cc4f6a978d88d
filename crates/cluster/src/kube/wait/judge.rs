//! What follows from what is seen. No I/O.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use towpath_domain::{Digest, FailureClass, RunId};

use crate::api::{ObjectKey, Ready, Reason};
use crate::kube::status::{Status, status};
use crate::kube::watching::{Seen, text};
use crate::kube::{diagnose, labels, running};

/// What is to be said of an object now.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Ready,
    Waits(String),
    Failed(Failure),
}

impl Verdict {
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Ready => "ready",
            Self::Waits(message) => message,
            Self::Failed(failure) => &failure.message,
        }
    }
}

/// Why an object cannot become well.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) pod: Option<String>,
    pub(super) container: Option<String>,
    pub(super) restarted: bool,
}

impl Failure {
    fn plain(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), pod: None, container: None, restarted: false }
    }
}

/// Whether it is something that runs to its end.
pub(super) fn is_job(key: &ObjectKey) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        ("batch", "Job") | ("cloud.redhat.com", "ClowdJobInvocation") | ("tekton.dev", "PipelineRun")
    )
}

/// Whose fault it is, and how it is told. A test that never ran says nothing of what it was to test.
pub(super) fn classed(key: &ObjectKey, failure: &Failure) -> (FailureClass, String) {
    let never_ran = matches!(
        failure.reason,
        Reason::ImageMissing
            | Reason::ImageUnavailable
            | Reason::Unschedulable
            | Reason::QuotaExceeded
            | Reason::PodRejected
            | Reason::PodLost
            | Reason::ConfigMissing
            | Reason::Interrupted
            | Reason::Unreachable
    );
    if is_job(key) && never_ran {
        return (FailureClass::Environment, format!("inconclusive: {}", failure.message));
    }
    (failure.reason.class(), failure.message.clone())
}

/// The failure that is told when there are several: one with a pod says more.
pub(super) fn gravest(verdicts: &[(ObjectKey, Verdict)]) -> Option<(&ObjectKey, Failure)> {
    let failed = verdicts.iter().filter_map(|(key, verdict)| match verdict {
        Verdict::Failed(failure) => Some((key, failure.clone())),
        Verdict::Ready | Verdict::Waits(_) => None,
    });
    failed.max_by_key(|(_, failure)| failure.pod.is_some())
}

/// Looks at what is waited for.
pub(super) struct Judge {
    keys: Vec<ObjectKey>,
    run: RunId,
    /// Since when something is wrong that a cluster may yet mend.
    since: BTreeMap<(ObjectKey, String), Instant>,
    /// What an object was applied as when it was first seen.
    applied: BTreeMap<ObjectKey, String>,
    /// Since when an object is ready that no probe vouches for.
    ready_since: BTreeMap<ObjectKey, Instant>,
}

/// How long a workload without readiness probes must stay ready: longer than a node takes to say that a container ended.
const STAYS_FOR: Duration = Duration::from_secs(2);

/// Whether every container says itself when it is ready.
fn is_probed(pod: &Value) -> bool {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    containers.is_some_and(|containers| containers.iter().all(|container| container.get("readinessProbe").is_some()))
}

/// Whether every container runs now.
fn is_running(pod: &Value) -> bool {
    let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    containers.is_some_and(|containers| containers.iter().all(|container| container.pointer("/state/running").is_some()))
}

impl Judge {
    pub(super) fn new(keys: Vec<ObjectKey>, run: &RunId) -> Self {
        Self { keys, run: run.clone(), since: BTreeMap::new(), applied: BTreeMap::new(), ready_since: BTreeMap::new() }
    }

    pub(super) fn keys(&self) -> &[ObjectKey] {
        &self.keys
    }

    /// A verdict for each object.
    pub(super) fn look(&mut self, seen: &Seen) -> Vec<(ObjectKey, Verdict)> {
        let keys = self.keys.clone();
        keys.into_iter()
            .map(|key| {
                let verdict = self.verdict(seen, &key);
                (key, verdict)
            })
            .collect()
    }

    fn verdict(&mut self, seen: &Seen, key: &ObjectKey) -> Verdict {
        let Some(object) = seen.get(&key.kind_and_group(), &key.name) else {
            return Verdict::Failed(Failure::plain(
                Reason::Superseded,
                format!("is no longer there: somebody deleted it since run {} applied it; deploy again", self.run),
            ));
        };
        if let Some(failure) = self.superseded(key, object) {
            return Verdict::Failed(failure);
        }
        let status = status(object);
        if status != Status::Current {
            self.ready_since.remove(key);
        }
        match status {
            Status::Current => self.stays(seen, key),
            Status::Failed { reason, message } => Verdict::Failed(self.with_cause(seen, key, reason, message)),
            Status::InProgress(message) => match self.cause(seen, key) {
                Some(failure) => Verdict::Failed(failure),
                None => Verdict::Waits(message),
            },
        }
    }

    /// Whether what is ready stays so. Where no probe says that a container is ready, it is as soon as it has started, also one that ends right
    /// after: for a moment it is watched.
    fn stays(&mut self, seen: &Seen, key: &ObjectKey) -> Verdict {
        let pods = diagnose::pods(seen, key);
        if is_job(key) || pods.is_empty() || pods.iter().all(|pod| is_probed(pod)) {
            return Verdict::Ready;
        }
        let unsteady = pods.iter().any(|pod| !is_running(pod));
        let since = *self.ready_since.entry(key.clone()).or_insert_with(Instant::now);
        if unsteady {
            self.ready_since.remove(key);
            return match self.cause(seen, key) {
                Some(failure) => Verdict::Failed(failure),
                None => Verdict::Waits("its pods do not stay up".to_owned()),
            };
        }
        if since.elapsed() < STAYS_FOR {
            Verdict::Waits("ready; it is watched for a moment whether it stays so".to_owned())
        } else {
            Verdict::Ready
        }
    }

    /// Whether another run has applied something else since.
    fn superseded(&mut self, key: &ObjectKey, object: &Value) -> Option<Failure> {
        let (hash, run) = (labels::annotation(object, labels::APPLIED), labels::annotation(object, labels::RUN));
        let first = self.applied.entry(key.clone()).or_insert_with(|| hash.to_owned());
        let other = (is_job(key) && !run.is_empty() && run != self.run.as_str()) || (first != hash && run != self.run.as_str());
        other.then(|| Failure::plain(Reason::Superseded, format!("was applied by run {run} since; look at that run")))
    }

    /// What is wrong with the object's pods and has lasted long enough.
    fn cause(&mut self, seen: &Seen, key: &ObjectKey) -> Option<Failure> {
        let found = diagnose::findings(seen, key);
        let here: Vec<String> = found.iter().map(|finding| finding.message.clone()).collect();
        self.since.retain(|(of, message), _| of != key || here.contains(message));
        found.into_iter().find_map(|finding| {
            let since = *self.since.entry((key.clone(), finding.message.clone())).or_insert_with(Instant::now);
            // A job tries again by itself, as often as it is allowed to: its own end tells.
            let own_retry = is_job(key) && matches!(finding.reason, Reason::OutOfMemory | Reason::CrashLoop | Reason::PodLost);
            (since.elapsed() >= finding.after && !own_retry).then(|| of_finding(finding))
        })
    }

    /// A failure that the object tells itself, with what its pods know about it.
    fn with_cause(&self, seen: &Seen, key: &ObjectKey, reason: Reason, message: String) -> Failure {
        let told = diagnose::findings(seen, key).into_iter().next().filter(|finding| finding.after == Duration::ZERO);
        let graver =
            |reason: &Reason| matches!(reason, Reason::OutOfMemory | Reason::PodLost | Reason::ImageMissing | Reason::ImageUnavailable);
        match told {
            Some(finding) if !is_job(key) || graver(&finding.reason) => {
                let message = format!("{message}; {}", finding.message);
                Failure { message, ..of_finding(finding) }
            }
            _ if matches!(reason, Reason::JobFailed { .. }) => job_failure(seen, key, message),
            _ => Failure::plain(reason, message),
        }
    }

    /// The likeliest cause of an object's not being ready in time.
    pub(super) fn likeliest(&self, seen: &Seen, key: &ObjectKey) -> Failure {
        match diagnose::findings(seen, key).into_iter().next() {
            Some(finding) => of_finding(finding),
            None => {
                let pod = diagnose::pods(seen, key).first().map(|pod| text(pod, "/metadata/name").to_owned());
                Failure { pod, ..Failure::plain(Reason::DeadlineExceeded, "") }
            }
        }
    }

    /// What runs, now that all is well.
    pub(super) fn ready(&self, seen: &Seen) -> Ready {
        let mut ready = Ready::default();
        for key in &self.keys {
            for pod in diagnose::pods(seen, key) {
                for (image, digest) in digests(pod) {
                    if let Some(other) = ready.digests.insert(image.clone(), digest)
                        && other != digest
                    {
                        ready.notes.push(format!("{}: {image} runs as {other} and as {digest}", key.title()));
                    }
                }
            }
        }
        ready
    }
}

fn of_finding(finding: diagnose::Finding) -> Failure {
    Failure {
        reason: finding.reason,
        message: finding.message,
        pod: Some(finding.pod).filter(|pod| !pod.is_empty()),
        container: finding.container,
        restarted: finding.restarted,
    }
}

/// A job's failure with the exit code of the attempt that failed last.
fn job_failure(seen: &Seen, key: &ObjectKey, message: String) -> Failure {
    let pods = diagnose::pods(seen, key);
    let last = pods.into_iter().filter_map(bad_end).max_by(|a, b| a.ended.cmp(&b.ended));
    match last {
        Some(end) => Failure {
            reason: Reason::JobFailed { exit: i32::try_from(end.exit).ok() },
            message: format!("{message}; pod {}, container {}, ended with exit code {}", end.pod, end.container, end.exit),
            pod: Some(end.pod),
            container: Some(end.container),
            restarted: false,
        },
        None => Failure::plain(Reason::JobFailed { exit: None }, message),
    }
}

struct BadEnd {
    pod: String,
    container: String,
    exit: i64,
    ended: String,
}

fn bad_end(pod: &Value) -> Option<BadEnd> {
    ["initContainerStatuses", "containerStatuses"].into_iter().find_map(|list| {
        let containers = pod.pointer(&format!("/status/{list}")).and_then(Value::as_array);
        containers.into_iter().flatten().find_map(|container| {
            let end = container.pointer("/state/terminated").or_else(|| container.pointer("/lastState/terminated"))?;
            let exit = end.get("exitCode").and_then(Value::as_i64).filter(|exit| *exit != 0)?;
            Some(BadEnd {
                pod: text(pod, "/metadata/name").to_owned(),
                container: text(container, "/name").to_owned(),
                exit,
                ended: text(end, "/finishedAt").to_owned(),
            })
        })
    })
}

/// What a pod's containers run, by how the pod names it.
fn digests(pod: &Value) -> Vec<(String, Digest)> {
    let mut found = Vec::new();
    for list in ["initContainerStatuses", "containerStatuses"] {
        let containers = pod.pointer(&format!("/status/{list}")).and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            if let Some(digest) = running::digest(text(container, "/imageID")) {
                found.push((running::image_of(pod, text(container, "/name")).to_owned(), digest));
            }
        }
    }
    found
}
