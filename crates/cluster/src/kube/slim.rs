//! Objects without what nobody here reads: those of hundreds of namespaces are kept at a time. Pure.

use serde_json::{Map, Value};

/// What is read of the metadata of any object.
const METADATA: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "generation",
    "labels",
    "annotations",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// What is read of an event.
const EVENT: [&str; 8] = ["type", "reason", "message", "count", "lastTimestamp", "eventTime", "firstTimestamp", "involvedObject"];

/// What is read of a pod's wishes, and of those of its containers.
const POD: [&str; 6] = ["containers", "initContainers", "nodeName", "restartPolicy", "volumes", "schedulingGates"];
const CONTAINER: [&str; 5] = ["name", "image", "resources", "readinessProbe", "restartPolicy"];

/// Annotations that hold whole objects.
const LONG: [&str; 2] = ["kubectl.kubernetes.io/last-applied-configuration", "banzaicloud.com/last-applied"];

/// Strips the object, of kind and group `kind` such as `Deployment.apps`.
pub(super) fn slim(kind: &str, object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| METADATA.contains(&field.as_str()));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|name, _| !LONG.contains(&name.as_str()));
        }
    }
    match kind {
        "Event" => {
            fields.retain(|field, _| EVENT.contains(&field.as_str()) || ["apiVersion", "kind", "metadata"].contains(&field.as_str()));
            if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|field, _| ["name", "creationTimestamp"].contains(&field.as_str()));
            }
        }
        "Pod" => {
            if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
                pod(spec);
            }
        }
        // The pods they make are looked at themselves.
        _ => {
            if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
                for field in ["template", "jobTemplate"] {
                    spec.remove(field);
                }
            }
        }
    }
}

fn pod(spec: &mut Map<String, Value>) {
    spec.retain(|field, _| POD.contains(&field.as_str()));
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(fields) = container.as_object_mut() {
                fields.retain(|field, _| CONTAINER.contains(&field.as_str()));
                // Whether there is one is all that counts.
                if let Some(probe) = fields.get_mut("readinessProbe") {
                    *probe = Value::Bool(true);
                }
            }
        }
    }
    // Only claims are asked for: what they wait for may wait for the pod.
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| volume.get("persistentVolumeClaim").is_some());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_stays_and_the_rest_goes() {
        let mut object = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "uid": "u", "managedFields": [{}], "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}},
            "spec": {"containers": [{"name": "c", "image": "i", "env": [{"name": "A"}], "readinessProbe": {"periodSeconds": 1}}],
                "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "persistentVolumeClaim": {"claimName": "data"}}], "tolerations": []},
            "status": {"phase": "Running"}});
        slim("Pod", &mut object);
        assert_eq!(
            object,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "uid": "u", "annotations": {"mine": "1"}},
                "spec": {"containers": [{"name": "c", "image": "i", "readinessProbe": true}],
                    "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "data"}}]},
                "status": {"phase": "Running"}})
        );
        let mut object = json!({"kind": "ReplicaSet", "metadata": {"name": "a"}, "spec": {"replicas": 2, "template": {}}, "status": {}});
        slim("ReplicaSet.apps", &mut object);
        assert_eq!(object, json!({"kind": "ReplicaSet", "metadata": {"name": "a"}, "spec": {"replicas": 2}, "status": {}}));
    }
}
