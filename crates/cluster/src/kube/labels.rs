//! What Towpath writes onto the objects that it applies.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use towpath_domain::{RunId, TargetId};

use crate::api::{Owner, Scope};

/// The label that says which target an object belongs to, by a hash of its id: ids may be longer than labels.
pub(crate) const TARGET: &str = "towpath.dev/target";

/// The target's id.
pub(super) const TARGET_ID: &str = "towpath.dev/target-id";
/// The target as people call it.
pub(super) const TITLE: &str = "towpath.dev/title";
/// The saas file.
pub(super) const SAAS_FILE: &str = "towpath.dev/saas-file";
/// The resource template.
pub(super) const TEMPLATE: &str = "towpath.dev/resource-template";
/// The environment.
pub(super) const ENVIRONMENT: &str = "towpath.dev/environment";
/// The commit that the object was last changed for.
pub(super) const REF: &str = "towpath.dev/ref";
/// The run that last changed the object.
pub(crate) const RUN: &str = "towpath.dev/run";
/// A hash of what was applied.
pub(super) const APPLIED: &str = "towpath.dev/applied";
/// In which wave the object is applied: a number, 0 when absent, lower ones first.
pub(super) const WAVE: &str = "towpath.dev/wave";

/// Annotations that differ from run to run without the object being another.
pub(super) const VOLATILE: [&str; 3] = [REF, RUN, APPLIED];

/// The label's value for a target.
pub(crate) fn target_label(target: &TargetId) -> String {
    Sha256::digest(target.as_str().as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Marks an object as the owner's, all but what differs from run to run.
pub(super) fn mark(object: &mut Value, owner: &Owner) {
    let annotations = [
        (TARGET_ID, owner.target.to_string()),
        (TITLE, owner.title.clone()),
        (SAAS_FILE, owner.saas_file.clone()),
        (TEMPLATE, owner.template.clone()),
        (ENVIRONMENT, owner.environment.clone()),
    ];
    set(object, "labels", TARGET, &target_label(&owner.target));
    for (name, value) in annotations {
        set(object, "annotations", name, &value);
    }
}

/// Writes what differs from run to run.
pub(super) fn date(object: &mut Value, run: &str, commit: &str, applied: &str) {
    for (name, value) in [(RUN, run), (REF, commit), (APPLIED, applied)] {
        set(object, "annotations", name, value);
    }
}

fn set(object: &mut Value, field: &str, name: &str, value: &str) {
    if !object["metadata"][field].is_object() {
        object["metadata"][field] = json!({});
    }
    object["metadata"][field][name] = Value::from(value);
}

/// An annotation's text; empty when it is not there.
pub(crate) fn annotation<'o>(object: &'o Value, name: &str) -> &'o str {
    object.pointer("/metadata/annotations").and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default()
}

/// The label's value of the target that owns an object.
pub(super) fn owner_label(object: &Value) -> Option<&str> {
    object.pointer("/metadata/labels")?.get(TARGET)?.as_str()
}

/// Who applied the object, as far as its annotations tell.
pub(super) fn owner_of(object: &Value) -> Option<Owner> {
    let text = |name| annotation(object, name).to_owned();
    Some(Owner {
        target: TargetId::new(text(TARGET_ID)).ok()?,
        title: text(TITLE),
        run: RunId::new(text(RUN)).ok()?,
        commit: text(REF).parse().ok()?,
        saas_file: text(SAAS_FILE),
        template: text(TEMPLATE),
        environment: text(ENVIRONMENT),
        heir_of: Vec::new(),
        scope: Scope::default(),
    })
}

/// A hash of an object's content. Two objects with the same hash are the same wish.
pub(super) fn hash(object: &Value) -> String {
    // serde_json keeps maps sorted, so that equal objects print equally.
    let canonical: BTreeMap<String, Value> = serde_json::from_value(object.clone()).unwrap_or_default();
    let text = serde_json::to_string(&canonical).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
