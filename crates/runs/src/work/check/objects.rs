//! What becomes of a target of the reference environment and of its objects when they are taken into a check. Pure.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use towpath_catalog::{Provider, PullCheck, SecretRef, Target};
use towpath_domain::{ImageRef, NamespaceName, TargetId};
use towpath_template::objects;

use super::place::Place;

/// By what Clowder compares an invocation's image with its app's.
const EXPECTED_TAG: &str = "clowder.redhat.com/expected-image-tag";

/// What is set for a target.
pub(super) struct Settings<'a> {
    pub(super) place: &'a Place,
    pub(super) said: &'a PullCheck,
    /// The tag of what is checked; none for targets that are not the source's own.
    pub(super) own_tag: Option<&'a str>,
    /// Parameters that the template declares, where that can be told.
    pub(super) declared: Option<&'a BTreeSet<String>>,
    /// What a person set for this resource template.
    pub(super) set: Option<&'a BTreeMap<String, String>>,
    /// No secret may be in it.
    pub(super) without_secrets: bool,
}

/// The target as it is rendered in the check's namespace, and the secret parameters that are left out.
pub(super) fn derived(target: &Target, settings: &Settings<'_>) -> (Target, BTreeMap<String, SecretRef>) {
    let Settings { place, said, own_tag, declared, set, without_secrets } = settings;
    let mut derived = Target { namespace: place.namespace.clone(), cluster: place.cluster.clone(), ..target.clone() };
    let mut left_out = BTreeMap::new();
    if *without_secrets {
        left_out = std::mem::take(&mut derived.secret_parameters);
    }
    let mut put = |name: &str, value: String| {
        // A secret one of the same name would win.
        derived.secret_parameters.remove(name);
        left_out.remove(name);
        derived.parameters.insert(name.to_owned(), Value::String(value));
    };
    // What the reference environment says of itself is not so here: a ClowdApp that named its environment would be run by that one.
    for (name, value) in [("NAMESPACE", place.namespace.to_string()), ("ENV_NAME", format!("env-{}", place.namespace))] {
        if declared.is_some_and(|declared| declared.contains(name)) {
            put(name, value);
        }
    }
    for (name, value) in &said.parameters {
        put(name, filled(value, &place.namespace));
    }
    // A chart may refuse values that it does not know; its images get their tag afterwards.
    if let Some(tag) = own_tag.filter(|_| target.provider != Provider::Helm || target.parameters.contains_key("IMAGE_TAG")) {
        put("IMAGE_TAG", tag.to_owned());
    }
    for (name, value) in set.iter().flat_map(|set| set.iter()) {
        put(name, value.clone());
    }
    (derived, left_out)
}

fn filled(text: &str, namespace: &NamespaceName) -> String {
    text.replace("${NAMESPACE}", namespace.as_str())
}

/// Puts all objects that say where they are into the check's namespace.
pub(super) fn moved(objects: &mut [Value], namespace: &NamespaceName) {
    for object in objects {
        if let Some(said) = object.pointer_mut("/metadata/namespace") {
            *said = Value::String(namespace.to_string());
        }
    }
}

/// Gives images of this name this tag, in annotations of what they are expected to be, too. Answers with the images that had another one.
pub(super) fn retagged(objects: &mut [Value], name: &str, tag: &str) -> Vec<ImageRef> {
    let met: RefCell<BTreeSet<ImageRef>> = RefCell::default();
    objects::rename_images(objects, &|text| {
        let image: ImageRef = text.parse().ok().filter(|image: &ImageRef| image.name() == name)?;
        met.borrow_mut().insert(image);
        ImageRef::tagged(name, tag).ok().map(|image| image.to_string())
    });
    let met: Vec<ImageRef> = met.into_inner().into_iter().collect();
    let tags: Vec<&str> = met.iter().filter_map(ImageRef::tag).collect();
    for object in objects {
        annotations(object, &mut |value| {
            if value.as_str().is_some_and(|old| tags.contains(&old)) {
                *value = Value::String(tag.to_owned());
            }
        });
    }
    met
}

/// Calls `each` for every annotation that says which tag is expected.
fn annotations(value: &mut Value, each: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == EXPECTED_TAG { each(field) } else { annotations(field, each) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| annotations(item, each)),
        _ => {}
    }
}

/// Who a target is before the cluster while it is in a check: never itself, whose objects these are not.
///
/// The same target in the same namespace is the same, so that a person who tries something again in a namespace of theirs changes what is there.
pub(super) fn stand_in(target: &TargetId, namespace: &NamespaceName) -> Option<TargetId> {
    let mut hasher = Sha256::new();
    for part in ["check", namespace.as_str(), target.as_str()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let hash: String = hasher.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    TargetId::new(format!("check-{hash}")).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(image: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web-stage"},
            "spec": {"template": {
                "metadata": {"annotations": {EXPECTED_TAG: "abc1234"}},
                "spec": {"containers": [{"name": "web", "image": image}, {"name": "side", "image": "quay.io/org/side:abc1234"}]}
            }}
        })
    }

    #[test]
    fn an_image_gets_its_tag_wherever_it_stands_and_no_other_does() {
        let mut objects = [deployment("quay.io/org/web:abc1234")];
        let met = retagged(&mut objects, "quay.io/org/web", "pr-1-fff");
        assert_eq!(met, ["quay.io/org/web:abc1234".parse().unwrap()]);
        let spec = &objects[0]["spec"]["template"];
        assert_eq!(spec["spec"]["containers"][0]["image"], "quay.io/org/web:pr-1-fff");
        assert_eq!(spec["spec"]["containers"][1]["image"], "quay.io/org/side:abc1234");
        assert_eq!(spec["metadata"]["annotations"][EXPECTED_TAG], "pr-1-fff");
        // An annotation that expects something else is of another image.
        let mut objects = [deployment("quay.io/org/web:other")];
        retagged(&mut objects, "quay.io/org/web", "pr-1-fff");
        assert_eq!(objects[0]["spec"]["template"]["metadata"]["annotations"][EXPECTED_TAG], "abc1234");
        assert!(retagged(&mut objects, "quay.io/org/we", "x").is_empty());
    }

    #[test]
    fn only_objects_that_say_where_they_are_are_moved() {
        let bare = json!({"kind": "ConfigMap", "metadata": {"name": "a"}});
        let mut objects = [deployment("a:1"), bare.clone()];
        moved(&mut objects, &NamespaceName::new("smoke-1").unwrap());
        assert_eq!(objects[0]["metadata"]["namespace"], "smoke-1");
        assert_eq!(objects[1], bare);
    }

    #[test]
    fn a_stand_in_is_another_in_each_namespace_and_never_the_target() {
        let target = TargetId::new("4f1e").unwrap();
        let [a, b] = ["smoke-1", "smoke-2"].map(|name| stand_in(&target, &NamespaceName::new(name).unwrap()).unwrap());
        assert!(a != b && a != target && a.as_str().starts_with("check-"), "{a}");
        assert_eq!(stand_in(&target, &NamespaceName::new("smoke-1").unwrap()).unwrap(), a);
    }

    use super::super::given::{catalog, source};

    /// The parameters of the source's own target as they become, by name; and those secret ones that are left out.
    fn taken_in(tag: Option<&str>, set: &[(&str, &str)], declared: &[&str], without_secrets: bool) -> (Target, Vec<String>) {
        let catalog = catalog();
        let (_, said) = source(&catalog);
        let target = catalog.targets.values().find(|target| target.resource_template == "web").unwrap();
        let place = Place { namespace: NamespaceName::new("smoke-1").unwrap(), cluster: "away".parse().unwrap() };
        let set: BTreeMap<String, String> = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let declared: BTreeSet<String> = declared.iter().map(|name| (*name).to_owned()).collect();
        let settings = Settings { place: &place, said: &said, own_tag: tag, declared: Some(&declared), set: Some(&set), without_secrets };
        let (derived, left_out) = derived(target, &settings);
        assert_eq!((derived.namespace.as_str(), derived.cluster.as_str()), ("smoke-1", "away"));
        (derived, left_out.into_keys().collect())
    }

    fn value<'a>(target: &'a Target, name: &str) -> Option<&'a str> {
        target.parameters.get(name).and_then(Value::as_str)
    }

    #[test]
    fn the_checks_parameters_win_over_the_environments_and_a_persons_over_all() {
        let (usual, _) = taken_in(Some("pr-1-fff"), &[], &["NAMESPACE", "ENV_NAME"], false);
        assert_eq!(value(&usual, "HOST"), Some("web.smoke-1.example.com"));
        assert_eq!(value(&usual, "IMAGE_TAG"), Some("pr-1-fff"));
        // The environment says `stage` of itself.
        assert_eq!((value(&usual, "NAMESPACE"), value(&usual, "ENV_NAME")), (Some("smoke-1"), Some("env-smoke-1")));
        // What the check sets is no secret any more.
        assert_eq!(
            (value(&usual, "TOKEN"), usual.secret_parameters.keys().map(String::as_str).collect::<Vec<_>>()),
            (Some("none"), vec!["KEY"])
        );
        let (named, _) = taken_in(Some("pr-1-fff"), &[("ENV_NAME", "mine")], &["NAMESPACE", "ENV_NAME"], false);
        assert_eq!(value(&named, "ENV_NAME"), Some("mine"));
        let (set, _) = taken_in(Some("pr-1-fff"), &[("HOST", "mine"), ("IMAGE_TAG", "x"), ("KEY", "k")], &[], false);
        assert_eq!((value(&set, "HOST"), value(&set, "IMAGE_TAG"), value(&set, "KEY")), (Some("mine"), Some("x"), Some("k")));
        assert_eq!((set.secret_parameters.len(), value(&set, "NAMESPACE")), (0, None), "what the template does not declare is not set");
    }

    #[test]
    fn a_fork_gets_no_secret_and_what_is_left_out_is_named() {
        let (target, left_out) = taken_in(Some("pr-1-fff"), &[], &[], true);
        assert!(target.secret_parameters.is_empty());
        assert_eq!(left_out, ["KEY"], "the check itself sets the other");
    }
}
