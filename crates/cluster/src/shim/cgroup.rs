//! Limits of memory and CPU, by control groups where this process may make them (cgroup-v1(7), cgroup-v2(7)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";
/// All groups of all Towpaths of this machine stand below this one.
const FAMILY: &str = "towpath";
/// The kernel's usual period for CPU limits, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// The groups of one container.
pub(super) struct Limits {
    folders: Vec<PathBuf>,
    /// Where the kernel counts what it killed for want of memory.
    oom_counter: Option<PathBuf>,
}

impl Limits {
    /// No limits at all.
    pub(super) fn none() -> Self {
        Self { folders: Vec::new(), oom_counter: None }
    }

    /// Makes the groups. `name` is one word, unique on this machine.
    pub(super) fn set(name: &str, memory_bytes: Option<u64>, cpu_millis: Option<u64>) -> io::Result<Self> {
        let mut limits = Self::none();
        if memory_bytes.is_none() && cpu_millis.is_none() {
            return Ok(limits);
        }
        let mount = Path::new(MOUNT);
        let set = if mount.join("cgroup.controllers").exists() {
            limits.set_v2(mount, name, memory_bytes, cpu_millis)
        } else {
            limits.set_v1(mount, name, memory_bytes, cpu_millis)
        };
        match set {
            Ok(()) => Ok(limits),
            Err(e) => {
                limits.remove();
                Err(e)
            }
        }
    }

    fn set_v1(&mut self, mount: &Path, name: &str, memory_bytes: Option<u64>, cpu_millis: Option<u64>) -> io::Result<()> {
        if let Some(bytes) = memory_bytes {
            let folder = self.make(&mount.join("memory").join(FAMILY).join(name))?;
            fs::write(folder.join("memory.limit_in_bytes"), bytes.to_string())?;
            // Only there when the kernel counts swap; without it memory would just be swapped out.
            let _ = fs::write(folder.join("memory.memsw.limit_in_bytes"), bytes.to_string());
            self.oom_counter = Some(folder.join("memory.oom_control"));
        }
        if let Some(millis) = cpu_millis {
            let folder = self.make(&mount.join("cpu").join(FAMILY).join(name))?;
            fs::write(folder.join("cpu.cfs_period_us"), CPU_PERIOD_US.to_string())?;
            fs::write(folder.join("cpu.cfs_quota_us"), quota(millis).to_string())?;
        }
        Ok(())
    }

    fn set_v2(&mut self, mount: &Path, name: &str, memory_bytes: Option<u64>, cpu_millis: Option<u64>) -> io::Result<()> {
        let family = mount.join(FAMILY);
        fs::create_dir_all(&family)?;
        for parent in [mount, &family] {
            fs::write(parent.join("cgroup.subtree_control"), "+memory +cpu")?;
        }
        let folder = self.make(&family.join(name))?;
        if let Some(bytes) = memory_bytes {
            fs::write(folder.join("memory.max"), bytes.to_string())?;
            let _ = fs::write(folder.join("memory.swap.max"), "0");
            self.oom_counter = Some(folder.join("memory.events"));
        }
        if let Some(millis) = cpu_millis {
            fs::write(folder.join("cpu.max"), format!("{} {CPU_PERIOD_US}", quota(millis)))?;
        }
        Ok(())
    }

    fn make(&mut self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        self.folders.push(folder.to_owned());
        Ok(folder.to_owned())
    }

    /// The files by which a process joins.
    pub(super) fn doors(&self) -> Vec<PathBuf> {
        self.folders.iter().map(|folder| folder.join("cgroup.procs")).collect()
    }

    /// How many processes the kernel has ended for want of memory.
    pub(super) fn out_of_memory_kills(&self) -> u64 {
        let text = self.oom_counter.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
    }

    /// Removes the groups; they must be empty. One that stays is found and used again by its name.
    pub(super) fn remove(&self) {
        for folder in &self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The kernel takes no quota below a millisecond.
fn quota(millis: u64) -> u64 {
    (millis.saturating_mul(CPU_PERIOD_US) / 1000).max(1000)
}
