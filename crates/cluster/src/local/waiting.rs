//! Waiting until what a run applied is well, or cannot become so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use towpath_domain::{NamespaceName, RunId};

use super::Core;
use super::controller;
use super::health::Health;
use super::job_lines::JobLines;
use super::store;
use super::world::{Failure, World};
use crate::api::{ObjectKey, Observer, Progress, Ready, Reason, WaitFailure};
use crate::clock::now;
use crate::files;
use crate::pod::logs;

/// How many of a failing pod's last lines are told.
const TAIL_LINES: usize = 50;

/// What one look at the objects found.
enum Look {
    Ready(Ready),
    Failed(Box<WaitFailure>),
    /// If no time were left: this.
    NotYet(Box<Lack>),
}

/// What an object lacks: the likeliest reason why there may not be enough time.
struct Lack {
    key: ObjectKey,
    message: String,
    cause: Option<Failure>,
}

pub(super) async fn wait(
    core: &Core,
    namespace: &NamespaceName,
    keys: &[ObjectKey],
    run: &RunId,
    within: Duration,
    observer: &dyn Observer,
) -> Result<Ready, Box<WaitFailure>> {
    let end = Instant::now() + within;
    let mut passes = core.passes.subscribe();
    let mut told = BTreeMap::new();
    let mut lines = JobLines::default();
    loop {
        // Before looking, so that a pass made meanwhile is looked at, too.
        passes.borrow_and_update();
        let (found, news) = look(core, namespace, keys, run, &mut told);
        // Told outside of the lock: whoever listens may ask the cluster for more.
        news.into_iter().for_each(|progress| observer.progress(progress));
        let ended = !matches!(found, Look::NotYet(_));
        lines.tell(core, namespace, keys, observer, ended);
        let lack = match found {
            Look::Ready(ready) => return Ok(ready),
            Look::Failed(failure) => return Err(failure),
            Look::NotYet(lack) => lack,
        };
        if tokio::time::timeout_at(end, passes.changed()).await.is_err() {
            lines.tell(core, namespace, keys, observer, true);
            return Err(timed_out(core, namespace, within, *lack));
        }
    }
}

/// Looks at all objects once; the news are those whose message is another than `told`.
fn look(
    core: &Core,
    namespace: &NamespaceName,
    keys: &[ObjectKey],
    run: &RunId,
    told: &mut BTreeMap<ObjectKey, String>,
) -> (Look, Vec<Progress>) {
    let world = core.world();
    let mut news = Vec::new();
    let mut lack: Option<Lack> = None;
    for key in keys {
        let health = match applied_health(&world, namespace, key, run) {
            Ok(health) => health,
            Err(failure) => return (Look::Failed(failure), news),
        };
        let message = health.message();
        if told.get(key) != Some(&message) {
            told.insert(key.clone(), message.clone());
            news.push(Progress { object: key.clone(), message });
        }
        match health {
            Health::Ready => {}
            Health::Failed(failure) => return (Look::Failed(failed(core, namespace, key, failure)), news),
            // One whose cause is known says more than one that is merely not there yet.
            Health::Progressing { message, lack: cause } if lack.as_ref().is_none_or(|lack| lack.cause.is_none() && cause.is_some()) => {
                lack = Some(Lack { key: key.clone(), message, cause });
            }
            Health::Progressing { .. } => {}
        }
    }
    let found = lack.map_or_else(|| Look::Ready(ready(&world, namespace, keys)), |lack| Look::NotYet(Box::new(lack)));
    (found, news)
}

/// How the object does, if it is still what `run` applied.
fn applied_health(world: &World, namespace: &NamespaceName, key: &ObjectKey, run: &RunId) -> Result<Health, Box<WaitFailure>> {
    let superseded = |message: String| {
        let reason = Reason::Superseded;
        Err(Box::new(WaitFailure { class: reason.class(), reason, object: key.clone(), message, log_tail: Vec::new(), events: Vec::new() }))
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
        events: Vec::new(),
    })
}

fn timed_out(core: &Core, namespace: &NamespaceName, within: Duration, lack: Lack) -> Box<WaitFailure> {
    let after = format!("not ready within {} s", within.as_secs_f32());
    let failure = match lack.cause {
        Some(cause) => Failure { message: format!("{after}: {}", cause.message), ..cause },
        None => {
            let message = format!("{after}: {}; see what it waits for in its log, or give it more time", lack.message);
            Failure { reason: Reason::DeadlineExceeded, message, pod: None, container: None }
        }
    };
    failed(core, namespace, &lack.key, failure)
}

/// The last lines of the container that failed, or of the pod's first container that printed some.
fn log_tail(core: &Core, namespace: &NamespaceName, failure: &Failure) -> Vec<String> {
    let Some(pod) = &failure.pod else { return Vec::new() };
    let dir = store::pod_dir(&core.settings.dir, namespace, pod);
    if let Some(container) = &failure.container {
        return logs::tail(&dir.logs(container), TAIL_LINES);
    }
    let containers = files::entries(&dir.path().join("logs")).unwrap_or_default();
    containers.iter().map(|(_, log)| logs::tail(log, TAIL_LINES)).find(|tail| !tail.is_empty()).unwrap_or_default()
}
