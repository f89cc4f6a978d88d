//! Namespaces written into a template are dropped: the target says where things go.

use serde_json::Value;

use super::substitute::has_reference;

/// Drops the object's own namespace unless it contains a `${NAME}`, declared or not (`${{NAME}}` does not count).
///
/// As in the reference, a namespace of a wrong type, or an empty one, becomes empty text; an object without metadata gets
/// its top-level `namespace` emptied. Namespaces deeper inside, as in subjects or in the items of a list, are left alone.
pub(super) fn strip(object: &mut Value) {
    let Some(map) = object.as_object_mut() else { return };
    let empty = Value::String(String::new());
    match map.get_mut("metadata") {
        Some(Value::Object(metadata)) => match metadata.get_mut("namespace") {
            None => {}
            Some(Value::String(namespace)) if has_reference(namespace) => {}
            Some(Value::String(namespace)) if !namespace.is_empty() => {
                metadata.remove("namespace");
            }
            Some(other) => *other = empty,
        },
        Some(_) => {}
        None => match map.get_mut("namespace") {
            None => {}
            Some(Value::String(namespace)) if has_reference(namespace) => {}
            Some(other) => *other = empty,
        },
    }
}
