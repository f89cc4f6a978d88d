//! Waiting until what a run applied is well, or cannot become so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use towpath_domain::{NamespaceName, RunId};

use super::Core;
use super::controller;
use super::health::Health;
use super::store;
use super::world::{Failure, World};
use crate::api::{ObjectKey, Progress, Ready, Reason, WaitFailure};
use crate::clock::now;
use crate::pod::{PodDir, Status, logs};

/// How many of a failing pod's last lines are told.
const TAIL_LINES: usize = 50;

pub(super) async fn wait(
    core: &Core,
    namespace: &NamespaceName,
    keys: &[ObjectKey],
    run: &RunId,
    within: Duration,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Ready, Box<WaitFailure>> {
    let end = Instant::now() + within;
    let mut passes = core.passes.subscribe();
    let mut told: BTreeMap<&ObjectKey, String> = BTreeMap::new();
    loop {
        // Before looking, so that a pass made meanwhile is looked at, too.
        passes.borrow_and_update();
        let mut lacks = Vec::new();
        {
            let world = core.world();
            for key in keys {
                let health = applied_health(&world, namespace, key, run)?;
                let message = health.message();
                if told.get(key) != Some(&message) {
                    progress(Progress { object: key.clone(), message: message.clone() });
                    told.insert(key, message);
                }
                match health {
                    Health::Ready => {}
                    Health::Progressing { message, lack } => lacks.push((key, message, lack)),
                    Health::Failed(failure) => return Err(failed(core, namespace, key, failure)),
                }
            }
            if lacks.is_empty() {
                return Ok(ready(&world, namespace, keys));
            }
        }
        if tokio::time::timeout_at(end, passes.changed()).await.is_err() {
            return Err(timed_out(core, namespace, within, lacks));
        }
    }
}

/// How the object does, if it is still what `run` applied.
fn applied_health(world: &World, namespace: &NamespaceName, key: &ObjectKey, run: &RunId) -> Result<Health, Box<WaitFailure>> {
    let superseded = |message: String| {
        let reason = Reason::Superseded;
        Err(Box::new(WaitFailure { class: reason.class(), reason, object: key.clone(), message, log_tail: Vec::new() }))
    };
    let place = (namespace.clone(), key.clone());
    match world.objects.get(&place) {
        None => superseded(format!(
            "is not in namespace {namespace}: it was deleted since run {run} applied it, or never applied; deploy again"
        )),
        Some(object) if object.record.owner.run != *run => {
            superseded(format!("was applied by run {} since; look at that run", object.record.owner.run))
        }
        Some(_) => Ok(controller::of(world, &place, now())),
    }
}

fn ready(world: &World, namespace: &NamespaceName, keys: &[ObjectKey]) -> Ready {
    let mut ready = Ready::default();
    let mut notes = BTreeSet::new();
    for key in keys {
        let revision = world.objects.get(&(namespace.clone(), key.clone())).and_then(super::draft::revision);
        for (_, pod) in world.pods_of(namespace, key).filter(|(_, pod)| Some(&pod.info.revision) == revision.as_ref()) {
            ready.digests.extend(pod.info.images.iter().map(|(image, digest)| (image.clone(), *digest)));
            notes.extend(pod.status.iter().flat_map(|status| &status.notes).map(|note| format!("{}: {note}", key.title())));
        }
    }
    ready.notes = notes.into_iter().collect();
    ready
}

fn failed(core: &Core, namespace: &NamespaceName, key: &ObjectKey, failure: Failure) -> Box<WaitFailure> {
    Box::new(WaitFailure {
        class: failure.reason.class(),
        log_tail: log_tail(core, namespace, &failure),
        reason: failure.reason,
        object: key.clone(),
        message: failure.message,
    })
}

/// The likeliest reason why there was not enough time.
fn timed_out(
    core: &Core,
    namespace: &NamespaceName,
    within: Duration,
    lacks: Vec<(&ObjectKey, String, Option<Failure>)>,
) -> Box<WaitFailure> {
    let after = format!("not ready within {} s", within.as_secs_f32());
    let known = lacks.iter().find_map(|(key, _, lack)| Some((*key, lack.clone()?)));
    if let Some((key, failure)) = known {
        let message = format!("{after}: {}", failure.message);
        return failed(core, namespace, key, Failure { message, ..failure });
    }
    let first = lacks.into_iter().next();
    let (key, message) = first.map_or_else(
        || (ObjectKey { kind: String::new(), group: String::new(), name: String::new() }, String::new()),
        |(key, message, _)| (key.clone(), message),
    );
    let message = format!("{after}: {message}; see what it waits for in its log, or give it more time");
    failed(core, namespace, &key, Failure { reason: Reason::DeadlineExceeded, message, pod: None, container: None })
}

/// The last lines of the container that failed, or of the pod's container that printed some.
fn log_tail(core: &Core, namespace: &NamespaceName, failure: &Failure) -> Vec<String> {
    let Some(pod) = &failure.pod else { return Vec::new() };
    let dir = store::pod_dir(&core.settings.dir, namespace, pod);
    if let Some(container) = &failure.container {
        return logs::tail(&dir.logs(container), TAIL_LINES);
    }
    containers(&dir)
        .iter()
        .rev()
        .map(|container| logs::tail(&dir.logs(container), TAIL_LINES))
        .find(|tail| !tail.is_empty())
        .unwrap_or_default()
}

fn containers(dir: &PodDir) -> Vec<String> {
    let status: Option<Status> = crate::files::read_json(&dir.status()).unwrap_or_default();
    status.into_iter().flat_map(|status| status.containers).map(|container| container.name).collect()
}
