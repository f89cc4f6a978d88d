//! What a deployment needs done. Pure.

use towpath_domain::{RunId, Timestamp};

use super::health::{self, NamedPod};
use crate::spec::Deployment;

/// What is to be done for a deployment now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    /// Ordinals of pods to make.
    pub(super) create: Vec<u32>,
    /// Pods to stop, once the services have been switched.
    pub(super) stop: Vec<String>,
    /// Whether the new revision serves from now on.
    pub(super) activate: bool,
}

/// The name of a deployment's pod.
pub(super) fn pod_name(deployment: &str, revision: &str, ordinal: u32) -> String {
    format!("{deployment}-{revision}-{ordinal}")
}

/// All pods of the new revision start at once; when all of them are ready it becomes the active one, and only then the old ones stop.
/// If they never are, the old active ones go on serving.
pub(super) fn plan(
    name: &str,
    spec: &Deployment,
    revision: &str,
    active: Option<&str>,
    run: &RunId,
    pods: &[NamedPod<'_>],
    now: Timestamp,
) -> Steps {
    let mut steps = Steps::default();
    let is_current = |(_, pod): &&NamedPod<'_>| pod.info.revision == revision;
    let old: Vec<_> = pods.iter().filter(|pod| !is_current(pod)).collect();
    let stops_first = spec.strategy.r#type == "Recreate";
    if stops_first && !old.is_empty() {
        steps.stop.extend(old.iter().filter(|(_, pod)| !pod.stopping).map(|(name, _)| (*name).to_owned()));
        return steps;
    }
    let mut ready = 0;
    for ordinal in 0..spec.replicas {
        let wanted = pod_name(name, revision, ordinal);
        match pods.iter().find(|(name, _)| *name == wanted) {
            None => steps.create.push(ordinal),
            // What failed an earlier run gets a fresh start with this one.
            Some((_, pod)) if pod.info.run != *run && !pod.stopping && !is_serving(pod) && health::failure(&wanted, pod).is_some() => {
                steps.stop.push(wanted);
            }
            Some((_, pod)) => ready += u32::from(health::is_ready(pod, spec.min_ready_seconds, now)),
        }
    }
    let extra = pods.iter().filter(is_current).filter(|(_, pod)| pod.info.ordinal >= spec.replicas && !pod.stopping);
    steps.stop.extend(extra.map(|(name, _)| (*name).to_owned()));
    let all_ready = ready == spec.replicas;
    steps.activate = all_ready && active != Some(revision);
    let old_goes = |revision_of_pod: &str| all_ready || active != Some(revision_of_pod);
    let going = old.iter().filter(|(_, pod)| !pod.stopping && old_goes(&pod.info.revision));
    steps.stop.extend(going.map(|(name, _)| (*name).to_owned()));
    steps
}

fn is_serving(pod: &super::world::PodEntry) -> bool {
    pod.status.as_ref().is_some_and(|status| status.ready)
}
