//! What is shown.

use std::collections::BTreeMap;

use towpath_domain::{NamespaceName, TargetId};

use super::health::{self, Health};
use super::world::{Object, PodEntry, Stage, World};
use super::{controller, draft};
use crate::api::{ObjectStatus, PodStatus, RunningContainer};
use crate::clock::now;
use crate::spec::Spec;

/// All objects of a namespace, or of all.
pub(super) fn list(world: &World, namespace: Option<&NamespaceName>) -> Vec<ObjectStatus> {
    let now = now();
    let wanted = world.objects.iter().filter(|((of, _), _)| namespace.is_none_or(|namespace| namespace == of));
    wanted
        .map(|((namespace, key), object)| {
            let health = controller::of(world, &(namespace.clone(), key.clone()), now);
            ObjectStatus {
                namespace: namespace.clone(),
                key: key.clone(),
                owner: object.record.owner.clone(),
                ready: health == Health::Ready,
                revision: draft::revision(object),
                message: message(&object.spec, &health),
                pods: world.pods_of(namespace, key).map(|(name, pod)| pod_status(name, pod)).collect(),
                addresses: addresses(object),
            }
        })
        .collect()
}

/// What runs for the target's objects: pods that are not on their way out.
pub(super) fn running(world: &World, namespace: &NamespaceName, target: &TargetId) -> Vec<RunningContainer> {
    let owned = world.objects.iter().filter(|((of, _), object)| of == namespace && object.record.owner.target == *target);
    let mut found = Vec::new();
    for ((_, key), object) in owned {
        if !matches!(object.spec, Spec::Deployment(_)) {
            continue;
        }
        for (name, pod) in world.pods_of(namespace, key).filter(|(_, pod)| !pod.stopping && pod.shim.alive) {
            found.extend(pod.info.images.iter().map(|(image, digest)| RunningContainer {
                object: key.clone(),
                pod: name.to_owned(),
                container: pod.info.containers.first().cloned().unwrap_or_default(),
                image: image.clone(),
                digest: Some(*digest),
            }));
        }
    }
    found
}

fn message(spec: &Spec, health: &Health) -> String {
    match spec {
        Spec::Unsupported => "kept; nothing on this machine acts on it".to_owned(),
        Spec::ConfigMap(_) | Spec::Secret(_) | Spec::Passive => "kept".to_owned(),
        Spec::Deployment(_) | Spec::Job(_) | Spec::Service(_) => health.message(),
    }
}

fn addresses(object: &Object) -> BTreeMap<String, String> {
    let Spec::Service(service) = &object.spec else { return BTreeMap::new() };
    let name = |port: u16| {
        let declared = service.ports.iter().find(|declared| declared.port == port);
        declared.and_then(|declared| declared.name.clone()).unwrap_or_else(|| port.to_string())
    };
    object.record.state.ports.iter().map(|(port, host_port)| (name(*port), format!("127.0.0.1:{host_port}"))).collect()
}

fn pod_status(name: &str, pod: &PodEntry) -> PodStatus {
    let status = pod.status.as_ref();
    let containers = || status.into_iter().flat_map(|status| &status.containers);
    let phase = match (&pod.stage, status) {
        (Stage::Preparing | Stage::Failed(_), _) => "preparing",
        (Stage::Made, Some(status)) if status.phase.is_final() => status.phase.word(),
        (Stage::Made, _) if pod.stopping => "stopping",
        (Stage::Made, None) => "starting",
        (Stage::Made, Some(status)) => status.phase.word(),
    };
    let problem = health::failure(name, pod).map(|failure| failure.message);
    let probe = || containers().find_map(|container| container.probe.clone());
    PodStatus {
        name: name.to_owned(),
        revision: pod.info.revision.clone(),
        ready: !pod.stopping && pod.shim.alive && status.is_some_and(|status| status.ready),
        phase: phase.to_owned(),
        pids: containers().filter_map(|container| container.process).map(|process| process.pid).collect(),
        restarts: containers().map(|container| container.restarts).sum(),
        ports: containers().flat_map(|container| &container.ports).map(|port| (port.container_port.to_string(), port.host_port)).collect(),
        since: status.map(|status| status.started),
        message: problem.or_else(probe).unwrap_or_default(),
    }
}
