//! How a cluster is, and what Towpath may do there: for `towpath doctor`.

use futures_util::stream::{self, StreamExt as _};
use http::Method;
use k8s_openapi::apimachinery::pkg::version::Info;
use serde_json::{Value, json};
use towpath_domain::NamespaceName;

use super::request::{Body, Fault, JSON};
use super::single::Need;
use super::{Core, discover};
use crate::api::{BoxFuture, ClusterError, Examination, MissingPermission};

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

/// How many questions are asked at the same time.
const AT_ONCE: usize = 8;

/// Looks at the cluster.
pub(super) async fn examine(core: &Core, namespaces: &[(NamespaceName, Vec<String>)]) -> Result<Examination, ClusterError> {
    let mut examination = Examination { version: version(core).await?, ..Examination::default() };
    let mut looks: Vec<BoxFuture<'_, _>> = Vec::new();
    for (namespace, types) in namespaces {
        looks.push(Box::pin(look(core, namespace, types)));
    }
    let found: Vec<Result<Found, ClusterError>> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    for found in found {
        let Found { missing, notes } = found?;
        examination.missing.extend(missing);
        examination.notes.extend(notes);
    }
    Ok(examination)
}

/// What is found in one namespace.
struct Found {
    missing: Vec<MissingPermission>,
    notes: Vec<String>,
}

/// Looks at what is needed in one namespace, and what is allowed there.
async fn look(core: &Core, namespace: &NamespaceName, types: &[String]) -> Result<Found, ClusterError> {
    let mut notes = Vec::new();
    let mut needs: Vec<(String, String, &[&str])> =
        LOOKING.iter().map(|(group, resource, verbs)| ((*group).to_owned(), (*resource).to_owned(), *verbs)).collect();
    for written in types {
        let kinds = discover::meant(core, written).await?;
        if kinds.is_empty() {
            notes.push(format!("namespace {namespace}: {written} is managed there, but the cluster has no such kind"));
        }
        needs.extend(kinds.into_iter().map(|kind| (kind.group, kind.plural, APPLYING.as_slice())));
    }
    Ok(Found { missing: lacking(core, namespace, &needs).await?, notes })
}

/// Looks at the cluster for those who need exactly this in one namespace.
pub(super) async fn examine_for(core: &Core, namespace: &NamespaceName, needs: &[Need]) -> Result<Examination, ClusterError> {
    let version = version(core).await?;
    let needs: Vec<_> = needs.iter().map(|(group, resource, verbs)| ((*group).to_owned(), (*resource).to_owned(), *verbs)).collect();
    Ok(Examination { version, missing: lacking(core, namespace, &needs).await?, notes: Vec::new() })
}

/// What of the needed permissions is not given.
async fn lacking(
    core: &Core,
    namespace: &NamespaceName,
    needs: &[(String, String, &[&str])],
) -> Result<Vec<MissingPermission>, ClusterError> {
    let rules = rules(core, namespace).await?;
    let suspected = missing(namespace, &rules.given, needs);
    if rules.incomplete && !suspected.is_empty() {
        // Some authorizer decides without a list of rules, such as a webhook: then each has to be asked for.
        return confirmed(core, namespace, suspected).await;
    }
    Ok(suspected)
}

pub(super) async fn version(core: &Core) -> Result<String, ClusterError> {
    // Whoever looks at a cluster that is away wants to know it soon.
    let info: Option<Info> = match core.send_once(Method::GET, "/version").await {
        Ok(answer) => serde_json::from_value(answer).ok(),
        Err(Fault::Refused(status)) if status.code == 404 => None,
        Err(fault) => return Err(core.error("asking for the version", fault)),
    };
    Ok(info.map_or_else(|| "a cluster that does not tell its version".to_owned(), |info| format!("Kubernetes {}", info.git_version)))
}

/// What the cluster says that Towpath may do in a namespace.
struct Rules {
    given: Vec<Value>,
    /// There may be more.
    incomplete: bool,
}

async fn rules(core: &Core, namespace: &NamespaceName) -> Result<Rules, ClusterError> {
    let answer = review(core, "SelfSubjectRulesReview", json!({ "namespace": namespace.as_str() })).await?;
    Ok(Rules {
        given: answer.pointer("/status/resourceRules").and_then(Value::as_array).cloned().unwrap_or_default(),
        incomplete: answer.pointer("/status/incomplete") == Some(&Value::Bool(true)),
    })
}

pub(super) async fn review(core: &Core, kind: &str, spec: Value) -> Result<Value, ClusterError> {
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec });
    let path = format!("/apis/authorization.k8s.io/v1/{}s", kind.to_ascii_lowercase());
    let answer = core.send(Method::POST, &path, None, Some(Body { kind: JSON, value: &review })).await;
    answer.map_err(|fault| core.error("asking what is allowed", fault))
}

/// Those of the permissions that are really missing, each asked for.
async fn confirmed(
    core: &Core,
    namespace: &NamespaceName,
    suspected: Vec<MissingPermission>,
) -> Result<Vec<MissingPermission>, ClusterError> {
    let mut questions: Vec<BoxFuture<'_, _>> = Vec::new();
    for (resource, verb) in suspected.iter().flat_map(|one| one.verbs.iter().map(move |verb| (&one.resource, verb))) {
        questions.push(Box::pin(is_allowed(core, namespace, resource, verb)));
    }
    let answers: Vec<Result<(String, String, bool), ClusterError>> = stream::iter(questions).buffered(AT_ONCE).collect().await;
    let answers: Vec<(String, String, bool)> = answers.into_iter().collect::<Result<_, _>>()?;
    let allowed = |resource: &str, verb: &str| answers.iter().any(|(of, what, allowed)| *allowed && of == resource && what == verb);
    let mut missing = suspected;
    for one in &mut missing {
        let resource = one.resource.clone();
        one.verbs.retain(|verb| !allowed(&resource, verb));
    }
    missing.retain(|one| !one.verbs.is_empty());
    Ok(missing)
}

async fn is_allowed(core: &Core, namespace: &NamespaceName, resource: &str, verb: &str) -> Result<(String, String, bool), ClusterError> {
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (name, sub) = name.split_once('/').unwrap_or((name, ""));
    let attributes = json!({ "namespace": namespace.as_str(), "group": group, "resource": name, "subresource": sub, "verb": verb });
    let answer = review(core, "SelfSubjectAccessReview", json!({ "resourceAttributes": attributes })).await?;
    Ok((resource.to_owned(), verb.to_owned(), answer.pointer("/status/allowed") == Some(&Value::Bool(true))))
}

/// Which verbs no rule gives, by resource.
fn missing(namespace: &NamespaceName, rules: &[Value], needs: &[(String, String, &[&str])]) -> Vec<MissingPermission> {
    let mut found: Vec<MissingPermission> = Vec::new();
    for (group, resource, verbs) in needs {
        let lacking: Vec<String> = verbs
            .iter()
            .filter(|verb| !rules.iter().any(|rule| gives(rule, group, resource, verb)))
            .map(|verb| (*verb).to_owned())
            .collect();
        let name = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        if lacking.is_empty() {
            continue;
        }
        match found.iter_mut().find(|known| known.resource == name) {
            Some(known) => {
                for verb in lacking {
                    if !known.verbs.contains(&verb) {
                        known.verbs.push(verb);
                    }
                }
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
