//! How a cluster is, and what Towpath may do there: for `towpath doctor`.

use http::Method;
use k8s_openapi::apimachinery::pkg::version::Info;
use serde_json::{Value, json};
use towpath_domain::NamespaceName;

use super::request::{Body, Fault, JSON};
use super::{Core, discover};
use crate::api::{ClusterError, Examination, MissingPermission};

/// What is needed of each kind that a saas file manages.
const APPLYING: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

/// What is needed beside, to wait and to tell what went wrong.
const LOOKING: [(&str, &str, &[&str]); 6] = [
    ("", "pods", &["get", "list", "watch"]),
    ("", "pods/log", &["get"]),
    ("", "events", &["list", "watch"]),
    ("apps", "deployments", &["list", "watch"]),
    ("apps", "replicasets", &["list", "watch"]),
    ("batch", "jobs", &["list", "watch"]),
];

/// Looks at the cluster.
pub(super) async fn examine(core: &Core, namespaces: &[(NamespaceName, Vec<String>)]) -> Result<Examination, ClusterError> {
    // Whoever looks at a cluster that is away wants to know it soon.
    let info: Option<Info> = match core.send_once(Method::GET, "/version").await {
        Ok(answer) => serde_json::from_value(answer).ok(),
        Err(Fault::Refused(status)) if status.code == 404 => None,
        Err(fault) => return Err(core.error("asking for the version", fault)),
    };
    let version =
        info.map_or_else(|| "a cluster that does not tell its version".to_owned(), |info| format!("Kubernetes {}", info.git_version));
    let mut examination = Examination { version, ..Examination::default() };
    for (namespace, types) in namespaces {
        let rules = rules(core, namespace).await?;
        let mut needs: Vec<(String, String, &[&str])> =
            LOOKING.iter().map(|(group, resource, verbs)| ((*group).to_owned(), (*resource).to_owned(), *verbs)).collect();
        for written in types {
            let kinds = discover::meant(core, written).await?;
            if kinds.is_empty() {
                examination.notes.push(format!("namespace {namespace}: {written} is managed there, but the cluster has no such kind"));
            }
            needs.extend(kinds.into_iter().map(|kind| (kind.group, kind.plural, APPLYING.as_slice())));
        }
        examination.missing.extend(missing(namespace, &rules, &needs));
    }
    Ok(examination)
}

/// What the cluster says that Towpath may do in a namespace.
async fn rules(core: &Core, namespace: &NamespaceName) -> Result<Vec<Value>, ClusterError> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": { "namespace": namespace.as_str() },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let answer = core.send(Method::POST, path, None, Some(Body { kind: JSON, value: &review })).await;
    let answer = answer.map_err(|fault| core.error("asking what is allowed", fault))?;
    Ok(answer.pointer("/status/resourceRules").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// Which verbs no rule gives, by resource.
fn missing(namespace: &NamespaceName, rules: &[Value], needs: &[(String, String, &[&str])]) -> Vec<MissingPermission> {
    let mut found: Vec<MissingPermission> = Vec::new();
    for (group, resource, verbs) in needs {
        let mut lacking: Vec<String> = verbs
            .iter()
            .filter(|verb| !rules.iter().any(|rule| gives(rule, group, resource, verb)))
            .map(|verb| (*verb).to_owned())
            .collect();
        lacking.sort();
        let name = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        if lacking.is_empty() {
            continue;
        }
        match found.iter_mut().find(|known| known.resource == name) {
            Some(known) => {
                known.verbs.extend(lacking);
                known.verbs.sort();
                known.verbs.dedup();
            }
            None => found.push(MissingPermission { namespace: Some(namespace.to_string()), resource: name, verbs: lacking }),
        }
    }
    found
}

/// Whether a rule gives a verb on all objects of a resource; one for some names does not.
fn gives(rule: &Value, group: &str, resource: &str, verb: &str) -> bool {
    let holds = |field: &str, wanted: &str| {
        let listed = rule.get(field).and_then(Value::as_array);
        listed.is_some_and(|listed| listed.iter().any(|item| item == wanted || item == "*"))
    };
    let named = rule.get("resourceNames").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
    let sub = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    let resources = holds("resources", resource) || sub.is_some_and(|sub| holds("resources", &sub));
    !named && holds("apiGroups", group) && resources && holds("verbs", verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_rule_gives_is_missing_by_name() {
        let rules = [
            json!({"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "list"]}),
            json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"], "resourceNames": ["one"]}),
        ];
        let verbs: &[&str] = &["get", "patch"];
        let need = |group: &str, resource: &str| (group.to_owned(), resource.to_owned(), verbs);
        let needs = [need("apps", "deployments"), need("", "pods"), need("", "secrets")];
        let namespace = NamespaceName::new("stage").unwrap();
        let found: Vec<String> =
            missing(&namespace, &rules, &needs).iter().map(|missing| format!("{} {}", missing.resource, missing.verbs.join(","))).collect();
        assert_eq!(found, ["deployments.apps patch", "secrets get,patch"]);
    }
}
