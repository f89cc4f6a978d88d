//! Logs, as they were printed and as they are being printed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use towpath_domain::NamespaceName;

use super::Core;
use crate::api::{ClusterError, LogChunk, LogRequest, LogSource};
use crate::pod::PodDir;
use crate::pod::logs;

/// How often a log that is followed is looked at. People read no faster.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many chunks wait for a slow reader.
const CHUNKS_WAITING: usize = 16;

struct Reader {
    pod: String,
    dir: PodDir,
    container: String,
    at: u64,
}

/// Opens the logs that are asked for.
pub(super) fn open(core: &Arc<Core>, request: LogRequest) -> Result<mpsc::Receiver<LogChunk>, ClusterError> {
    let readers = readers(core, &request)?;
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    let (core, namespace, follow) = (Arc::downgrade(core), request.namespace, request.follow);
    tokio::spawn(read(core, namespace, readers, follow, sender));
    Ok(receiver)
}

fn readers(core: &Core, request: &LogRequest) -> Result<Vec<Reader>, ClusterError> {
    let world = core.world();
    let mut readers = Vec::new();
    let mut found = false;
    if let LogSource::Object(key) = &request.source {
        found = world.objects.contains_key(&(request.namespace.clone(), key.clone()));
    }
    for ((namespace, name), pod) in &world.pods {
        let wanted = match &request.source {
            LogSource::Object(key) => pod.info.object == *key,
            LogSource::Pod(wanted) => name == wanted,
        };
        if *namespace != request.namespace || !wanted {
            continue;
        }
        found = true;
        for container in pod.info.containers.iter().filter(|name| request.container.as_ref().is_none_or(|wanted| wanted == *name)) {
            readers.push(Reader { pod: name.clone(), dir: pod.dir.clone(), container: container.clone(), at: request.from });
        }
    }
    if found {
        return Ok(readers);
    }
    let what = match &request.source {
        LogSource::Object(key) => key.title(),
        LogSource::Pod(name) => format!("pod {name}"),
    };
    Err(ClusterError::NotFound { namespace: request.namespace.to_string(), what })
}

async fn read(core: Weak<Core>, namespace: NamespaceName, mut readers: Vec<Reader>, follow: bool, sender: mpsc::Sender<LogChunk>) {
    loop {
        // Asked before reading: what a pod printed before its end is read after it.
        let alive = follow && readers.iter().any(|reader| is_alive(&core, &namespace, &reader.pod));
        for reader in &mut readers {
            while let Ok((offset, bytes)) = logs::read_from(&reader.dir.logs(&reader.container), reader.at)
                && !bytes.is_empty()
            {
                reader.at = offset + bytes.len() as u64;
                let chunk = LogChunk { pod: reader.pod.clone(), container: reader.container.clone(), offset, bytes };
                if sender.send(chunk).await.is_err() {
                    return;
                }
            }
        }
        if !alive {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = sender.closed() => return,
        }
    }
}

/// Whether the pod may print something yet.
fn is_alive(core: &Weak<Core>, namespace: &NamespaceName, pod: &str) -> bool {
    let Some(core) = core.upgrade() else { return false };
    let world = core.world();
    let Some(pod) = world.pods.get(&(namespace.clone(), pod.to_owned())) else { return false };
    let ended = pod.status.as_ref().is_some_and(|status| status.phase.is_final());
    pod.shim.alive || !(ended || pod.stopping)
}
