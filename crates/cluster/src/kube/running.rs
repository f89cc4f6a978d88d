//! What really runs for a target.

use serde_json::Value;
use towpath_domain::{Digest, NamespaceName, TargetId};

use super::view::View;
use super::watching::{Seen, text};
use super::{Core, labels, logs};
use crate::api::{ClusterError, ObjectKey, RunningContainer};
use crate::spec::key_of;

/// Kinds whose pods go on running; those of jobs are not what is tested.
const SERVING: [&str; 5] =
    ["Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "DeploymentConfig.apps.openshift.io", "ClowdApp.cloud.redhat.com"];

/// The containers that run now for the target's objects, those of earlier revisions included that still serve.
pub(super) async fn running(core: &Core, namespace: &NamespaceName, target: &TargetId) -> Result<Vec<RunningContainer>, ClusterError> {
    let seen = snapshot(core, namespace).await?;
    let view = View::new(&seen);
    let label = labels::target_label(target);
    let mut found = Vec::new();
    for kind in SERVING {
        for object in seen.all(kind).filter(|object| labels::owner_label(object) == Some(label.as_str())) {
            let Ok(key) = key_of(object) else { continue };
            for pod in below(&view, object) {
                found.extend(containers(&key, pod));
            }
        }
    }
    Ok(found)
}

/// What may be listed: whoever may not list a kind has applied none of it either.
async fn snapshot(core: &Core, namespace: &NamespaceName) -> Result<Seen, ClusterError> {
    let mut seen = logs::snapshot(core, namespace.as_str(), &[]).await?;
    for written in SERVING {
        if seen.is_listed(written) {
            continue;
        }
        match logs::snapshot_of(core, namespace.as_str(), written, &mut seen).await {
            Ok(()) | Err(ClusterError::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(seen)
}

/// All pods below an object, of whatever revision.
pub(super) fn below<'s>(view: &View<'s>, object: &Value) -> Vec<&'s Value> {
    let mut pods = Vec::new();
    let mut above = vec![text(object, "/metadata/uid")];
    // Owners are known to form no circle, but nothing says that they cannot.
    for _ in 0..DEEP {
        let (found, between): (Vec<&'s Value>, Vec<&'s Value>) =
            above.iter().flat_map(|uid| view.all_owned_by(uid)).partition(|owned| text(owned, "/kind") == "Pod");
        pods.extend(found);
        above = between.into_iter().map(|object| text(object, "/metadata/uid")).collect();
    }
    pods
}

/// How many kinds stand between an object and its pods at most: an operator's object, a deployment and a replica set.
const DEEP: usize = 4;

/// The pod's containers that run.
fn containers(key: &ObjectKey, pod: &Value) -> Vec<RunningContainer> {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return Vec::new();
    }
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let running = statuses.into_iter().flatten().filter(|status| status.pointer("/state/running").is_some());
    running
        .map(|status| RunningContainer {
            object: key.clone(),
            pod: text(pod, "/metadata/name").to_owned(),
            container: text(status, "/name").to_owned(),
            image: image_of(pod, text(status, "/name")).to_owned(),
            digest: digest(text(status, "/imageID")),
        })
        .collect()
}

/// The image of a container as the pod names it: nodes may call it by another name.
pub(super) fn image_of<'p>(pod: &'p Value, container: &str) -> &'p str {
    for list in ["containers", "initContainers"] {
        let containers = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        if let Some(found) = containers.into_iter().flatten().find(|spec| text(spec, "/name") == container) {
            return text(found, "/image");
        }
    }
    ""
}

/// The digest of what a node runs. Without a name before it, it is the image's configuration that is named, and says nothing.
pub(super) fn digest(image_id: &str) -> Option<Digest> {
    image_id.rsplit_once('@')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_name_for_an_image_holds_its_digest_or_none() {
        let hash = format!("sha256:{}", "a".repeat(64));
        for (id, expected) in [
            (format!("docker-pullable://quay.io/a/b@{hash}"), true),
            (format!("127.0.0.1:5000/a@{hash}"), true),
            (hash.clone(), false),
            (String::new(), false),
        ] {
            assert_eq!(digest(&id).is_some(), expected, "{id}");
        }
    }
}
