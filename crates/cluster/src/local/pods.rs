//! Pods' processes: seen, started, stopped, taken away.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::de::DeserializeOwned;
use tokio::process::Command;

use super::world::{Named, PodEntry, Shim, Stage, World};
use super::{Core, store};
use crate::files::{self, Durability, FileIdentity};
use crate::pod::{Phase, Process, Status, StopOrder, kill_leftovers};

/// How long an old pod goes on serving after the services have left it: connections that were on their way still arrive.
pub(super) const DRAIN_MS: u64 = 300;
/// A shim that ends at once is started again after this pause, doubled with each time.
const SHIM_PAUSE: Duration = Duration::from_millis(100);
const SHIM_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Reads a file that is replaced as a whole, if it is another one than `seen`.
pub(super) fn read_if_new<T: DeserializeOwned>(path: &Path, seen: &mut Option<FileIdentity>) -> Option<T> {
    let identity = FileIdentity::of(path)?;
    if *seen == Some(identity) {
        return None;
    }
    let value = files::read_json(path).ok().flatten()?;
    *seen = Some(identity);
    Some(value)
}

/// Sees how all pods do, and takes away those that have ended and that nobody needs.
pub(super) fn observe(world: &mut World) {
    let mut gone = Vec::new();
    for (place, pod) in &mut world.pods {
        match pod.stage {
            Stage::Preparing => continue,
            Stage::Failed(_) => {
                if pod.stopping {
                    gone.push(place.clone());
                }
                continue;
            }
            Stage::Made => {}
        }
        // In this order: a shim's last status is written before it lets go of its lock.
        pod.shim.alive = pod.shim.has_child() || files::is_locked(&pod.dir.lock());
        if let Some(status) = read_if_new(&pod.dir.status(), &mut pod.seen) {
            pod.status = Some(status);
        }
        // What a shim that is gone said of running containers no longer holds; the next shim tells anew.
        let holds = |status: &Status| status.phase.is_final() || status.shim.is_some_and(|shim| shim.is_alive());
        if !pod.status.as_ref().is_none_or(holds) {
            pod.status = None;
        }
        if pod.stopping && !pod.shim.alive {
            gone.push(place.clone());
        }
    }
    for place in gone {
        if !is_kept(world, &place)
            && let Some(pod) = world.pods.get(&place)
        {
            kill_leftovers(&format!("{}.", pod.info.uid), None);
            match store::discard(&world.dir, pod.dir.path(), &place.1) {
                Ok(()) => {
                    world.pods.remove(&place);
                }
                Err(e) => tracing::warn!(pod = %place.1, error = %e, "a pod's folder cannot be taken away"),
            }
        }
    }
}

/// A finished job's pods stay, with their logs, until the job is replaced or deleted.
fn is_kept(world: &World, place: &Named) -> bool {
    let Some(pod) = world.pods.get(place) else { return false };
    let object = world.objects.get(&(place.0.clone(), pod.info.object.clone()));
    let end = object.and_then(|object| object.record.state.job_end.as_ref());
    end.is_some_and(|end| end.revision == pod.info.revision)
}

/// Starts a shim for each pod that needs one.
pub(super) fn start_shims(core: &Arc<Core>, world: &mut World) {
    for ((namespace, name), pod) in &mut world.pods {
        let over = pod.status.as_ref().is_some_and(|status| status.phase.is_final());
        if pod.shim.alive || pod.stopping || over || !matches!(pod.stage, Stage::Made) {
            continue;
        }
        if let Err(e) = start_shim(core, &mut pod.shim, "pod", pod.dir.path()) {
            tracing::warn!(%namespace, pod = %name, error = %e, "a pod's shim cannot be started");
        }
    }
}

/// Starts a shim, unless the last one ended a moment ago.
pub(super) fn start_shim(core: &Arc<Core>, shim: &mut Shim, what: &str, dir: &Path) -> io::Result<()> {
    let pause = SHIM_PAUSE.saturating_mul(2_u32.saturating_pow(shim.starts.saturating_sub(1))).min(SHIM_PAUSE_MAX);
    if shim.starts > 0 && shim.last_start.is_some_and(|last| last.elapsed() < pause) {
        return Ok(());
    }
    if shim.last_start.is_some_and(|last| last.elapsed() > SHIM_PAUSE_MAX) {
        shim.starts = 0;
    }
    shim.starts += 1;
    shim.last_start = Some(Instant::now());
    let (program, args) = core.settings.shim_command.split_first().ok_or_else(|| io::Error::other("no shim command is set"))?;
    let mut command = Command::new(program);
    command.args(args).arg(what).arg(dir).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    shim.child.store(true, Ordering::Release);
    shim.alive = true;
    let (flag, core) = (shim.child.clone(), Arc::downgrade(core));
    // Waited for so that it does not stay as a zombie, and to see its end at once.
    tokio::spawn(async move {
        let _ = child.wait().await;
        flag.store(false, Ordering::Release);
        if let Some(core) = core.upgrade() {
            core.wake.notify_one();
        }
    });
    Ok(())
}

/// Asks a pod to end. Asked again, it does no harm.
pub(super) fn stop(pod: &mut PodEntry, drain_ms: u64) -> io::Result<()> {
    if let Stage::Made = pod.stage {
        let serves = pod.status.as_ref().is_some_and(|status| status.phase == Phase::Running && status.ready);
        let order = StopOrder { drain_ms: if serves { drain_ms } else { 0 } };
        files::write_json(&pod.dir.stop(), &order, Durability::Power)?;
        signal_stop(pod.status.as_ref().and_then(|status| status.shim));
    }
    pod.stopping = true;
    Ok(())
}

/// Wakes a shim to look at its stop file.
pub(super) fn signal_stop(shim: Option<Process>) {
    if let Some(shim) = shim {
        shim.signal(Signal::TERM);
    }
}
