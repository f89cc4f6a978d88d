//! What a target no longer wants goes: its own, of the kinds that the saas file manages, and nothing else.

use http::Method;
use serde_json::Value;
use towpath_domain::NamespaceName;

use super::request::{Body, Fault};
use super::{Core, apply, discover, labels};
use crate::api::{ClusterError, ObjectKey, Owner};
use crate::spec::key_of;

/// Deletes what is surplus. Doing it again goes on where it was cut short.
pub(super) async fn prune(
    core: &Core,
    namespace: &NamespaceName,
    owner: &Owner,
    keep: &[ObjectKey],
) -> Result<Vec<ObjectKey>, ClusterError> {
    let mut gone = Vec::new();
    for (key, object) in surplus(core, namespace, owner, keep).await? {
        let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let Some(kind) = discover::kind(core, version, &key.kind).await? else { continue };
        delete(core, &kind.path(namespace.as_str(), Some(&key.name)), &object).await?;
        gone.push(key);
    }
    Ok(gone)
}

/// The target's objects that `keep` does not name, of the kinds that may be touched.
pub(super) async fn surplus(
    core: &Core,
    namespace: &NamespaceName,
    owner: &Owner,
    keep: &[ObjectKey],
) -> Result<Vec<(ObjectKey, Value)>, ClusterError> {
    let selector = format!("labelSelector={}%3D{}", labels::TARGET.replace('/', "%2F"), labels::target_label(&owner.target));
    let mut found: Vec<(ObjectKey, Value)> = Vec::new();
    for written in &owner.scope.types {
        for kind in discover::meant(core, written).await? {
            if !kind.verbs.iter().any(|verb| verb == "list") {
                continue;
            }
            let path = format!("{}?{selector}", kind.path(namespace.as_str(), None));
            let list = match core.send(Method::GET, &path, None, None).await {
                Ok(list) => list,
                Err(Fault::Refused(status)) if status.code == 404 => continue,
                Err(fault) => return Err(core.error(&format!("listing {}", kind.resource()), fault)),
            };
            for item in list.get("items").and_then(Value::as_array).into_iter().flatten() {
                // Items of a list do not say themselves what they are.
                let mut object = item.clone();
                object["apiVersion"] = Value::from(kind.api_version());
                object["kind"] = Value::from(kind.kind.as_str());
                let Ok(key) = key_of(&object) else { continue };
                let known = keep.contains(&key) || found.iter().any(|(there, other)| is_same(there, other, &key, &object));
                if !known && owner.scope.allows(&object) {
                    found.push((key, object));
                }
            }
        }
    }
    Ok(found)
}

/// The same object may be served by several groups.
fn is_same(there: &ObjectKey, other: &Value, key: &ObjectKey, object: &Value) -> bool {
    there == key || (other.pointer("/metadata/uid").is_some() && other.pointer("/metadata/uid") == object.pointer("/metadata/uid"))
}

/// Deletes the object at `path`, if it is still that one.
pub(super) async fn delete(core: &Core, path: &str, live: &Value) -> Result<(), ClusterError> {
    let options = apply::deletion(live);
    match core.send(Method::DELETE, path, None, Some(Body { kind: apply::OPTIONS, value: &options })).await {
        Ok(_) => Ok(()),
        // Gone, or another one by now.
        Err(Fault::Refused(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(fault) => Err(core.error(&format!("deleting {path}"), fault)),
    }
}
