//! What is written onto namespaces and what is made for them, and whose they are by it. Pure.

use serde_json::{Value, json};
use towpath_domain::{NamespaceName, Timestamp};

use crate::api::{FoundNamespace, NamespaceWanted};
use crate::digest;
use crate::kube::labels::annotation;

/// The label that says which Towpath made something. Values that are no labels are put in by a hash.
pub(super) const INSTALLATION: &str = "towpath.dev/installation";
/// The label that says for which pool.
pub(super) const POOL: &str = "towpath.dev/pool";
/// The label that says for which namespace: of all that is made for one, be it in it or outside.
pub(super) const MADE_FOR: &str = "towpath.dev/made-for";

/// The installation as it is called. Only this decides: labels may be cut to hashes.
pub(in crate::kube) const INSTALLATION_NAME: &str = "towpath.dev/installation-name";
/// The pool as it is called.
const POOL_NAME: &str = "towpath.dev/pool-name";
/// Who was given the namespace.
pub(super) const REQUESTER: &str = "towpath.dev/requester";
/// What was made for it outside of it: keys, separated by spaces. Written before any of that is made.
pub(super) const OUTSIDE: &str = "towpath.dev/outside";
/// Which secret this is a copy of, and in which version.
pub(super) const COPY_OF: &str = "towpath.dev/copy-of";

/// Longer ones are no labels. <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
const LABEL_MAX: usize = 63;

/// A text as the value of a label: itself where it may be one, else a hash of it.
pub(super) fn label_value(text: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let edge = |c: char| c.is_ascii_alphanumeric();
    let good = text.len() <= LABEL_MAX && text.chars().all(inner) && text.starts_with(edge) && text.ends_with(edge);
    if good { text.to_owned() } else { digest::of_text(text).chars().take(32).collect() }
}

/// Marks an object as made for the namespace.
pub(super) fn mark(object: &mut Value, wanted: &NamespaceWanted) {
    let labels = [
        (INSTALLATION, label_value(&wanted.installation)),
        (POOL, label_value(&wanted.pool)),
        (MADE_FOR, label_value(wanted.name.as_str())),
    ];
    for (name, value) in labels {
        set(object, "labels", name, &value);
    }
    set(object, "annotations", INSTALLATION_NAME, &wanted.installation);
    set(object, "annotations", POOL_NAME, &wanted.pool);
}

/// Sets a label or an annotation.
pub(super) fn set(object: &mut Value, field: &str, name: &str, value: &str) {
    if !object["metadata"][field].is_object() {
        object["metadata"][field] = json!({});
    }
    object["metadata"][field][name] = Value::from(value);
}

/// A label's value; empty when it is not there.
pub(super) fn label<'o>(object: &'o Value, name: &str) -> &'o str {
    object.pointer("/metadata/labels").and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default()
}

/// Whether an object was made by this installation for this namespace.
pub(super) fn is_made_for(object: &Value, name: &NamespaceName, installation: &str) -> bool {
    annotation(object, INSTALLATION_NAME) == installation
        && label(object, INSTALLATION) == label_value(installation)
        && label(object, MADE_FOR) == label_value(name.as_str())
}

/// Why what is there may not be touched: whose it is, in words.
pub(super) fn whose(object: &Value) -> String {
    let (installation, made_for) = (annotation(object, INSTALLATION_NAME), label(object, MADE_FOR));
    if installation.is_empty() {
        "is there already and was not made by Towpath for a pool".to_owned()
    } else if made_for == object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default() {
        format!("is there already and belongs to installation {installation}")
    } else {
        format!("is there already and belongs to namespace {made_for} of installation {installation}")
    }
}

/// Whether somebody has deleted it, and it is on its way out.
pub(in crate::kube) fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// What the namespace's own mark says was made outside of it.
pub(super) fn outside(namespace: &Value) -> Vec<&str> {
    annotation(namespace, OUTSIDE).split_ascii_whitespace().collect()
}

/// A namespace of the installation, as others are told of it.
pub(super) fn found(namespace: &Value, installation: &str) -> Option<FoundNamespace> {
    let name = NamespaceName::new(namespace.pointer("/metadata/name")?.as_str()?).ok()?;
    let requester = annotation(namespace, REQUESTER);
    is_made_for(namespace, &name, installation).then(|| FoundNamespace {
        pool: annotation(namespace, POOL_NAME).to_owned(),
        made_at: time(namespace, "/metadata/creationTimestamp"),
        requester: (!requester.is_empty()).then(|| requester.to_owned()),
        ending: is_going(namespace),
        name,
    })
}

/// A namespace that is gone and left `object` outside of it.
pub(super) fn left(object: &Value, installation: &str) -> Option<FoundNamespace> {
    let name = NamespaceName::new(label(object, MADE_FOR)).ok()?;
    let pool = annotation(object, POOL_NAME).to_owned();
    is_made_for(object, &name, installation).then_some(FoundNamespace { name, pool, made_at: None, requester: None, ending: true })
}

/// A moment as Kubernetes writes it.
pub(in crate::kube) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    let moment: jiff::Timestamp = object.pointer(pointer)?.as_str()?.parse().ok()?;
    Some(Timestamp::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, installation: &str) -> NamespaceWanted {
        NamespaceWanted {
            name: NamespaceName::new(name).unwrap(),
            pool: "a pool with spaces".into(),
            installation: installation.into(),
            quotas: Vec::new(),
            limit_ranges: Vec::new(),
            secrets: None,
            manifests: Vec::new(),
            expected: Vec::new(),
        }
    }

    #[test]
    fn what_is_marked_is_the_installations_and_nobody_elses() {
        let mine = wanted("eph-1", "https://towpath.example.com/");
        let mut object = json!({"kind": "Namespace", "metadata": {"name": "eph-1", "creationTimestamp": "2026-01-02T03:04:05Z"}});
        assert!(!is_made_for(&object, &mine.name, &mine.installation));
        assert!(whose(&object).contains("not made by Towpath"));
        mark(&mut object, &mine);
        assert!(is_made_for(&object, &mine.name, &mine.installation));
        assert!(!is_made_for(&object, &mine.name, "another"));
        assert!(!is_made_for(&object, &wanted("eph-2", "x").name, &mine.installation));
        assert!(whose(&object).contains("belongs to installation https://towpath.example.com/"), "{}", whose(&object));
        let found = found(&object, &mine.installation).unwrap();
        assert_eq!((found.pool.as_str(), found.requester, found.ending), ("a pool with spaces", None, false));
        assert_eq!(found.made_at.unwrap().to_string(), "2026-01-02T03:04:05.000Z");
        // A label alone is not enough: hashes are cut.
        set(&mut object, "annotations", INSTALLATION_NAME, "https://other.example.com/");
        assert!(!is_made_for(&object, &mine.name, &mine.installation));
    }

    #[test]
    fn a_text_that_is_no_label_becomes_one() {
        assert_eq!(label_value("default-1.a_b"), "default-1.a_b");
        for odd in ["", "-a", "a b", "a/b", "é", &"x".repeat(64)] {
            let value = label_value(odd);
            assert!(value.len() == 32 && value.chars().all(|c| c.is_ascii_hexdigit()), "{odd:?}: {value}");
        }
    }
}
