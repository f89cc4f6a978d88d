//! Processes of this machine, named so that a reused process id is never taken for the old process.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use serde::{Deserialize, Serialize};

/// The variable that marks every process of a pod. Its value is the pod's uid, a dot and the container's name.
pub(crate) const MARKER: &str = "TOWPATH_POD";

/// A process: its id and when it started, in the kernel's clock ticks since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start: u64,
}

/// What `/proc/<pid>/stat` says.
struct Stat {
    group: u32,
    start: u64,
    zombie: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything: count from the last one. Fields as in proc(5).
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
    Some(Stat { zombie: matches!(*fields.first()?, "Z" | "X"), group: fields.get(2)?.parse().ok()?, start: fields.get(19)?.parse().ok()? })
}

impl Process {
    /// The process with this id, if there is one that still runs.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        stat(pid).filter(|stat| !stat.zombie).map(|stat| Self { pid, start: stat.start })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        Self::find(self.pid) == Some(*self)
    }

    /// Sends it a signal, and never to another that got its id. Whether it was there.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        // The handle holds on to the process found now: if that is the right one, the signal reaches the right one.
        self.is_alive() && pidfd_send_signal(&handle, signal).is_ok()
    }
}

/// All processes with this marker (with one that ends in a dot: all whose marker begins with it), and those of the group of `leader`.
pub(crate) fn marked(marker: &str, leader: Option<Process>) -> Vec<Process> {
    let Ok(listing) = fs::read_dir("/proc") else { return Vec::new() };
    let wanted = format!("{MARKER}={marker}").into_bytes();
    let is_wanted = |entry: &[u8]| if marker.ends_with('.') { entry.starts_with(&wanted) } else { entry == wanted };
    // A group's id is not given away while the group has members; its leader, if there, must be the one that was recorded.
    let group = leader.filter(|leader| stat(leader.pid).is_some_and(|stat| stat.start == leader.start)).map(|leader| leader.pid);
    let mut found = Vec::new();
    for pid in listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let Some(stat) = stat(pid).filter(|stat| !stat.zombie) else { continue };
        let environment = || fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if group == Some(stat.group) || environment().split(|b| *b == 0).any(is_wanted) {
            found.push(Process { pid, start: stat.start });
        }
    }
    found
}

/// Ends all processes found by [`marked`], and those they start meanwhile. Whether none is left.
pub(crate) fn kill_leftovers(marker: &str, leader: Option<Process>) -> bool {
    let mut signalled = BTreeSet::new();
    // A process that forks faster than it is killed would need a cgroup; twenty rounds bound the work.
    for _ in 0..20 {
        let found = marked(marker, leader);
        if found.is_empty() {
            return true;
        }
        for process in found {
            process.signal(Signal::KILL);
            signalled.insert(process.pid);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
        // Orphans are handed to the shim; it must take leave of them, or they stay as zombies. Of those of others, nothing is heard.
        for pid in signalled.iter().filter_map(|pid| i32::try_from(*pid).ok().and_then(Pid::from_raw)) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
    tracing::warn!(count = signalled.len(), "processes of an ended pod are still there");
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn leftovers_are_found_by_their_marker_and_ended_and_nobody_else_is() {
        let uid = format!("test-{}", std::process::id());
        let sleeper = |value: &str| {
            Command::new("sleep")
                .arg("1000")
                .env(MARKER, value)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let mut own = sleeper(&format!("{uid}.web"));
        let mut other = sleeper(&format!("other-{uid}.web"));
        // A child inherits the environment that marks it only once it has replaced itself.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while marked(&format!("{uid}."), None).is_empty() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        let process = Process::find(own.id()).unwrap();
        assert_eq!(marked(&format!("{uid}."), None), [process]);
        assert!(kill_leftovers(&format!("{uid}."), None));
        // Whoever ended it also took leave of it.
        let _ = own.wait();
        assert!(!process.is_alive() && !process.signal(Signal::KILL));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_reused_process_id_is_not_taken_for_the_old_process() {
        let own = Process::find(std::process::id()).unwrap();
        assert!(own.is_alive());
        let old = Process { start: own.start - 1, ..own };
        assert!(!old.is_alive() && !old.signal(Signal::KILL));
    }
}
