//! What follows from what is seen. No I/O.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use towpath_domain::{Digest, FailureClass, RunId};

use crate::api::{ObjectKey, Ready, Reason};
use crate::kube::diagnose::{self, Finding, container, refused};
use crate::kube::status::{Status, status};
use crate::kube::view::View;
use crate::kube::watching::text;
use crate::kube::{labels, running};

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
    /// It is a test that did not even begin.
    pub(super) never_ran: bool,
}

impl Failure {
    fn plain(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), pod: None, container: None, restarted: false, never_ran: false }
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
    let never_ran = failure.never_ran
        || matches!(
            failure.reason,
            Reason::ImageMissing
                | Reason::ImageUnavailable
                | Reason::Unschedulable
                | Reason::QuotaExceeded
                | Reason::PodRejected
                | Reason::PodLost
                | Reason::ConfigMissing
                | Reason::CommandMissing
                | Reason::Host
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

/// What makes a trouble the same as before: what it is, where, and how far the rest has come meanwhile. Messages tell changing numbers and names.
type Trouble = (String, String, Option<String>, String);

fn trouble(finding: &Finding, object: Option<&Value>) -> Trouble {
    let counts = ["updatedReplicas", "readyReplicas", "availableReplicas", "numberReady"].map(|field| {
        let count = object.and_then(|object| object.pointer(&format!("/status/{field}"))).and_then(Value::as_i64);
        count.unwrap_or_default().to_string()
    });
    // A pod's trouble is its own, however the others do.
    let progress = if finding.pod.is_empty() { counts.join("/") } else { String::new() };
    (format!("{:?}", finding.reason), finding.pod.clone(), finding.container.clone(), progress)
}

/// Looks at what is waited for.
pub(super) struct Judge {
    keys: Vec<ObjectKey>,
    run: RunId,
    /// Since when something is wrong that a cluster may yet mend.
    since: BTreeMap<(ObjectKey, Trouble), Instant>,
    /// What an object was applied as when it was first seen.
    applied: BTreeMap<ObjectKey, String>,
    /// Since when an object is ready that no probe vouches for.
    ready_since: BTreeMap<ObjectKey, Instant>,
    /// Since when a job has failed of which nothing is seen that tells why.
    unexplained: BTreeMap<ObjectKey, Instant>,
}

/// How long it is waited for the news that tells why a job failed.
const EXPLAINED_WITHIN: Duration = Duration::from_secs(5);

/// How long a workload without readiness probes must stay ready: longer than a node takes to say that a container ended, which a busy one took more than
/// two seconds for.
const STAYS_FOR: Duration = Duration::from_secs(4);

/// Whether every container says itself when it is ready.
fn is_probed(pod: &Value) -> bool {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    containers.is_some_and(|containers| containers.iter().all(|container| container.get("readinessProbe").is_some()))
}

/// Whether a group is one that an operator brings: those of Kubernetes itself are of no domain, or of its own.
fn is_of_an_operator(group: &str) -> bool {
    group.contains('.') && !group.ends_with(".k8s.io")
}

/// Whether every container runs now.
fn is_running(pod: &Value) -> bool {
    let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    containers.is_some_and(|containers| containers.iter().all(|container| container.pointer("/state/running").is_some()))
}

impl Judge {
    pub(super) fn new(keys: Vec<ObjectKey>, run: &RunId) -> Self {
        Self {
            keys,
            run: run.clone(),
            since: BTreeMap::new(),
            applied: BTreeMap::new(),
            ready_since: BTreeMap::new(),
            unexplained: BTreeMap::new(),
        }
    }

    pub(super) fn keys(&self) -> &[ObjectKey] {
        &self.keys
    }

    /// A verdict for each object.
    pub(super) fn look(&mut self, view: &View<'_>) -> Vec<(ObjectKey, Verdict)> {
        let keys = self.keys.clone();
        keys.into_iter()
            .map(|key| {
                let verdict = self.verdict(view, &key);
                (key, verdict)
            })
            .collect()
    }

    fn verdict(&mut self, view: &View<'_>, key: &ObjectKey) -> Verdict {
        let Some(object) = view.get(&key.kind_and_group(), &key.name) else {
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
            Status::Current => self.stays(view, key, object),
            Status::Failed { reason, message } => self.failed(view, key, object, reason, message),
            Status::InProgress(_) if key.kind == "PersistentVolumeClaim" && diagnose::waits_for_consumer(view, object) => Verdict::Ready,
            Status::InProgress(message) => match self.cause(view, key) {
                Some(failure) => Verdict::Failed(failure),
                None => Verdict::Waits(message),
            },
        }
    }

    /// What the object says itself that has failed: not all of it is final.
    fn failed(&mut self, view: &View<'_>, key: &ObjectKey, object: &Value, reason: Reason, message: String) -> Verdict {
        if matches!(reason, Reason::QuotaExceeded | Reason::PodRejected) {
            // Its pods were refused: whether that is for good depends on what there is already.
            let has_others = object.pointer("/status/replicas").and_then(Value::as_i64).unwrap_or_default() > 0;
            let (reason, mend, after) = refused::why(&message, has_others);
            let message = format!("{message}; {mend}");
            let finding = Finding { reason, message: message.clone(), pod: String::new(), container: None, restarted: false, after };
            return if self.has_lasted(key, &finding, Some(object)) {
                Verdict::Failed(of_finding(finding))
            } else {
                Verdict::Waits(message)
            };
        }
        let failure = self.with_cause(view, key, reason, message);
        // The news of a job's end may come before the news of its pod's.
        let is_unexplained = failure.reason == (Reason::JobFailed { exit: None }) && failure.pod.is_none();
        if is_unexplained {
            let since = *self.unexplained.entry(key.clone()).or_insert_with(Instant::now);
            if since.elapsed() < EXPLAINED_WITHIN {
                return Verdict::Waits(format!("{}; it is looked why", failure.message));
            }
        }
        Verdict::Failed(failure)
    }

    /// Whether what is ready stays so. Where no probe says that a container is ready, it is as soon as it has started, also one that ends right
    /// after: for a moment it is watched.
    fn stays(&mut self, view: &View<'_>, key: &ObjectKey, object: &Value) -> Verdict {
        let pods = diagnose::pods(view, key);
        let is_silent = pods.is_empty() && object.get("status").is_none() && is_of_an_operator(&key.group);
        if !is_silent && (is_job(key) || pods.is_empty() || pods.iter().all(|pod| is_probed(pod))) {
            return Verdict::Ready;
        }
        let unsteady = pods.iter().any(|pod| !is_running(pod));
        let since = *self.ready_since.entry(key.clone()).or_insert_with(Instant::now);
        if unsteady {
            self.ready_since.remove(key);
            return match self.cause(view, key) {
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
    fn cause(&mut self, view: &View<'_>, key: &ObjectKey) -> Option<Failure> {
        let found = diagnose::findings(view, key);
        let object = view.get(&key.kind_and_group(), &key.name);
        let here: Vec<Trouble> = found.iter().map(|finding| trouble(finding, object)).collect();
        self.since.retain(|(of, trouble), _| of != key || here.contains(trouble));
        found.into_iter().find_map(|finding| {
            // A job tries again by itself, as often as it is allowed to: its own end tells.
            let own_retry =
                is_job(key) && matches!(finding.reason, Reason::OutOfMemory | Reason::CrashLoop | Reason::PodLost | Reason::ProbeFailing);
            let own_end = own_retry || (is_job(key) && finding.reason == Reason::CommandMissing && finding.restarted);
            (self.has_lasted(key, &finding, object) && !own_end).then(|| of_finding(finding))
        })
    }

    /// Whether something has been wrong for as long as it must be to count.
    fn has_lasted(&mut self, key: &ObjectKey, finding: &Finding, object: Option<&Value>) -> bool {
        let since = *self.since.entry((key.clone(), trouble(finding, object))).or_insert_with(Instant::now);
        since.elapsed() >= finding.after
    }

    /// A failure that the object tells itself, with what its pods know about it.
    fn with_cause(&self, view: &View<'_>, key: &ObjectKey, reason: Reason, message: String) -> Failure {
        if is_job(key) {
            // What became of the last attempt is what became of the job.
            let graver = |reason: &Reason| !matches!(reason, Reason::CrashLoop | Reason::ProbeFailing | Reason::JobFailed { .. });
            let took_too_long = reason == Reason::DeadlineExceeded;
            return match diagnose::last_attempt(view, key, took_too_long).filter(|finding| graver(&finding.reason)) {
                Some(finding) => Failure { message: format!("{message}; {}", finding.message), ..of_finding(finding) },
                None if matches!(reason, Reason::JobFailed { .. }) => job_failure(view, key, message),
                None => {
                    let last = diagnose::attempts(view, key).pop().map(|pod| text(pod, "/metadata/name").to_owned());
                    let never_ran = took_too_long && never_began(view, key);
                    Failure { pod: last, never_ran, ..Failure::plain(reason, message) }
                }
            };
        }
        match diagnose::findings(view, key).into_iter().next() {
            Some(finding) => Failure { message: format!("{message}; {}", finding.message), ..of_finding(finding) },
            None => Failure::plain(reason, message),
        }
    }

    /// The likeliest cause of an object's not being ready in time.
    pub(super) fn likeliest(&self, view: &View<'_>, key: &ObjectKey) -> Failure {
        match diagnose::findings(view, key).into_iter().next() {
            Some(finding) => of_finding(finding),
            None => {
                let pods = diagnose::pods(view, key);
                let pod = pods.first().map(|pod| text(pod, "/metadata/name").to_owned());
                let never_ran = is_job(key) && never_began(view, key);
                Failure { pod, never_ran, ..Failure::plain(Reason::DeadlineExceeded, "") }
            }
        }
    }

    /// What runs, now that all is well.
    pub(super) fn ready(&self, view: &View<'_>) -> Ready {
        let mut ready = Ready::default();
        for key in &self.keys {
            let object = view.get(&key.kind_and_group(), &key.name);
            if object.is_some_and(|object| text(object, "/spec/updateStrategy/type") == "OnDelete") {
                let note = "its pods are replaced only when somebody deletes them (OnDelete): those that run may be of an earlier revision";
                ready.notes.push(format!("{}: {note}", key.title()));
            }
            for pod in diagnose::pods(view, key) {
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

/// Whether no container of any attempt of a job began.
fn never_began(view: &View<'_>, key: &ObjectKey) -> bool {
    let began = |pod: &&Value| container::statuses(pod).any(|status| status.pointer("/state/waiting").is_none());
    // A pipeline's pods are its tasks', and those that are gone are not known.
    key.group != "tekton.dev" && !diagnose::attempts(view, key).iter().any(began)
}

fn of_finding(finding: diagnose::Finding) -> Failure {
    Failure {
        reason: finding.reason,
        message: finding.message,
        pod: Some(finding.pod).filter(|pod| !pod.is_empty()),
        container: finding.container,
        restarted: finding.restarted,
        never_ran: false,
    }
}

/// A job's failure with the exit code of the attempt that failed last.
fn job_failure(view: &View<'_>, key: &ObjectKey, message: String) -> Failure {
    let attempts = diagnose::attempts(view, key);
    let Some((pod, end)) = attempts.iter().rev().find_map(|pod| Some((*pod, container::bad_end(pod)?))) else {
        return Failure::plain(Reason::JobFailed { exit: None }, message);
    };
    let (pod, at, hint) = (text(pod, "/metadata/name"), end.container, container::hint(end.exit));
    Failure {
        reason: Reason::JobFailed { exit: i32::try_from(end.exit).ok() },
        message: format!("{message}; pod {pod}, container {at}, ended with exit code {}{hint}", end.exit),
        pod: Some(pod.to_owned()),
        container: Some(at.to_owned()),
        restarted: end.restarted,
        never_ran: false,
    }
}

/// What a pod's containers run, by how the pod names it.
fn digests(pod: &Value) -> Vec<(String, Digest)> {
    let digest = |status| Some((running::image_of(pod, text(status, "/name")).to_owned(), running::digest(text(status, "/imageID"))?));
    container::statuses(pod).filter_map(digest).collect()
}
