//! Starts a cluster and sees to it that it goes away again.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache;
use crate::keeper::Keeper;
use crate::missing::missing_program;

/// How much of a cluster there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// etcd and the API server: nothing reconciles.
    Api,
    /// And the controllers and the scheduler: pods are made, and stay pending.
    ControlPlane,
    /// And a node: pods run.
    Node,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Api => "api",
            Level::ControlPlane => "cp",
            Level::Node => "node",
        }
    }
}

/// A cluster that runs for as long as this lives.
pub struct Started {
    /// Its data, logs and certificates.
    pub folder: PathBuf,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The programs.
    pub programs: PathBuf,
    _keeper: Keeper,
}

/// Waits for the test process to end, then takes the cluster down. While it does, it still holds the lock it was given.
const KEEP: &str = r#"read -r _; "$1/down.sh" "$2" </dev/null >/dev/null 2>&1; rm -rf "$2""#;

/// Starts a cluster; at the node level it waits until no other process has a node.
///
/// # Errors
/// What is missing on this machine.
///
/// # Panics
/// When all is there and the cluster does not start.
pub fn start(level: Level) -> Result<Started, String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("the Kubernetes for tests is one for Linux on x86-64".to_owned());
    }
    if let Some(program) = missing_program(&["bash", "curl", "openssl", "setsid", "setpriv", "tar", "xz"]) {
        return Err(format!("{program} is not installed, which starting a Kubernetes needs"));
    }
    if level == Level::Node {
        may_run_pods()?;
    }
    let programs = cache::unpacked()?;
    let node = (level == Level::Node).then(|| cache::lock("node.lock"));

    // Short paths: sockets below it may have 107 bytes.
    let folder = tempfile::Builder::new().prefix("towpath-kube-").tempdir().expect("a temporary folder can be made").keep();
    let keeper = Keeper::start(KEEP, &[&programs, &folder], &folder.join("keeper.log"), node);
    // Free ports are looked for and taken while this is held.
    let starting = cache::lock("start.lock");
    up(&programs, &folder, level).unwrap_or_else(|why| panic!("the Kubernetes for tests ({}) does not start: {why}", level.name()));
    drop(starting);
    Ok(Started { kubeconfig: folder.join("kubeconfig/admin.conf"), folder, programs, _keeper: keeper })
}

fn up(programs: &Path, folder: &Path, level: Level) -> Result<(), String> {
    let node =
        if level == Level::Node { node_programs(programs, folder).map_err(|error| error.to_string())? } else { programs.join("node") };
    let log = folder.join("up.log");
    let out = File::create(&log).map_err(|error| error.to_string())?;
    let also = out.try_clone().map_err(|error| error.to_string())?;
    // When this thread goes, so does the script: the keeper then finds all that it started so far.
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "bash"])
        .arg(programs.join("up.sh"))
        .arg(folder)
        .arg(level.name())
        .envs([("ASSETS", programs.join("envtest")), ("CPBIN", programs.join("controlplane")), ("NODEBIN", node)])
        .env_remove("KUBECONFIG")
        .stdin(std::process::Stdio::null())
        .stdout(out)
        .stderr(also)
        .status()
        .map_err(|error| format!("setpriv: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("up.sh: {status}\n{}", fs::read_to_string(&log).unwrap_or_default()))
}

/// The node's programs, with a kubelet that may ask as much of the API server as those since 1.27 do. At the 5 requests and 5 events a second of before,
/// that a container ended is known many seconds later when a dozen pods start at once, and events are minutes behind when another test's many pods
/// came and went.
fn node_programs(programs: &Path, folder: &Path) -> std::io::Result<PathBuf> {
    let (all, own) = (programs.join("node"), folder.join("node"));
    fs::create_dir(&own)?;
    for entry in fs::read_dir(&all)? {
        let entry = entry?;
        if entry.file_name() != "kubelet" {
            symlink(entry.path(), own.join(entry.file_name()))?;
        }
    }
    let kubelet = format!(
        "#!/bin/sh\nexec '{}' \"$@\" --kube-api-qps=50 --kube-api-burst=100 --event-qps=50 --event-burst=100\n",
        all.join("kubelet").display()
    );
    fs::write(own.join("kubelet"), kubelet)?;
    fs::set_permissions(own.join("kubelet"), fs::Permissions::from_mode(0o755))?;
    Ok(own)
}

/// Whether this process may mount, make bridges and start containers.
fn may_run_pods() -> Result<(), String> {
    const NET_ADMIN: u32 = 12;
    const SYS_ADMIN: u32 = 21;
    if !rustix::process::geteuid().is_root() {
        return Err("only root can run a Kubernetes node".to_owned());
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:")).and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    if held.is_none_or(|held| held & (1 << NET_ADMIN) == 0 || held & (1 << SYS_ADMIN) == 0) {
        return Err("this root may not mount or make bridges, which a Kubernetes node needs".to_owned());
    }
    if let Some(program) = missing_program(&["ip", "nsenter"]) {
        return Err(format!("{program} is not installed, which a Kubernetes node needs"));
    }
    Ok(())
}
