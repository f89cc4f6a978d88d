//! What a cluster tells of a namespace.

use serde_json::Value;
use towpath_domain::{NamespaceName, Timestamp};

use super::Core;
use super::watching::text;
use crate::api::{Event, ObjectKey};

/// The events that the cluster remembers, oldest first, numbered in that order.
pub(super) async fn since(core: &Core, namespace: &NamespaceName, after: u64) -> Vec<Event> {
    let list: Value = match core.read(&format!("/api/v1/namespaces/{namespace}/events")).await {
        Ok(list) => list.unwrap_or_default(),
        Err(error) => {
            tracing::debug!(%error, "events cannot be read");
            return Vec::new();
        }
    };
    let mut events: Vec<&Value> = list.get("items").and_then(Value::as_array).into_iter().flatten().collect();
    events.sort_by_key(|event| at(event).to_owned());
    let told = events.into_iter().filter_map(|event| {
        let group = text(event, "/involvedObject/apiVersion").split_once('/').map_or("", |(group, _)| group).to_owned();
        let object =
            ObjectKey { kind: text(event, "/involvedObject/kind").to_owned(), group, name: text(event, "/involvedObject/name").to_owned() };
        let at = Timestamp::from_millis(at(event).parse::<jiff::Timestamp>().ok()?.as_millisecond());
        Some(Event { number: 0, at, object, warning: text(event, "/type") == "Warning", message: line(event) })
    });
    let numbered = told.zip(1_u64..).map(|(event, number)| Event { number, ..event });
    numbered.filter(|event| event.number > after).collect()
}

/// When an event happened last.
pub(super) fn at(event: &Value) -> &str {
    let times = ["/lastTimestamp", "/eventTime", "/firstTimestamp", "/metadata/creationTimestamp"];
    times.into_iter().map(|pointer| text(event, pointer)).find(|time| !time.is_empty()).unwrap_or_default()
}

/// An event in a line.
pub(super) fn line(event: &Value) -> String {
    let count = event.get("count").and_then(Value::as_i64).unwrap_or(1);
    let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
    format!("{}: {}{times}", text(event, "/reason"), text(event, "/message"))
}
