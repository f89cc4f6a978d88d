//! What clusters are told of a pool's namespaces, and of those who have one. Pure.

use serde_json::Value;
use towpath_catalog::Pool;
use towpath_cluster::{DEFAULT_ROLE, NamespaceWanted, Requester, SecretsFrom, Subject};
use towpath_domain::NamespaceName;
use towpath_engine::pool::Holder;

/// The namespace `name`, as `pool` wants it made by `installation`.
#[must_use]
pub fn namespace_wanted(pool: &Pool, name: &NamespaceName, installation: &str) -> NamespaceWanted {
    NamespaceWanted {
        name: name.clone(),
        pool: pool.name.to_string(),
        installation: installation.to_owned(),
        quotas: pool.quotas.clone(),
        limit_ranges: pool.limit_ranges.clone(),
        secrets: pool.secrets.as_ref().map(|from| SecretsFrom { namespace: from.namespace.clone(), names: from.names.clone() }),
        manifests: pool.manifests.iter().map(|manifest| filled(manifest, name)).collect(),
        // The catalog has read them already; one that it took and that is none here is left out, so that more is dirty and not less.
        expected: pool.expected.iter().filter_map(|text| text.parse().ok()).collect(),
    }
}

/// `${NAMESPACE}` in all texts, keys among them, is the namespace's name.
fn filled(value: &Value, name: &NamespaceName) -> Value {
    let text = |text: &str| text.replace("${NAMESPACE}", name.as_str());
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(items) => items.iter().map(|item| filled(item, name)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, field)| (text(key), filled(field, name))).collect(),
        other => other.clone(),
    }
}

/// Who is granted a namespace. A run's is used by Towpath alone.
#[must_use]
pub fn requester(holder: &Holder) -> Requester {
    let subject = match holder {
        Holder::Person { name, .. } => Some(Subject::User(name.clone())),
        Holder::Run { .. } => None,
    };
    let name = match holder {
        Holder::Person { name, .. } => name.clone(),
        Holder::Run { run, .. } => run.to_string(),
    };
    Requester { name, subject, role: DEFAULT_ROLE.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use towpath_domain::RunId;

    use super::*;

    #[test]
    fn a_manifest_is_filled_in_wherever_the_namespaces_name_stands() {
        let manifest = json!({"metadata": {"name": "env-${NAMESPACE}", "labels": {"${NAMESPACE}": "x"}}, "spec": {"targets": ["${NAMESPACE}", 3, null]}});
        let name = NamespaceName::new("smoke-1").unwrap();
        let filled = filled(&manifest, &name);
        assert_eq!(
            filled,
            json!({"metadata": {"name": "env-smoke-1", "labels": {"smoke-1": "x"}}, "spec": {"targets": ["smoke-1", 3, null]}})
        );
    }

    #[test]
    fn a_person_is_granted_what_they_reserved_and_nobody_what_a_run_did() {
        let person = requester(&Holder::Person { name: "ann".into(), lease: "1h".parse().unwrap() });
        assert_eq!(person.subject, Some(Subject::User("ann".into())));
        let run = requester(&Holder::Run { run: RunId::new("check-1").unwrap(), owner: "web".into() });
        assert_eq!((run.name.as_str(), run.subject), ("check-1", None));
    }
}
