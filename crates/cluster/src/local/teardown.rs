//! Ends all pods and services of a runtime whose Towpath is stopped, for when an installation is taken down.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::api::ClusterError;
use crate::files::{self, Durability};
use crate::pod::{PodDir, Process, Status};
use crate::shim::{ProxyDir, ProxyStatus};

/// Between two looks at whether they are gone.
const LOOK: Duration = Duration::from_millis(10);

/// Ends every pod and service below `dir` and waits until they are gone. What is wanted stays written down: the next start brings
/// it back. Answers with how many were ended.
///
/// # Errors
/// [`ClusterError::InUse`] while a Towpath works there, since it would start them again; [`ClusterError::Storage`] when the directory cannot
/// be read, or something has not ended `within` that time.
pub fn stop_everything(dir: &Path, within: Duration) -> Result<usize, ClusterError> {
    let storage = |source| ClusterError::Storage { what: format!("ending what runs below {}", dir.display()), source };
    if !dir.exists() {
        return Ok(0);
    }
    let lock = files::lock_patiently(&dir.join("lock")).map_err(storage)?;
    let _lock = lock.ok_or_else(|| ClusterError::InUse { dir: dir.display().to_string() })?;
    let mut ending: Vec<(PathBuf, Option<PathBuf>)> = Vec::new();
    for path in folders(&dir.join("pods")).map_err(storage)? {
        let pod = PodDir::new(path);
        if files::is_locked(&pod.lock()) {
            let status: Option<Status> = files::read_json(&pod.status()).map_err(storage)?;
            signal(status.and_then(|status| status.shim));
            ending.push((pod.lock(), None));
        }
    }
    for path in folders(&dir.join("services")).map_err(storage)? {
        let proxy = ProxyDir::new(path);
        if files::is_locked(&proxy.lock()) {
            files::write_atomic(&proxy.stop(), b"", Durability::Process).map_err(storage)?;
            let status: Option<ProxyStatus> = files::read_json(&proxy.status()).map_err(storage)?;
            signal(status.and_then(|status| status.shim));
            ending.push((proxy.lock(), Some(proxy.stop())));
        }
    }
    let begun = Instant::now();
    for (held, order) in &ending {
        while files::is_locked(held) {
            if begun.elapsed() > within {
                return Err(storage(io::Error::new(io::ErrorKind::TimedOut, format!("{} is still held", held.display()))));
            }
            std::thread::sleep(LOOK);
        }
        // An order that stays would end the next proxy, too.
        if let Some(order) = order {
            std::fs::remove_file(order).map_err(storage)?;
        }
    }
    Ok(ending.len())
}

fn signal(shim: Option<Process>) {
    super::pods::signal_stop(shim);
}

/// The folders two levels below `dir`: namespace, then name.
fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for (_, namespace) in files::entries(dir)? {
        found.extend(files::entries(&namespace)?.into_iter().map(|(_, path)| path));
    }
    Ok(found)
}
