//! Whether an object is well. Pure: told from what is known of it and its pods.

use towpath_domain::{RunId, Timestamp};

use super::world::{Failure, Object, PodEntry, Stage};
use crate::api::{ObjectKey, Reason};
use crate::pod::{CRASH_LOOP_ENDS, ContainerStatus, Phase};
use crate::spec::Spec;

/// How often something that may mend itself (a registry, a disk) is tried before it counts as a failure.
/// With the pauses between tries these are about six seconds.
pub(super) const TRIES_BEFORE_FAILURE: u32 = 5;

/// How an object does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It is as wanted.
    Ready,
    /// It may become so.
    Progressing {
        /// What is going on.
        message: String,
        /// What it would be if no time were left.
        lack: Option<Failure>,
    },
    /// It cannot, unless somebody does something.
    Failed(Failure),
}

impl Health {
    /// In a sentence.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Ready => "ready".to_owned(),
            Self::Progressing { message, .. } => message.clone(),
            Self::Failed(failure) => failure.message.clone(),
        }
    }

    fn progressing(message: impl Into<String>) -> Self {
        Self::Progressing { message: message.into(), lack: None }
    }
}

/// A pod with its name.
pub(super) type NamedPod<'a> = (&'a str, &'a PodEntry);

/// How the object does. `service` tells, for a service, which of its ports are listened on, and what is wrong with the others.
pub(super) fn of(key: &ObjectKey, object: &Object, pods: &[NamedPod<'_>], service: Option<(&[u16], &[String])>, now: Timestamp) -> Health {
    match &object.spec {
        Spec::Deployment(spec) => {
            let revision = match revision_or_trouble(object) {
                Ok(revision) => revision,
                Err(health) => return health,
            };
            let current: Vec<_> = pods.iter().filter(|(_, pod)| pod.info.revision == revision && !pod.stopping).copied().collect();
            if let Some(failure) = first_failure(&current, &object.record.owner.run) {
                return Health::Failed(failure);
            }
            let ready = current.iter().filter(|(_, pod)| is_ready(pod, spec.min_ready_seconds, now)).count();
            if ready >= spec.replicas as usize && object.record.state.active.as_deref() == Some(revision.as_str()) {
                return Health::Ready;
            }
            let message = format!("{ready} of {} pods of revision {revision} are ready", spec.replicas);
            Health::Progressing { message, lack: current.iter().find_map(|(name, pod)| lack(name, pod)) }
        }
        Spec::Job(spec) => {
            if let Some(end) = &object.record.state.job_end {
                return end.failure.clone().map_or(Health::Ready, Health::Failed);
            }
            let revision = match revision_or_trouble(object) {
                Ok(revision) => revision,
                Err(health) => return health,
            };
            let current: Vec<_> = pods.iter().filter(|(_, pod)| pod.info.revision == revision).copied().collect();
            let of_phase =
                |phase| current.iter().filter(|(_, pod)| pod.status.as_ref().is_some_and(|status| status.phase == phase)).count();
            let (done, failed) = (of_phase(Phase::Succeeded), of_phase(Phase::Failed));
            let failed =
                if failed == 0 { String::new() } else { format!(", {failed} of at most {} attempts failed", spec.backoff_limit + 1) };
            Health::progressing(format!("{done} of {} pods have succeeded{failed}", spec.completions()))
        }
        Spec::Service(spec) => match service {
            _ if spec.ports.is_empty() => Health::Ready,
            Some((listening, _)) if spec.ports.iter().all(|port| listening.contains(&port.port)) => Health::Ready,
            Some((_, problems)) if !problems.is_empty() => {
                let message = problems.join("; ");
                let lack = Failure { reason: Reason::Host, message: message.clone(), pod: None, container: None };
                Health::Progressing { message, lack: Some(lack) }
            }
            _ => Health::progressing(format!("the address of {} is being opened", key.name)),
        },
        Spec::ConfigMap(_) | Spec::Secret(_) | Spec::Passive | Spec::Unsupported => Health::Ready,
    }
}

/// The revision of the pods that are wanted now, once the images are known.
fn revision_or_trouble(object: &Object) -> Result<String, Health> {
    if let Some(revision) = super::draft::revision(object) {
        return Ok(revision);
    }
    Err(match &object.trouble {
        Some(trouble) if trouble.run == object.record.owner.run => {
            let failure =
                Failure { reason: trouble.problem.reason.clone(), message: trouble.problem.message.clone(), pod: None, container: None };
            if is_for_good(&trouble.problem.reason) || trouble.tries >= TRIES_BEFORE_FAILURE {
                Health::Failed(failure)
            } else {
                Health::Progressing { message: failure.message.clone(), lack: Some(failure) }
            }
        }
        _ => Health::progressing("its images are being looked up"),
    })
}

/// Whether trying again in a moment is no use.
fn is_for_good(reason: &Reason) -> bool {
    matches!(reason, Reason::ImageMissing | Reason::ConfigMissing | Reason::CommandMissing)
}

fn first_failure(pods: &[NamedPod<'_>], run: &RunId) -> Option<Failure> {
    // A pod that failed an earlier run is about to be made anew: it says nothing of this one.
    pods.iter().filter(|(_, pod)| pod.info.run == *run || is_ready_now(pod)).find_map(|(name, pod)| failure(name, pod))
}

/// Whether the pod is ready, and has been for long enough.
pub(super) fn is_ready(pod: &PodEntry, min_ready_seconds: u64, now: Timestamp) -> bool {
    let since = pod.status.as_ref().filter(|status| status.ready).and_then(|status| status.ready_since);
    !pod.stopping && pod.shim.alive && since.is_some_and(|since| now.since(since).as_millis() >= min_ready_seconds.saturating_mul(1000))
}

fn is_ready_now(pod: &PodEntry) -> bool {
    pod.status.as_ref().is_some_and(|status| status.ready)
}

/// Why a pod that should keep running does not.
pub(super) fn failure(name: &str, pod: &PodEntry) -> Option<Failure> {
    let of_pod = |reason, message, container: Option<&str>| {
        Some(Failure { reason, message, pod: Some(name.to_owned()), container: container.map(str::to_owned) })
    };
    if let Stage::Failed(trouble) = &pod.stage {
        let problem = &trouble.problem;
        let for_good = is_for_good(&problem.reason) || trouble.tries >= TRIES_BEFORE_FAILURE;
        return if for_good { of_pod(problem.reason.clone(), format!("pod {name}: {}", problem.message), None) } else { None };
    }
    if pod.shim.starts >= TRIES_BEFORE_FAILURE && !pod.shim.alive && pod.status.is_none() {
        let why = std::fs::read_to_string(pod.dir.error()).unwrap_or_else(|_| "its shim ends at once; look at the shim command".to_owned());
        return of_pod(Reason::Host, format!("pod {name}: {why}"), None);
    }
    pod.status.as_ref()?.containers.iter().find_map(|container| {
        let (reason, what) = container_failure(container)?;
        of_pod(reason, format!("pod {name}: {what}"), Some(&container.name))
    })
}

fn container_failure(container: &ContainerStatus) -> Option<(Reason, String)> {
    let name = &container.name;
    if let Some(problem) = &container.problem {
        return Some((problem.reason.clone(), problem.message.clone()));
    }
    let exit = container.last_exit.as_ref()?;
    if let Some(probe) = &exit.probe
        && container.restarts + 1 >= CRASH_LOOP_ENDS
    {
        let times = container.restarts;
        return Some((
            Reason::ProbeFailing,
            format!("container {name} was started again {times} times, because its {probe}; mend it or its probe"),
        ));
    }
    if container.crashes < CRASH_LOOP_ENDS {
        return None;
    }
    let times = container.crashes;
    if exit.out_of_memory {
        let hint = "raise resources.limits.memory, or make it need less";
        return Some((Reason::OutOfMemory, format!("container {name} ran out of memory {times} times in a row; {hint}")));
    }
    Some((Reason::CrashLoop, format!("container {name} ended {times} times in a row, last with {}; its log tells why", exit.describe())))
}

/// Why a pod that runs is not ready yet.
fn lack(name: &str, pod: &PodEntry) -> Option<Failure> {
    let of_pod = |reason, message, container: Option<&str>| {
        Some(Failure { reason, message, pod: Some(name.to_owned()), container: container.map(str::to_owned) })
    };
    if let Stage::Failed(trouble) = &pod.stage {
        return of_pod(trouble.problem.reason.clone(), format!("pod {name}: {}", trouble.problem.message), None);
    }
    pod.status.as_ref()?.containers.iter().find_map(|container| {
        if let Some(probe) = &container.probe {
            return of_pod(Reason::ProbeFailing, format!("pod {name}, container {}: {probe}", container.name), Some(&container.name));
        }
        let exit = container.last_exit.as_ref().filter(|exit| !exit.is_success())?;
        let reason = if exit.out_of_memory { Reason::OutOfMemory } else { Reason::CrashLoop };
        of_pod(reason, format!("pod {name}, container {}: ended with {}", container.name, exit.describe()), Some(&container.name))
    })
}
