//! Which object is meant.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Kinds whose objects run containers, beside whatever carries a pod template.
const RUNNING: [&str; 11] = [
    "ClowdApp",
    "ClowdJobInvocation",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "DeploymentConfig",
    "Job",
    "Pod",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

/// Kinds that run to an end.
const JOBS: [&str; 2] = ["ClowdJobInvocation", "Job"];

/// The object's kind; empty when it has none.
#[must_use]
pub fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or("")
}

/// The object's name; empty when it has none.
#[must_use]
pub fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("")
}

/// The group in the object's API version; empty for the core group.
#[must_use]
pub fn group(object: &Value) -> &str {
    let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or("");
    version.split_once('/').map_or("", |(group, _)| group)
}

/// `Kind/name`: how people name an object.
#[must_use]
pub fn title(object: &Value) -> String {
    format!("{}/{}", kind(object), name(object))
}

/// The objects with every `v1` `List` replaced by its items, in order.
#[must_use]
pub fn flatten(objects: Vec<Value>) -> Vec<Value> {
    let mut flat = Vec::with_capacity(objects.len());
    for mut object in objects {
        let is_list = kind(&object) == "List";
        match object.get_mut("items") {
            Some(Value::Array(items)) if is_list => flat.extend(flatten(std::mem::take(items))),
            _ => flat.push(object),
        }
    }
    flat
}

/// Whether a saas file may touch the object.
///
/// `types` holds `Kind` or `Kind.group`; `names` restricts a type, written the same way, to some names.
#[must_use]
pub fn is_managed(object: &Value, types: &[String], names: &BTreeMap<String, Vec<String>>) -> bool {
    let kind = kind(object);
    let full = format!("{kind}.{}", group(object));
    let is_meant = |written: &str| written == kind || written == full;
    let mut restrictions = names.iter().filter(|(written, _)| is_meant(written)).peekable();
    !kind.is_empty()
        && types.iter().any(|written| is_meant(written))
        && (restrictions.peek().is_none() || restrictions.any(|(_, allowed)| allowed.iter().any(|allowed| allowed == name(object))))
}

/// Whether the objects are a test or another thing that runs to its end: at least one `Job` or `ClowdJobInvocation`, and
/// nothing else that runs. Configuration beside them does not count.
#[must_use]
pub fn only_jobs(objects: &[Value]) -> bool {
    let mut running = objects.iter().filter(|object| runs(object)).peekable();
    running.peek().is_some() && running.all(|object| JOBS.contains(&kind(object)))
}

fn runs(object: &Value) -> bool {
    RUNNING.contains(&kind(object)) || !super::images(std::slice::from_ref(object)).is_empty()
}

/// Titles of objects that are there twice: same group, kind and name. Each title once, in order of the second's place.
///
/// Two objects that both say a namespace, and not the same, are different.
#[must_use]
pub fn duplicates(objects: &[Value]) -> Vec<String> {
    let mut seen: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    let mut twice = Vec::new();
    for object in objects {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("");
        let namespaces = seen.entry((group(object), kind(object), name(object))).or_default();
        let clashes = namespaces.contains(namespace) || namespaces.contains("") || (namespace.is_empty() && !namespaces.is_empty());
        namespaces.insert(namespace);
        let title = title(object);
        if clashes && told.insert(title.clone()) {
            twice.push(title);
        }
    }
    twice
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: &str, kind: &str, name: &str) -> Value {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}})
    }

    #[test]
    fn a_type_may_be_written_with_its_group() {
        let role = object("rbac.authorization.k8s.io/v1", "Role", "reader");
        let managed = |types: &[&str], names: &[(&str, &[&str])]| {
            let types: Vec<String> = types.iter().map(|t| (*t).to_owned()).collect();
            let names = names.iter().map(|(k, v)| ((*k).to_owned(), v.iter().map(|n| (*n).to_owned()).collect())).collect();
            is_managed(&role, &types, &names)
        };
        assert!(managed(&["Role"], &[]));
        assert!(managed(&["Role.rbac.authorization.k8s.io"], &[]));
        assert!(!managed(&["Role.authorization.openshift.io", "Deployment"], &[]));
        assert!(!managed(&[], &[]));
        assert!(managed(&["Role"], &[("Role", &["reader"]), ("Service", &[])]));
        assert!(!managed(&["Role"], &[("Role", &["writer"])]));
        assert!(!managed(&["Role"], &[("Role.rbac.authorization.k8s.io", &[])]));
        assert!(!is_managed(&json!(null), &["".to_owned()], &BTreeMap::new()));
    }

    #[test]
    fn tests_are_objects_of_which_only_jobs_run() {
        let job = object("batch/v1", "Job", "smoke");
        let cji = object("cloud.redhat.com/v1alpha1", "ClowdJobInvocation", "smoke");
        let config = object("v1", "ConfigMap", "c");
        let custom = json!({"kind": "Rollout", "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "i"}]}}}});
        assert!(only_jobs(&[config.clone(), job.clone()]));
        assert!(only_jobs(&[cji, job.clone()]));
        assert!(!only_jobs(&[config]));
        assert!(!only_jobs(&[]));
        assert!(!only_jobs(&[job.clone(), object("apps/v1", "Deployment", "web")]));
        assert!(!only_jobs(&[job.clone(), object("batch/v1", "CronJob", "nightly")]));
        assert!(!only_jobs(&[job, custom]), "an unknown kind with a pod template runs");
    }

    #[test]
    fn the_same_object_twice_is_found() {
        let web = object("apps/v1", "Deployment", "web");
        let other = object("apps/v1beta1", "Deployment", "web");
        let service = object("v1", "Service", "web");
        assert_eq!(duplicates(&[web.clone(), service.clone(), other, web.clone()]), ["Deployment/web"]);
        assert!(duplicates(&[web, service, object("example.com/v1", "Service", "web")]).is_empty());
    }

    #[test]
    fn objects_in_different_namespaces_are_different() {
        let at = |namespace: &str| json!({"kind": "Role", "metadata": {"name": "r", "namespace": namespace}});
        assert!(duplicates(&[at("a"), at("b")]).is_empty());
        assert_eq!(duplicates(&[at("a"), at("a")]), ["Role/r"]);
        assert_eq!(duplicates(&[at("a"), object("", "Role", "r")]), ["Role/r"]);
        assert_eq!(duplicates(&[object("", "Role", "r"), at("a")]), ["Role/r"]);
    }

    #[test]
    fn lists_are_opened() {
        let inner = object("v1", "ConfigMap", "a");
        let list = crate::list(vec![inner.clone(), crate::list(vec![inner.clone()])]);
        let custom = json!({"kind": "AllowList", "items": [1]});
        assert_eq!(flatten(vec![list, custom.clone()]), [inner.clone(), inner, custom]);
    }
}
