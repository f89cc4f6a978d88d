//! One container: started, watched, ended, started again.

use std::fs;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::cgroup::Limits;
use super::exec::{EXIT_NO_PROGRAM, Order};
use super::launch::Launch;
use super::supervisor::{ContainerId, Pod};
use super::{ports, probe};
use crate::api::Reason;
use crate::pod::logs::LogWriter;
use crate::pod::{ContainerPlan, Exit, PortStatus, Problem, Process, kill_leftovers};
use crate::spec::RestartPolicy;

/// The pause before the first start anew. It quadruples with each quick end, so that a slip costs nothing and a loop costs little.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A container that ran this long did start: its next end begins the count anew.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// How long the end of the log is waited for when something still holds it open.
const LOG_END_MAX: Duration = Duration::from_secs(1);

/// How a container came to its end for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Succeeded,
    Failed,
    Stopped,
}

/// Runs the container until nothing follows.
pub(super) async fn run(pod: Arc<Pod>, id: ContainerId) -> Ended {
    let Some(plan) = pod.container(id).cloned() else { return Ended::Failed };
    let restart = match pod.plan.restart {
        // An init container's success is what is waited for; it is never repeated.
        RestartPolicy::Always if id.init => RestartPolicy::OnFailure,
        policy => policy,
    };
    let mut allotted = Vec::new();
    loop {
        if pod.is_stopping() {
            return Ended::Stopped;
        }
        let end = match attempt(&pod, id, &plan, &mut allotted).await {
            Ok(exit) => exit,
            Err(problem) => {
                let permanent = problem.reason == Reason::CommandMissing;
                pod.update(|status| {
                    if let Some(container) = status.containers.get_mut(id.at) {
                        container.problem = Some(problem);
                    }
                });
                if restart == RestartPolicy::Never {
                    return Ended::Failed;
                }
                pod.stop_or(if permanent { Duration::MAX } else { PAUSE_MAX }).await;
                continue;
            }
        };
        if pod.is_stopping() {
            return Ended::Stopped;
        }
        match (restart, end.is_success()) {
            (RestartPolicy::Never | RestartPolicy::OnFailure, true) => return Ended::Succeeded,
            (RestartPolicy::Never, false) => return Ended::Failed,
            (RestartPolicy::OnFailure, false) | (RestartPolicy::Always, _) => {}
        }
        let crashes = pod.read(|status| status.containers.get(id.at).map_or(1, |container| container.crashes)).max(1);
        let pause = PAUSE_FIRST.saturating_mul(4_u32.saturating_pow(crashes - 1)).min(PAUSE_MAX);
        pod.stop_or(pause).await;
        pod.update(|status| {
            if let Some(container) = status.containers.get_mut(id.at) {
                container.restarts += 1;
            }
        });
    }
}

/// One start of the container, to its end.
async fn attempt(pod: &Arc<Pod>, id: ContainerId, plan: &ContainerPlan, allotted: &mut Vec<PortStatus>) -> Result<Exit, Problem> {
    let host = |what: &str, e: io::Error| Problem { reason: Reason::Host, message: format!("container {}: {what}: {e}", plan.name) };
    *allotted = ports::allot(&plan.ports, allotted).ok_or_else(|| Problem {
        reason: Reason::Host,
        message: format!("container {}: no port of this machine is free; end what holds them", plan.name),
    })?;
    let launch = Launch::of_container(&pod.plan, &pod.dir, plan, allotted)?;
    let log =
        LogWriter::open(&pod.dir.logs(&plan.name), pod.plan.host.log_segment_bytes).map_err(|e| host("its log cannot be opened", e))?;
    let limits = limits(pod, plan);
    let kills_before = limits.out_of_memory_kills();

    let error_file = pod.dir.scratch(&plan.name).join(".exec-error");
    let _ = fs::remove_file(&error_file);
    // Written down, then done: if the shim dies in between, nobody takes this container for one that never ran.
    pod.update(|status| {
        if let Some(container) = status.containers.get_mut(id.at) {
            container.begun = true;
        }
    });
    let started = Instant::now();
    let (mut child, output) = spawn(pod, &launch, &limits, &error_file).map_err(|e| host("its process cannot be started", e))?;
    let process = child.id().and_then(Process::find);
    let log_end = tokio::spawn(copy_log(output, log));
    pod.update(|status| {
        status.notes.extend(launch.note.clone());
        if let Some(container) = status.containers.get_mut(id.at) {
            container.process = process;
            container.ports.clone_from(allotted);
            container.problem = None;
            container.probe = None;
        }
    });

    let (verdict_to, mut verdict) = mpsc::channel(1);
    let probes = tokio::spawn(probe::watch(pod.clone(), id, plan.clone(), allotted.clone(), verdict_to));
    let mut failed_probe = None;
    let status = tokio::select! {
        status = child.wait() => status,
        () = pod.stopped() => terminate(pod, &mut child).await,
        Some(why) = verdict.recv() => {
            failed_probe = Some(why);
            terminate(pod, &mut child).await
        }
    };
    probes.abort();
    let status = status.map_err(|e| host("its process was lost", e))?;
    let marker = format!("{}.{}", pod.plan.uid, plan.name);
    let _ = tokio::task::spawn_blocking(move || kill_leftovers(&marker, process)).await;
    finish_log(log_end).await;

    let out_of_memory = limits.out_of_memory_kills() > kills_before && !status.success();
    limits.remove();
    if let Ok(why) = fs::read_to_string(&error_file) {
        let reason = if status.code() == Some(i32::from(EXIT_NO_PROGRAM)) { Reason::CommandMissing } else { Reason::Host };
        pod.update(|status| end_in(status, id, None, started.elapsed()));
        return Err(Problem { reason, message: format!("container {}: {why}", plan.name) });
    }
    let exit = Exit {
        code: status.code(),
        signal: std::os::unix::process::ExitStatusExt::signal(&status),
        out_of_memory,
        probe: failed_probe,
        ran_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    pod.update(|status| end_in(status, id, Some(exit.clone()), started.elapsed()));
    Ok(exit)
}

/// Notes in `status` that the container's process is gone.
fn end_in(status: &mut crate::pod::Status, id: ContainerId, exit: Option<Exit>, ran: Duration) {
    let Some(container) = status.containers.get_mut(id.at) else { return };
    container.process = None;
    container.ready = false;
    container.crashes = if ran >= STABLE_AFTER { 1 } else { container.crashes + 1 };
    container.last_exit = exit.or(container.last_exit.take());
}

fn limits(pod: &Arc<Pod>, plan: &ContainerPlan) -> Limits {
    let name = format!("{}-{}", pod.plan.uid, plan.name);
    Limits::set(&name, plan.memory_bytes, plan.cpu_millis).unwrap_or_else(|e| {
        let note = format!("container {}: its limits are not enforced: this process may not make control groups ({e})", plan.name);
        pod.update(|status| {
            status.notes.insert(note);
        });
        Limits::none()
    })
}

fn spawn(pod: &Arc<Pod>, launch: &Launch, limits: &Limits, error_file: &std::path::Path) -> io::Result<(Child, pipe::Receiver)> {
    // One pipe for both streams keeps what was printed in the order in which it was printed.
    let (output, input) = io::pipe()?;
    let order = Order {
        parent: std::process::id(),
        error: error_file.to_owned(),
        groups: limits.doors(),
        program: launch.program.clone(),
        argv: launch.argv.clone(),
    };
    let mut command = pod.shim_command()?;
    command.args(order.args()).env_clear().envs(&launch.env).current_dir(&launch.workdir);
    command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input).kill_on_drop(true);
    let child = command.spawn()?;
    drop(command);
    Ok((child, pipe::Receiver::from_owned_fd(output.into())?))
}

/// Asks the container's processes to end; ends them when the grace period has passed.
async fn terminate(pod: &Arc<Pod>, child: &mut Child) -> io::Result<std::process::ExitStatus> {
    signal_group(child, Signal::TERM);
    match tokio::time::timeout(Duration::from_millis(pod.plan.grace_ms), child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            signal_group(child, Signal::KILL);
            child.wait().await
        }
    }
}

/// The child leads its own group, and until it is waited for, the group's id cannot be another's.
pub(super) fn signal_group(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw) {
        // Before it has become a leader there is no group: then it is the only process.
        if rustix::process::kill_process_group(pid, signal).is_err() {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

async fn copy_log(output: pipe::Receiver, mut log: LogWriter) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if output.readable().await.is_err() {
            return;
        }
        match output.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => {
                // A full disk must not stop the container: what cannot be kept is read and dropped.
                let _ = log.append(buffer.get(..len).unwrap_or_default());
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn finish_log(mut copying: JoinHandle<()>) {
    if tokio::time::timeout(LOG_END_MAX, &mut copying).await.is_err() {
        copying.abort();
    }
}

/// For probes: a child that is not a container.
pub(super) fn probe_command(pod: &Arc<Pod>, launch: &Launch, container: &str) -> io::Result<Command> {
    let order = Order {
        parent: std::process::id(),
        error: pod.dir.scratch(container).join(".probe-error"),
        groups: Vec::new(),
        program: launch.program.clone(),
        argv: launch.argv.clone(),
    };
    let mut command = pod.shim_command()?;
    command.args(order.args()).env_clear().envs(&launch.env).current_dir(&launch.workdir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(command)
}
