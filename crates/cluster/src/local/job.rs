//! What a job needs done. Pure.

use std::time::Duration;

use towpath_domain::Timestamp;

use super::health::NamedPod;
use super::world::{Failure, PodEntry, Stage};
use crate::api::Reason;
use crate::pod::Phase;
use crate::spec::Job;

/// The pause before the first attempt after a failure; it doubles with each. Kubernetes begins at ten seconds: tests should not wait for that.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What is to be done for a job now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    /// Numbers of attempts to make.
    pub(super) create: Vec<u32>,
    /// Pods to stop.
    pub(super) stop: Vec<String>,
    /// Set when the job has ended: with what failed, if anything did.
    pub(super) end: Option<Option<Failure>>,
    /// When to look again, if nothing else happens.
    pub(super) again: Option<Duration>,
}

/// The name of a job's pod.
pub(super) fn pod_name(job: &str, revision: &str, attempt: u32) -> String {
    format!("{job}-{revision}-{attempt}")
}

/// Makes as many attempts as may run at once, until enough have succeeded, too many have failed, or the deadline has passed.
pub(super) fn plan(spec: &Job, revision: &str, applied: Timestamp, pods: &[NamedPod<'_>], now: Timestamp) -> Steps {
    let mut steps = Steps::default();
    let old: Vec<_> = pods.iter().filter(|(_, pod)| pod.info.revision != revision).collect();
    if !old.is_empty() {
        // One incarnation at a time: two migrations side by side would be worse than a wait.
        steps.stop = old.iter().filter(|(_, pod)| !pod.stopping).map(|(name, _)| (*name).to_owned()).collect();
        return steps;
    }
    let of_phase = |phase| pods.iter().filter(move |(_, pod)| phase_of(pod) == Some(phase));
    let succeeded = count(of_phase(Phase::Succeeded).count());
    let failed = count(of_phase(Phase::Failed).count());
    let running: Vec<_> = pods.iter().filter(|(_, pod)| !phase_of(pod).is_some_and(Phase::is_final)).collect();
    if succeeded >= spec.completions() {
        steps.end = Some(None);
    } else if let Some(failure) = permanent_failure(pods) {
        steps.end = Some(Some(failure));
    } else if failed + restarts(pods) > spec.backoff_limit {
        steps.end = Some(Some(last_failure(spec, failed, pods)));
    } else if let Some(left) = time_left(spec, applied, now) {
        steps.again = Some(left);
        if left.is_zero() {
            steps.end = Some(Some(past_deadline(spec, &running)));
        }
    }
    if steps.end.is_some() {
        steps.stop = running.iter().filter(|(_, pod)| !pod.stopping).map(|(name, _)| (*name).to_owned()).collect();
        return steps;
    }
    let pause = pause(failed, pods, now);
    if !pause.is_zero() {
        steps.again = Some(steps.again.map_or(pause, |again| again.min(pause)));
        return steps;
    }
    let active = count(running.len());
    let wanted = spec.parallelism().min(spec.completions() - succeeded).saturating_sub(active);
    let next = pods.iter().map(|(_, pod)| pod.info.ordinal + 1).max().unwrap_or(0);
    steps.create = (next..next + wanted).collect();
    steps
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn phase_of(pod: &PodEntry) -> Option<Phase> {
    pod.status.as_ref().map(|status| status.phase)
}

/// Restarts within pods count as failures, too (`restartPolicy: OnFailure`).
fn restarts(pods: &[NamedPod<'_>]) -> u32 {
    pods.iter().filter_map(|(_, pod)| pod.status.as_ref()).flat_map(|status| &status.containers).map(|container| container.restarts).sum()
}

/// What no further attempt can mend.
fn permanent_failure(pods: &[NamedPod<'_>]) -> Option<Failure> {
    pods.iter().find_map(|(name, pod)| {
        if let Stage::Failed(_) = pod.stage {
            return super::health::failure(name, pod);
        }
        let containers = &pod.status.as_ref()?.containers;
        let (container, problem) = containers.iter().find_map(|container| {
            let problem = container.problem.as_ref().filter(|problem| problem.reason == Reason::CommandMissing)?;
            Some((container, problem))
        })?;
        let message = format!("pod {name}: {}", problem.message);
        Some(Failure { reason: problem.reason.clone(), message, pod: Some((*name).to_owned()), container: Some(container.name.clone()) })
    })
}

/// What failed last: the attempt with the highest number tells.
fn last_failure(spec: &Job, failed: u32, pods: &[NamedPod<'_>]) -> Failure {
    let bad = |pod: &PodEntry| {
        pod.status
            .as_ref()
            .is_some_and(|status| status.containers.iter().any(|c| c.last_exit.is_some() || c.problem.is_some()) || status.interrupted)
    };
    let last = pods.iter().filter(|(_, pod)| phase_of(pod) != Some(Phase::Succeeded) && bad(pod)).max_by_key(|(_, pod)| pod.info.ordinal);
    let attempts = failed + restarts(pods);
    let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
    let Some((name, pod)) = last else {
        let message = format!("failed {times}, more often than its backoffLimit of {} allows", spec.backoff_limit);
        return Failure { reason: Reason::JobFailed { exit: None }, message, pod: None, container: None };
    };
    let status = pod.status.as_ref();
    if status.is_some_and(|status| status.interrupted) {
        let message = format!("pod {name} was cut short: its shim was killed, or the machine went down; run it again");
        return Failure { reason: Reason::Interrupted, message, pod: Some((*name).to_owned()), container: None };
    }
    let failed_container = status.and_then(|status| {
        status
            .containers
            .iter()
            .find(|container| container.problem.is_some() || container.last_exit.as_ref().is_some_and(|exit| !exit.is_success()))
    });
    let exit = failed_container.and_then(|container| container.last_exit.clone()).unwrap_or_default();
    let problem = failed_container.and_then(|container| container.problem.clone());
    let reason = match &problem {
        Some(problem) => problem.reason.clone(),
        None if exit.out_of_memory => Reason::OutOfMemory,
        None => Reason::JobFailed { exit: exit.code },
    };
    let what = problem.map_or_else(|| exit.describe(), |problem| problem.message);
    let container = failed_container.map(|container| container.name.clone());
    let message = format!("failed {times} (backoffLimit {}), last in pod {name} with {what}; its log tells why", spec.backoff_limit);
    Failure { reason, message, pod: Some((*name).to_owned()), container }
}

/// How long the job may go on; none when it may go on for ever.
fn time_left(spec: &Job, applied: Timestamp, now: Timestamp) -> Option<Duration> {
    let limit = Duration::from_secs(spec.active_deadline_seconds?);
    Some(limit.saturating_sub(now.since(applied).to_std()))
}

fn past_deadline(spec: &Job, running: &[&NamedPod<'_>]) -> Failure {
    let seconds = spec.active_deadline_seconds.unwrap_or_default();
    Failure {
        reason: Reason::DeadlineExceeded,
        message: format!("did not end within its activeDeadlineSeconds of {seconds}; see in its log where it hangs, or raise the deadline"),
        pod: running.first().map(|(name, _)| (*name).to_owned()),
        container: None,
    }
}

/// How long to wait before the next attempt.
fn pause(failed: u32, pods: &[NamedPod<'_>], now: Timestamp) -> Duration {
    if failed == 0 {
        return Duration::ZERO;
    }
    let ended = |pod: &PodEntry| pod.status.as_ref().filter(|status| status.phase == Phase::Failed).and_then(|status| status.ended);
    let last = pods.iter().filter_map(|(_, pod)| ended(pod)).max().unwrap_or_default();
    let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(failed - 1)).min(PAUSE_MAX);
    pause.saturating_sub(now.since(last).to_std())
}
