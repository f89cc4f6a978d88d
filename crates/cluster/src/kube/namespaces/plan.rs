//! What is to be made for a namespace, in which order. Pure.

use serde_json::{Value, json};

use super::mark;
use crate::api::{ClusterError, NamespaceWanted, ObjectKey, Requester, Subject};
use crate::kube::labels;
use crate::wanted::checked_requester;

/// The name of the binding by which a requester may use the namespace.
pub(super) const BINDING: &str = "towpath-requester";

/// The namespace itself. `outside` is what will be made outside of it.
pub(super) fn namespace(wanted: &NamespaceWanted, outside: &[ObjectKey]) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": wanted.name.as_str()}});
    mark::mark(&mut object, wanted);
    let keys: Vec<String> = outside.iter().map(ToString::to_string).collect();
    mark::set(&mut object, "annotations", mark::OUTSIDE, &keys.join(" "));
    object
}

/// Quotas and limits: what must be there before anything may run.
pub(super) fn bounds(wanted: &NamespaceWanted) -> Vec<Value> {
    let of = |kind: &'static str, name: &'static str, specs: &[Value]| -> Vec<Value> {
        let numbered = specs.iter().zip(1..);
        numbered
            .map(|(spec, number)| {
                let name = format!("towpath-{name}-{number}");
                finished(json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}), wanted, true)
            })
            .collect()
    };
    let mut bounds = of("ResourceQuota", "quota", &wanted.quotas);
    bounds.extend(of("LimitRange", "limits", &wanted.limit_ranges));
    bounds
}

/// A manifest as it is applied.
pub(super) fn manifest(object: &Value, wanted: &NamespaceWanted, namespaced: bool) -> Value {
    finished(crate::kube::apply::plain(object), wanted, namespaced)
}

fn finished(mut object: Value, wanted: &NamespaceWanted, namespaced: bool) -> Value {
    if namespaced {
        object["metadata"]["namespace"] = Value::from(wanted.name.as_str());
    } else if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("namespace");
    }
    mark::mark(&mut object, wanted);
    let hash = labels::hash(&object);
    mark::set(&mut object, "annotations", labels::APPLIED, &hash);
    object
}

/// A copy of a secret; why there can be none of this one.
pub(super) fn copy(source: &Value, from: &str, wanted: &NamespaceWanted) -> Result<Value, String> {
    let text = |pointer: &str| source.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = if text("/type").is_empty() { "Opaque" } else { text("/type") };
    if kind == "kubernetes.io/service-account-token" {
        return Err(format!(
            "is the token of a service account of namespace {from}, which no other namespace can have; name another secret"
        ));
    }
    let metadata = json!({"name": text("/metadata/name"), "namespace": wanted.name.as_str()});
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind});
    if let Some(data) = source.get("data").filter(|data| !data.is_null()) {
        object["data"] = data.clone();
    }
    mark::mark(&mut object, wanted);
    mark::set(&mut object, "annotations", mark::COPY_OF, &version_of(source, from));
    Ok(object)
}

/// Which secret this is, and in which version.
pub(super) fn version_of(source: &Value, from: &str) -> String {
    let text = |pointer: &str| source.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    // With its id: one that was made anew may count its versions anew.
    format!("{from}/{} {} {}", text("/metadata/name"), text("/metadata/uid"), text("/metadata/resourceVersion"))
}

/// Who a requester is, for a binding; none when nobody is granted anything.
///
/// # Errors
/// [`ClusterError::Refused`] when it is everybody, or nobody can be it.
pub(super) fn subject(to: &Requester) -> Result<Option<Value>, ClusterError> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    checked_requester(to)?;
    Ok(to.subject.as_ref().map(|subject| match subject {
        Subject::User(name) => json!({"kind": "User", "apiGroup": GROUP, "name": name}),
        Subject::Group(name) => json!({"kind": "Group", "apiGroup": GROUP, "name": name}),
        Subject::ServiceAccount { namespace, name } => json!({"kind": "ServiceAccount", "name": name, "namespace": namespace.as_str()}),
    }))
}

/// The binding that lets the subject use the namespace.
pub(super) fn binding(namespace: &str, role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": BINDING, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    })
}

#[cfg(test)]
mod tests {
    use towpath_domain::NamespaceName;

    use super::*;
    use crate::spec::key_of;

    fn wanted(manifests: Vec<Value>) -> NamespaceWanted {
        NamespaceWanted {
            name: NamespaceName::new("eph-1").unwrap(),
            pool: "default".into(),
            installation: "test".into(),
            quotas: vec![json!({"hard": {"pods": "5"}}), json!({"hard": {"count/jobs.batch": "1"}})],
            limit_ranges: vec![json!({"limits": []})],
            secrets: None,
            manifests,
            expected: Vec::new(),
        }
    }

    #[test]
    fn quotas_and_limits_have_names_of_their_own_and_say_whose_they_are() {
        let wanted = wanted(Vec::new());
        let bounds = bounds(&wanted);
        let names: Vec<String> = bounds.iter().map(|object| key_of(object).unwrap().to_string()).collect();
        assert_eq!(names, ["ResourceQuota/towpath-quota-1", "ResourceQuota/towpath-quota-2", "LimitRange/towpath-limits-1"]);
        assert!(bounds.iter().all(|object| mark::is_made_for(object, &wanted.name, "test")));
    }

    #[test]
    fn a_copy_holds_what_the_secret_holds_and_says_which_version_it_is_of() {
        let mut source = json!({"type": "kubernetes.io/dockerconfigjson", "data": {"a": "aGk="},
            "metadata": {"name": "pull", "uid": "u", "resourceVersion": "7", "labels": {"theirs": "1"}}});
        let copied = copy(&source, "base", &wanted(Vec::new())).unwrap();
        assert_eq!((&copied["type"], &copied["data"]), (&source["type"], &source["data"]));
        assert_eq!(labels::annotation(&copied, mark::COPY_OF), "base/pull u 7");
        assert_eq!(mark::label(&copied, "theirs"), "");
        source["type"] = json!("kubernetes.io/service-account-token");
        assert!(copy(&source, "base", &wanted(Vec::new())).unwrap_err().contains("token of a service account"));
    }
}
