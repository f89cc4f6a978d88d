//! The loop that makes what is there what is wanted. Level-triggered: each pass looks at everything; what wakes it says only "look".

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixDatagram;
use towpath_domain::{NamespaceName, Timestamp};

use super::draft::{self, PodDraft};
use super::health::{self, Health};
use super::world::{Images, JobEnd, Object, Place, PodEntry, PodInfo, Shim, Stage, Trouble, World};
use super::{Core, deployment, job, pods, prepare, services, store};
use crate::api::BoxFuture;
use crate::clock::now;
use crate::digest;
use crate::pod::{HostPlan, PodPlan, Problem};
use crate::spec::{RestartPolicy, Spec};

/// How often everything is looked at when nothing wakes the loop: bounds what a lost wake-up costs.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same, when wake-ups cannot be received.
const LOOK_EVERY_DEAF: Duration = Duration::from_millis(50);
/// Pauses between tries of what may mend itself.
const TRY_PAUSE: Duration = Duration::from_millis(200);
const TRY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Kubernetes' own.
const GRACE_SECONDS_DEFAULT: u64 = 30;

/// The socket by which shims wake the controllers.
pub(super) fn wake_path(dir: &Path) -> PathBuf {
    dir.join("wake.sock")
}

/// Runs until `shutdown` is done.
pub(super) async fn run(core: Arc<Core>, shutdown: BoxFuture<'_, ()>) {
    let socket = bind(&wake_path(&core.settings.dir));
    let every = if socket.is_some() { LOOK_EVERY } else { LOOK_EVERY_DEAF };
    let mut shutdown = shutdown;
    loop {
        let working = core.clone();
        // The pass itself cannot be cut short in the middle of a step.
        let again = tokio::task::spawn_blocking(move || pass(&working)).await.unwrap_or_else(|e| {
            tracing::error!(error = %e, "a pass of the local runtime's controllers failed");
            LOOK_EVERY
        });
        core.passes.send_modify(|passes| *passes += 1);
        tokio::select! {
            () = &mut shutdown => return,
            () = core.wake.notified() => {}
            () = woken(socket.as_ref()) => {}
            () = tokio::time::sleep(again.min(every)) => {}
        }
    }
}

fn bind(path: &Path) -> Option<UnixDatagram> {
    // Whatever an earlier Towpath left behind: it no longer listens, since this one holds the lock.
    let _ = std::fs::remove_file(path);
    match UnixDatagram::bind(path) {
        Ok(socket) => Some(socket),
        Err(e) => {
            tracing::warn!(path = %path.display(), error = %e, "pods cannot wake the controllers; they look more often instead");
            None
        }
    }
}

async fn woken(socket: Option<&UnixDatagram>) {
    let Some(socket) = socket else { return std::future::pending().await };
    let mut buffer = [0; 16];
    if socket.recv(&mut buffer).await.is_err() {
        return std::future::pending().await;
    }
    while socket.try_recv(&mut buffer).is_ok() {}
}

/// Looks at everything once and does what is to be done. Answers with when to look again at the latest.
fn pass(core: &Arc<Core>) -> Duration {
    let mut world = core.world();
    let world = &mut *world;
    let now = now();
    let mut again = LOOK_EVERY;
    pods::observe(world);
    let mut stops = orphans(world);
    let places: Vec<Place> =
        world.objects.iter().filter(|(_, object)| object.spec.template().is_some()).map(|(place, _)| place.clone()).collect();
    for place in &places {
        let wants = want(world, place, now);
        let Some(wants) = wants else {
            resolve(core, world, place);
            continue;
        };
        again = again.min(wants.again);
        for (name, ordinal) in wants.create {
            create(core, world, place, name, ordinal, &wants.revision, 0);
        }
        stops.extend(wants.stop.into_iter().map(|name| (place.0.clone(), name)));
        remember(core, world, place, |object| {
            if wants.activate {
                object.record.state.active = Some(wants.revision.clone());
            }
            if let Some(end) = wants.end {
                object.record.state.job_end = Some(end);
            }
        });
    }
    retry_failed_pods(core, world);
    pods::start_shims(core, world);
    // The services first, then the pods they no longer lead to.
    services::tend(core, world);
    for (namespace, name) in stops {
        if let Some(pod) = world.pods.get_mut(&(namespace.clone(), name.clone()))
            && let Err(e) = pods::stop(pod, pods::DRAIN_MS)
        {
            tracing::warn!(%namespace, pod = %name, error = %e, "a pod cannot be stopped");
        }
    }
    tell_changes(world, now);
    again
}

/// Pods whose object is gone.
fn orphans(world: &World) -> Vec<(NamespaceName, String)> {
    let orphan = |namespace: &NamespaceName, pod: &PodEntry| {
        !pod.stopping && !world.objects.contains_key(&(namespace.clone(), pod.info.object.clone()))
    };
    world.pods.iter().filter(|((namespace, _), pod)| orphan(namespace, pod)).map(|(place, _)| place.clone()).collect()
}

/// What one object with pods wants done.
struct Wants {
    revision: String,
    create: Vec<(String, u32)>,
    stop: Vec<String>,
    activate: bool,
    end: Option<JobEnd>,
    again: Duration,
}

/// `None` while its images are unknown.
fn want(world: &World, place: &Place, now: Timestamp) -> Option<Wants> {
    let (namespace, key) = place;
    let object = world.objects.get(place)?;
    let revision = draft::revision(object)?;
    let pods: Vec<_> = world.pods_of(namespace, key).collect();
    let mut wants = Wants { revision, create: Vec::new(), stop: Vec::new(), activate: false, end: None, again: LOOK_EVERY };
    match &object.spec {
        Spec::Deployment(spec) => {
            let active = object.record.state.active.as_deref();
            let steps = deployment::plan(&key.name, spec, &wants.revision, active, &object.record.owner.run, &pods, now);
            let name = |ordinal| deployment::pod_name(&key.name, &wants.revision, ordinal);
            wants.create = steps.create.into_iter().map(|ordinal| (name(ordinal), ordinal)).collect();
            wants.stop = steps.stop;
            wants.activate = steps.activate;
        }
        Spec::Job(spec) if object.record.state.job_end.is_none() => {
            let steps = job::plan(spec, &wants.revision, object.record.applied, &pods, now);
            let name = |attempt| job::pod_name(&key.name, &wants.revision, attempt);
            wants.create = steps.create.into_iter().map(|attempt| (name(attempt), attempt)).collect();
            wants.stop = steps.stop;
            wants.end = steps.end.map(|failure| JobEnd { revision: wants.revision.clone(), failure });
            wants.again = steps.again.unwrap_or(LOOK_EVERY);
        }
        _ => {}
    }
    Some(wants)
}

/// Changes an object's state and writes it down.
fn remember(core: &Core, world: &mut World, place: &Place, change: impl FnOnce(&mut Object)) {
    let Some(object) = world.objects.get_mut(place) else { return };
    let before = object.record.state.clone();
    change(object);
    if object.record.state != before
        && let Err(e) = store::save(&core.settings.dir, &place.0, &place.1, &object.record)
    {
        // Not remembered is not done: the next pass comes to the same end and tries again.
        object.record.state = before;
        tracing::warn!(object = %place.1, error = %e, "an object's state cannot be written");
    }
}

/// Looks up the digests of an object's images.
fn resolve(core: &Arc<Core>, world: &mut World, place: &Place) {
    let Some(object) = world.objects.get_mut(place) else { return };
    let run = object.record.owner.run.clone();
    let tries = match &object.trouble {
        Some(trouble) if trouble.run == run && trouble.again > Instant::now() => return,
        Some(trouble) if trouble.run == run => trouble.tries,
        _ => 0,
    };
    if object.resolving {
        return;
    }
    object.resolving = true;
    let generation = object.record.generation;
    let template = object.spec.template().map(|template| template.spec.clone()).unwrap_or_default();
    let (core, place) = (core.clone(), place.clone());
    tokio::spawn(async move {
        let mut digests = std::collections::BTreeMap::new();
        let mut problem = None;
        for container in template.init_containers.iter().chain(&template.containers) {
            let Ok(image) = container.image.parse() else { continue };
            match core.images.resolve(&image).await {
                Ok(digest) => {
                    digests.insert(container.image.clone(), digest);
                }
                Err(e) => {
                    let found = prepare::image_problem(&e);
                    problem = Some(Problem { message: format!("container {}: {}", container.name, found.message), ..found });
                    break;
                }
            }
        }
        let mut world = core.world();
        if let Some(object) = world.objects.get_mut(&place) {
            object.resolving = false;
            object.trouble = problem.map(|problem| trouble(problem, run.clone(), tries));
        }
        remember(&core, &mut world, &place, |object| {
            if object.trouble.is_none() && object.record.generation == generation && object.record.owner.run == run {
                object.record.state.images = Some(Images { generation, run, digests });
            }
        });
        drop(world);
        core.wake.notify_one();
    });
}

fn trouble(problem: Problem, run: towpath_domain::RunId, tries: u32) -> Trouble {
    let pause = TRY_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(TRY_PAUSE_MAX);
    Trouble { problem, run, tries: tries + 1, again: Instant::now() + pause }
}

/// Begins the making of a pod. `tries` have failed before.
fn create(core: &Arc<Core>, world: &mut World, place: &Place, name: String, ordinal: u32, revision: &str, tries: u32) {
    let Some(object) = world.objects.get(place) else { return };
    let (Some(template), Some(images)) = (object.spec.template(), object.images()) else { return };
    let info = PodInfo {
        uid: uid(&core.settings.dir, &place.0, &name),
        object: place.1.clone(),
        revision: revision.to_owned(),
        run: object.record.owner.run.clone(),
        ordinal,
        labels: template.metadata.labels.clone(),
        images: images.clone(),
        containers: template.spec.init_containers.iter().chain(&template.spec.containers).map(|c| c.name.clone()).collect(),
    };
    let default = if let Spec::Job(_) = object.spec { RestartPolicy::OnFailure } else { RestartPolicy::Always };
    let restart = template.spec.restart_policy.unwrap_or(default);
    let grace_ms = template.spec.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS_DEFAULT).saturating_mul(1000);
    let plan = empty_plan(core, &place.0, &name, &info, restart, grace_ms);
    let draft = draft::draft(world, &place.0, &name, template, images);
    let dir = store::pod_dir(&core.settings.dir, &place.0, &name);
    let mut entry = PodEntry { dir, info, stage: Stage::Preparing, status: None, seen: None, stopping: false, shim: Shim::default() };
    match draft {
        Ok(draft) => begin(core, place.0.clone(), name.clone(), &entry, draft, plan, tries),
        Err(problem) => entry.stage = Stage::Failed(trouble(problem, entry.info.run.clone(), tries)),
    }
    world.pods.insert((place.0.clone(), name), entry);
}

/// Marks the pod's processes: unique among all Towpaths of this machine.
fn uid(dir: &Path, namespace: &NamespaceName, pod: &str) -> String {
    digest::of_text(&format!("{} {namespace}/{pod}", dir.display())).chars().take(16).collect()
}

fn empty_plan(core: &Core, namespace: &NamespaceName, name: &str, info: &PodInfo, restart: RestartPolicy, grace_ms: u64) -> PodPlan {
    let settings = &core.settings;
    PodPlan {
        uid: info.uid.clone(),
        namespace: namespace.to_string(),
        name: name.to_owned(),
        object: info.object.clone(),
        revision: info.revision.clone(),
        run: info.run.clone(),
        ordinal: info.ordinal,
        labels: info.labels.clone(),
        restart,
        grace_ms,
        init: Vec::new(),
        containers: Vec::new(),
        images: std::collections::BTreeMap::new(),
        host: HostPlan {
            shim_command: settings.shim_command.clone(),
            path: settings.host_path.clone(),
            wake: wake_path(&settings.dir),
            log_segment_bytes: settings.log_bytes,
        },
        created: now(),
    }
}

/// Makes the pod's folder in the background.
fn begin(core: &Arc<Core>, namespace: NamespaceName, name: String, entry: &PodEntry, draft: PodDraft, plan: PodPlan, tries: u32) {
    let (core, dir, run) = (core.clone(), entry.dir.clone(), entry.info.run.clone());
    tokio::spawn(async move {
        let claims = core.settings.dir.join("claims").join(namespace.as_str());
        // What an earlier try left behind gives way.
        let made = match store::discard(&core.settings.dir, dir.path(), &name) {
            Ok(()) => prepare::prepare(core.images.as_ref(), &dir, &claims, draft, plan).await,
            Err(e) => Err(Problem { reason: crate::api::Reason::Host, message: e.to_string() }),
        };
        let mut world = core.world();
        if let Some(pod) = world.pods.get_mut(&(namespace, name)) {
            match made {
                Ok(images) => {
                    pod.info.images = images;
                    pod.stage = Stage::Made;
                    // Asked to stop meanwhile: now there is somebody to be told.
                    if pod.stopping
                        && let Err(e) = pods::stop(pod, 0)
                    {
                        tracing::warn!(pod = %pod.dir.path().display(), error = %e, "a pod cannot be stopped");
                    }
                }
                Err(problem) => pod.stage = Stage::Failed(trouble(problem, run, tries)),
            }
        }
        drop(world);
        core.wake.notify_one();
    });
}

/// Tries again to make pods that could not be made.
fn retry_failed_pods(core: &Arc<Core>, world: &mut World) {
    let due = |pod: &PodEntry| matches!(&pod.stage, Stage::Failed(trouble) if !pod.stopping && trouble.again <= Instant::now());
    let places: Vec<_> = world.pods.iter().filter(|(_, pod)| due(pod)).map(|(place, _)| place.clone()).collect();
    for place in places {
        let Some(pod) = world.pods.get(&place) else { continue };
        let Stage::Failed(trouble) = &pod.stage else { continue };
        let (tries, ordinal, revision) = (trouble.tries, pod.info.ordinal, pod.info.revision.clone());
        let owner = (place.0.clone(), pod.info.object.clone());
        world.pods.remove(&place);
        create(core, world, &owner, place.1.clone(), ordinal, &revision, tries);
    }
}

/// Tells as an event how an object does whenever that changed.
fn tell_changes(world: &mut World, now: Timestamp) {
    let places: Vec<Place> = world.objects.iter().filter(|(_, object)| object.spec.acts()).map(|(place, _)| place.clone()).collect();
    for place in places {
        let health = of(world, &place, now);
        let message = health.message();
        let Some(object) = world.objects.get_mut(&place) else { continue };
        if object.told != message {
            object.told.clone_from(&message);
            world.tell(&place.0, &place.1, matches!(health, Health::Failed(_)), message);
        }
    }
}

/// How an object of the world does.
pub(super) fn of(world: &World, place: &Place, now: Timestamp) -> Health {
    let (namespace, key) = place;
    let Some(object) = world.objects.get(place) else {
        return Health::Progressing { message: "it is not there".to_owned(), lack: None };
    };
    let pods: Vec<(&str, &PodEntry)> = world.pods_of(namespace, key).collect();
    let service = world.services.get(&(namespace.clone(), key.name.clone())).filter(|entry| !entry.stopping && entry.shim.alive);
    health::of(key, object, &pods, service.map(|entry| (entry.status.listening.as_slice(), entry.status.problems.as_slice())), now)
}
