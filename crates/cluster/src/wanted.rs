//! What is wrong with what is wanted of an ephemeral namespace, whatever the cluster. Pure.

use crate::api::{ClusterError, NamespaceWanted, ObjectKey, Refusal, Requester, Subject};
use crate::spec::key_of;

/// Users that are nobody in particular.
const NOBODY: [&str; 2] = ["system:anonymous", "system:admin"];

/// Kinds that are namespaces themselves.
const NAMESPACES: [&str; 3] = ["Namespace", "Project", "ProjectRequest"];

/// Names that cannot be, and manifests that are none. Answers with the manifests' keys.
///
/// # Errors
/// [`ClusterError::Refused`] with everything that is wrong.
pub(crate) fn checked(wanted: &NamespaceWanted) -> Result<Vec<ObjectKey>, ClusterError> {
    let name = wanted.name.as_str();
    let mut refusals = Vec::new();
    let mut refuse = |object: String, field: &str, why: String| refusals.push(Refusal { object, field: field.to_owned(), why });
    if !is_label(name) {
        refuse(format!("namespace {name}"), "", "is no DNS label (at most 63 lower-case letters, digits and dashes)".to_owned());
    }
    if wanted.installation.is_empty() {
        refuse(format!("namespace {name}"), "", "is to be made by an installation without a name; give it one".to_owned());
    }
    let secrets =
        wanted.secrets.iter().flat_map(|from| std::iter::once(from.namespace.as_str()).chain(from.names.iter().map(String::as_str)));
    for bad in secrets.filter(|name| !crate::api::is_dns_name(name)) {
        refuse(format!("Secret/{bad}"), "", format!("is to be copied, but {bad:?} is no name that a secret or its namespace can have"));
    }
    let mut keys: Vec<ObjectKey> = Vec::new();
    let mut broken = Vec::new();
    for manifest in &wanted.manifests {
        match key_of(manifest) {
            Err(refusal) => broken.push(refusal),
            Ok(key) if NAMESPACES.contains(&key.kind.as_str()) => {
                let why = "is a namespace; a pool makes no other than its own: take it out of the pool's manifests";
                refuse(key.title(), "kind", why.to_owned());
            }
            Ok(key) if keys.contains(&key) => {
                refuse(key.title(), "", "stands twice in the pool's manifests; rename or remove one of them".to_owned());
            }
            Ok(key) => {
                let place = manifest.pointer("/metadata/namespace").and_then(serde_json::Value::as_str);
                if let Some(other) = place.filter(|place| *place != name) {
                    let why = format!("is {other}, but a pool makes objects in its own namespaces only; remove the field");
                    refuse(key.title(), "metadata.namespace", why);
                }
                keys.push(key);
            }
        }
    }
    refusals.append(&mut broken);
    if refusals.is_empty() { Ok(keys) } else { Err(ClusterError::Refused { refusals }) }
}

/// Whether `name` is a DNS label (RFC 1123), as names of namespaces must be.
pub(crate) fn is_label(name: &str) -> bool {
    name.len() <= 63 && crate::api::is_dns_name(name) && !name.contains(['.', ':'])
}

/// Why a secret cannot be copied that is not there.
pub(crate) fn missing_secret(from: &str) -> String {
    format!("is to be copied from namespace {from}, which has none of that name; make it there, or take it out of the pool")
}

/// What is told of a namespace that was handed out.
pub(crate) fn given_to(requester: &str) -> String {
    format!("it was given to {requester}")
}

/// Whether one may be granted access, and nobody else by it.
///
/// # Errors
/// [`ClusterError::Refused`] when it is everybody, or nobody can be it.
pub(crate) fn checked_requester(to: &Requester) -> Result<(), ClusterError> {
    let refuse = |why: String| {
        let refusal = Refusal { object: format!("requester {}", to.name), field: String::new(), why };
        Err(ClusterError::Refused { refusals: vec![refusal] })
    };
    if to.name.is_empty() {
        return refuse("has no name; say who is given the namespace".to_owned());
    }
    let name = match &to.subject {
        None => return Ok(()),
        Some(Subject::User(name) | Subject::Group(name) | Subject::ServiceAccount { name, .. }) => name,
    };
    if name.is_empty() || name.chars().any(char::is_control) {
        return refuse("has no name that the cluster could know; correct who is granted access".to_owned());
    }
    match &to.subject {
        Some(Subject::Group(name)) if name.starts_with("system:") => {
            refuse(format!("would be granted access by the group {name}, which everybody or every program is in; name a group of people"))
        }
        Some(Subject::User(name)) if NOBODY.contains(&name.as_str()) => {
            refuse(format!("would be granted access as {name}, which is nobody in particular; name a user"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use towpath_domain::NamespaceName;

    use super::*;
    use crate::api::SecretsFrom;

    fn wanted(manifests: Vec<Value>) -> NamespaceWanted {
        NamespaceWanted {
            name: NamespaceName::new("eph-1").unwrap(),
            pool: "default".into(),
            installation: "test".into(),
            quotas: Vec::new(),
            limit_ranges: Vec::new(),
            secrets: None,
            manifests,
            expected: Vec::new(),
        }
    }

    #[test]
    fn what_cannot_be_wanted_is_refused_with_all_reasons() {
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        let other = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}});
        let path = SecretsFrom { namespace: NamespaceName::new("base").unwrap(), names: vec!["good".into(), "../../nodes".into()] };
        let name = NamespaceName::new("Eph_1").unwrap();
        let bad = NamespaceWanted { name, secrets: Some(path), ..wanted(vec![config.clone(), config.clone(), other, json!({})]) };
        let ClusterError::Refused { refusals } = checked(&bad).unwrap_err() else { panic!() };
        let told: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(told.iter().any(|refusal| refusal.contains("Namespace/prod: kind: is a namespace")), "{told:?}");
        assert_eq!(checked(&wanted(vec![config])).unwrap().len(), 1);
    }

    #[test]
    fn nobody_is_granted_access_who_is_everybody() {
        let to = |subject| Requester { name: "ann".into(), subject: Some(subject), role: "edit".into() };
        for everybody in [
            Subject::Group("system:authenticated".into()),
            Subject::Group("system:serviceaccounts".into()),
            Subject::Group("system:authenticated:oauth".into()),
            Subject::User("system:anonymous".into()),
            Subject::User(String::new()),
        ] {
            assert!(checked_requester(&to(everybody.clone())).is_err(), "{everybody:?}");
        }
        checked_requester(&to(Subject::Group("team-a".into()))).unwrap();
        checked_requester(&to(Subject::User("system:serviceaccount:ci:robot".into()))).unwrap();
    }
}
