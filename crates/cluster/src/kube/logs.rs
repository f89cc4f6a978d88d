//! Logs of pods, for those who ask.

use std::sync::Arc;

use futures_util::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use serde_json::Value;
use tokio::sync::mpsc;

use super::view::View;
use super::watching::text;
use super::{Core, diagnose, watching};
use crate::api::{ClusterError, LogChunk, LogRequest, LogSource};

/// How many chunks wait for a slow reader.
const CHUNKS_WAITING: usize = 16;

/// How much is read at a time, in bytes.
const CHUNK_BYTES: usize = 32 * 1024;

/// Kinds that stand between an object and its pods.
pub(super) const BETWEEN: [(&str, &str); 4] = [("v1", "Pod"), ("apps/v1", "ReplicaSet"), ("apps/v1", "Deployment"), ("batch/v1", "Job")];

/// Opens the logs that are asked for.
pub(super) async fn open(core: &Arc<Core>, request: LogRequest) -> Result<mpsc::Receiver<LogChunk>, ClusterError> {
    let pods = pods(core, &request).await?;
    let client = core.client().await.map_err(|why| core.away(why))?;
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    for pod in pods {
        let name = text(&pod, "/metadata/name").to_owned();
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array).cloned().unwrap_or_default();
        for container in containers {
            let container = text(&container, "/name").to_owned();
            if request.container.as_ref().is_some_and(|wanted| *wanted != container) {
                continue;
            }
            let api: Api<Pod> = Api::namespaced(client.clone(), request.namespace.as_str());
            tokio::spawn(read(api, name.clone(), container, request.from, request.follow, sender.clone()));
        }
    }
    Ok(receiver)
}

async fn pods(core: &Core, request: &LogRequest) -> Result<Vec<Value>, ClusterError> {
    let namespace = request.namespace.as_str();
    let missing = |what: String| ClusterError::NotFound { namespace: namespace.to_owned(), what };
    match &request.source {
        LogSource::Pod(name) => {
            let pod: Option<Value> = core.read(&format!("/api/v1/namespaces/{namespace}/pods/{name}")).await?;
            Ok(vec![pod.ok_or_else(|| missing(format!("pod {name}")))?])
        }
        LogSource::Object(key) => {
            let seen = snapshot(core, namespace, &[key.kind_and_group()]).await?;
            if seen.get(&key.kind_and_group(), &key.name).is_none() {
                return Err(missing(key.title()));
            }
            Ok(diagnose::pods(&View::new(&seen), key).into_iter().cloned().collect())
        }
    }
}

/// What a namespace holds now of the kinds that make pods, and of `kinds`, written `Kind.group`.
///
/// # Errors
/// When the cluster cannot tell, or one of them may not be listed.
pub(super) async fn snapshot(core: &Core, namespace: &str, kinds: &[String]) -> Result<watching::Seen, ClusterError> {
    let mut seen = watching::Seen::default();
    for (version, kind) in BETWEEN {
        if let Some(kind) = super::discover::kind(core, version, kind).await? {
            take(core, namespace, &kind, &mut seen).await?;
        }
    }
    for kind in kinds {
        snapshot_of(core, namespace, kind, &mut seen).await?;
    }
    Ok(seen)
}

/// Takes in what a namespace holds now of one kind, written `Kind.group`.
pub(super) async fn snapshot_of(core: &Core, namespace: &str, written: &str, seen: &mut watching::Seen) -> Result<(), ClusterError> {
    if written.starts_with("DeploymentConfig.")
        && let Some(kind) = super::discover::kind(core, "v1", "ReplicationController").await?
    {
        take(core, namespace, &kind, seen).await?;
    }
    for kind in super::discover::meant(core, written).await?.into_iter().filter(|kind| kind.namespaced) {
        take(core, namespace, &kind, seen).await?;
    }
    Ok(())
}

async fn take(core: &Core, namespace: &str, kind: &super::Kind, seen: &mut watching::Seen) -> Result<(), ClusterError> {
    let name = watching::name_of(kind);
    if !seen.is_listed(&name) {
        let list: Value = core.read(&kind.path(namespace, None)).await?.unwrap_or_default();
        seen.put(&name, kind, list);
    }
    Ok(())
}

async fn read(api: Api<Pod>, pod: String, container: String, from: u64, follow: bool, sender: mpsc::Sender<LogChunk>) {
    let params = LogParams { container: Some(container.clone()), follow, ..LogParams::default() };
    let Ok(mut stream) = Box::pin(api.log_stream(&pod, &params)).await else { return };
    let mut offset = 0_u64;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = tokio::select! {
            count = stream.read(&mut buffer) => count.unwrap_or(0),
            () = sender.closed() => return,
        };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return };
        let end = offset + count as u64;
        if end > from {
            let skip = usize::try_from(from.saturating_sub(offset)).unwrap_or(0);
            let chunk = LogChunk {
                pod: pod.clone(),
                container: container.clone(),
                offset: offset.max(from),
                bytes: bytes.get(skip..).unwrap_or_default().to_vec(),
            };
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
        offset = end;
    }
}
