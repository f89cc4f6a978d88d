//! What names rendered objects within their namespace.

use serde_json::Value;
use towpath_cluster::ObjectKey;

use crate::journal::Stop;

/// The keys of all objects, in their order.
///
/// # Errors
/// [`Stop::Failed`] when one of them cannot be named.
pub(super) fn keys(objects: &[Value]) -> Result<Vec<ObjectKey>, Stop> {
    objects.iter().map(key).collect()
}

/// The key of an object.
///
/// # Errors
/// As [`keys`].
pub(super) fn key(object: &Value) -> Result<ObjectKey, Stop> {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let kind = if group.is_empty() { text("/kind").to_owned() } else { format!("{}.{group}", text("/kind")) };
    format!("{kind}/{}", text("/metadata/name")).parse().map_err(Stop::own)
}
