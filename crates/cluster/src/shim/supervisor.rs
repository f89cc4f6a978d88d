//! A pod's life: its init containers one by one, then its containers side by side, until they end or the pod is stopped.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use std::os::unix::net::UnixDatagram;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::container::{self, Ended};
use crate::clock::now;
use crate::files::{self, Durability};
use crate::pod::{ContainerPlan, ContainerStatus, Phase, PodDir, PodPlan, Process, Status, StopOrder, kill_leftovers};
use crate::spec::RestartPolicy;

/// How often the stop file is looked for. The controllers also send a signal: this is for the signal that was lost.
const STOP_LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which container: its place in `Status::containers`, init containers first.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContainerId {
    pub(super) init: bool,
    pub(super) at: usize,
}

/// What all tasks of a shim share.
pub(super) struct Pod {
    pub(super) plan: PodPlan,
    pub(super) dir: PodDir,
    status: Mutex<Status>,
    stop: watch::Sender<bool>,
}

/// Looks after the pod in `dir` to its end.
pub(super) fn run(dir: &PodDir) -> Result<(), String> {
    super::detach();
    // Whoever loses its parent within the pod comes to the shim, and so is never lost.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let Some(_lock) = files::try_lock(&dir.lock()).map_err(|e| format!("the pod's lock cannot be taken: {e}"))? else {
        return Ok(());
    };
    let plan: PodPlan = files::read_json(&dir.plan()).map_err(|e| e.to_string())?.ok_or("the pod has no plan")?;
    let before: Option<Status> = files::read_json(&dir.status()).unwrap_or_default();
    kill_leftovers(&format!("{}.", plan.uid), None);
    if before.as_ref().is_some_and(|status| status.phase.is_final()) {
        return Ok(());
    }
    let was_begun = before.is_some_and(|status| status.containers.iter().any(|container| container.begun));
    let pod = Arc::new(Pod { status: Mutex::new(first_status(&plan)), plan, dir: dir.clone(), stop: watch::Sender::new(false) });
    if was_begun && pod.plan.restart == RestartPolicy::Never {
        // What was cut short is not done twice: whoever wants it again makes a new pod.
        pod.update(|status| {
            status.phase = Phase::Failed;
            status.interrupted = true;
        });
        return Ok(());
    }
    pod.update(|_| {});
    super::runtime()?.block_on(supervise(&pod))
}

fn first_status(plan: &PodPlan) -> Status {
    let container = |init| move |plan: &ContainerPlan| ContainerStatus { name: plan.name.clone(), init, ..ContainerStatus::default() };
    Status {
        shim: Process::find(std::process::id()),
        started: now(),
        containers: plan.init.iter().map(container(true)).chain(plan.containers.iter().map(container(false))).collect(),
        ..Status::default()
    }
}

async fn supervise(pod: &Arc<Pod>) -> Result<(), String> {
    let mut terminated = signal(SignalKind::terminate()).map_err(|e| format!("signals cannot be received: {e}"))?;
    let stopping = pod.clone();
    tokio::spawn(async move {
        let order = loop {
            if let Ok(Some(order)) = files::read_json::<StopOrder>(&stopping.dir.stop()) {
                break order;
            }
            if !stopping.dir.plan().exists() {
                // Somebody deleted the pod's folder: nobody can want the pod any more.
                break StopOrder::default();
            }
            tokio::select! {
                _ = terminated.recv() => break files::read_json(&stopping.dir.stop()).ok().flatten().unwrap_or_default(),
                () = tokio::time::sleep(STOP_LOOK_EVERY) => {}
            }
        };
        tokio::time::sleep(Duration::from_millis(order.drain_ms)).await;
        stopping.stop.send_replace(true);
    });
    let phase = live(pod).await;
    pod.update(|status| {
        status.phase = phase;
        status.ready = false;
    });
    Ok(())
}

/// Runs all containers and says how the pod ended.
async fn live(pod: &Arc<Pod>) -> Phase {
    let init = pod.plan.init.len();
    for at in 0..init {
        match container::run(pod.clone(), ContainerId { init: true, at }).await {
            Ended::Succeeded => {}
            Ended::Failed => return Phase::Failed,
            Ended::Stopped => return Phase::Stopped,
        }
    }
    pod.update(|status| status.phase = Phase::Running);
    let ids = (init..init + pod.plan.containers.len()).map(|at| ContainerId { init: false, at });
    let running: Vec<_> = ids.map(|id| tokio::spawn(container::run(pod.clone(), id))).collect();
    let mut phase = Phase::Succeeded;
    for container in running {
        match container.await {
            Ok(Ended::Succeeded) => {}
            Ok(Ended::Stopped) => phase = Phase::Stopped,
            // A task that panicked is a failure of the shim, and the container's end.
            Ok(Ended::Failed) | Err(_) if phase != Phase::Stopped => phase = Phase::Failed,
            Ok(Ended::Failed) | Err(_) => {}
        }
    }
    phase
}

impl Pod {
    /// The plan of a container.
    pub(super) fn container(&self, id: ContainerId) -> Option<&ContainerPlan> {
        if id.init { self.plan.init.get(id.at) } else { self.plan.containers.get(id.at.checked_sub(self.plan.init.len())?) }
    }

    /// How this shim starts itself again.
    pub(super) fn shim_command(&self) -> io::Result<Command> {
        let (program, args) = self
            .plan
            .host
            .shim_command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no shim command is set"))?;
        let mut command = Command::new(program);
        command.args(args);
        Ok(command)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        // A status is plain data: it is whole even when a task panicked while holding it.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Status) -> T) -> T {
        read(&self.status())
    }

    /// Changes the status, writes it and wakes the controllers.
    pub(super) fn update(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status();
        let before = status.clone();
        change(&mut status);
        status.ready = status.phase == Phase::Running && status.containers.iter().all(|container| container.init || container.ready);
        if status.ready != before.ready {
            status.ready_since = status.ready.then(now);
        }
        if status.phase != before.phase && !matches!(status.phase, Phase::Starting | Phase::Running) {
            status.ended = Some(now());
        }
        if *status == before && self.dir.status().exists() {
            return;
        }
        // If the disk is full the controllers see the old status; the next change tries again.
        let _ = files::write_json(&self.dir.status(), &*status, Durability::Process);
        drop(status);
        wake(&self.plan.host.wake);
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Done when the pod is to stop.
    pub(super) async fn stopped(&self) {
        // The sender is in `self`: it is there as long as anybody waits.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// Waits for `pause`, or until the pod is to stop.
    pub(super) async fn stop_or(&self, pause: Duration) {
        let _ = tokio::time::timeout(pause, self.stopped()).await;
    }
}

/// Tells the controllers that there is something to see. If they do not listen now, they look when they start.
pub(super) fn wake(socket: &std::path::Path) {
    if let Ok(sender) = UnixDatagram::unbound() {
        let _ = sender.set_nonblocking(true);
        let _ = sender.send_to(b"w", socket);
    }
}
