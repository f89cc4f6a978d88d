//! Labels that every object of a template gets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Fault;
use super::substitute::{SubstituteError, Substitution};

/// The template's labels with the request's over them, keys and values substituted. Values are always text.
pub(super) fn resolve(
    template: &BTreeMap<String, String>,
    request: &BTreeMap<String, String>,
    substitution: &mut Substitution<'_>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for source in [template, request] {
        let mut own = BTreeMap::new();
        for (key, value) in source {
            let (key, value) = (substitution.text(key), substitution.text(value));
            if own.insert(key.clone(), value).is_some() {
                faults.push(Fault::Labels { error: SubstituteError::KeyCollision { path: String::new(), key }.into() });
            }
        }
        labels.extend(own);
    }
    labels
}

/// Writes `labels` over the object's own. Where those hold anything but text, all of them go, as in the reference.
///
/// Pod templates inside are left alone. Gives `false` when the metadata is no map, so that nothing could be written.
pub(super) fn merge(object: &mut Value, labels: &BTreeMap<String, String>) -> bool {
    if labels.is_empty() {
        return true;
    }
    let Some(map) = object.as_object_mut() else { return false };
    let metadata = map.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    let Some(metadata) = metadata.as_object_mut() else { return false };
    let mut merged = match metadata.remove("labels") {
        Some(Value::Object(own)) if own.values().all(Value::is_string) => own,
        _ => Map::new(),
    };
    merged.extend(labels.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))));
    metadata.insert("labels".to_owned(), Value::Object(merged));
    true
}
