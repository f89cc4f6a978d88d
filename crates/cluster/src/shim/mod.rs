//! The process that looks after one pod, or one service's proxy, and survives Towpath.
//!
//! Towpath starts itself again as a shim (`Settings::shim_command`) for each pod. The shim starts the containers, captures what they
//! print, probes them, starts them again when they end, and tells all this in `status.json`. When Towpath ends, the shim goes on;
//! when Towpath is there again, it finds the shim by its lock. When the shim is killed, its containers are, too.

mod cgroup;
mod container;
mod exec;
mod expand;
mod launch;
mod ports;
mod probe;
mod proxy;
mod scope;
mod supervisor;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::files::{self, Durability};
use crate::pod::PodDir;

pub(crate) use launch::variable_name;
pub(crate) use ports::is_free as port_is_free;
pub(crate) use proxy::{Endpoints, ProxyDir, ProxyPlan, ProxyStatus};
pub(crate) use scope::resolve as resolve_within;

/// Runs a shim to its end. `args` follow the words of `Settings::shim_command`: `pod DIR`, `proxy DIR`, or `exec …`, which shims
/// themselves use to become a container.
///
/// A shim that fails says why in `shim-error` in its folder: it has nobody to print to.
#[must_use]
pub fn main(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (dir, result) = match words.as_slice() {
        ["pod", dir] => (PathBuf::from(dir), supervisor::run(&PodDir::new(*dir))),
        ["proxy", dir] => (PathBuf::from(dir), proxy::run(&ProxyDir::new(*dir))),
        ["exec", rest @ ..] => return exec::run(rest),
        _ => return ExitCode::from(2),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell(&dir, &why);
            ExitCode::FAILURE
        }
    }
}

fn tell(dir: &Path, why: &str) {
    // Nothing more can be done when even this fails: the exit code tells the rest.
    let _ = files::write_atomic(&PodDir::new(dir).error(), why.as_bytes(), Durability::Process);
}

/// Leaves the session and process group of whoever started the shim, so that no signal to those reaches it.
fn detach() {
    // Fails only for the leader of a group, which a started process is not.
    let _ = rustix::process::setsid();
}

/// The runtime of a shim: one thread is plenty, and the containers' death signal is tied to the thread that starts them.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| format!("the shim cannot start: {e}"))
}
