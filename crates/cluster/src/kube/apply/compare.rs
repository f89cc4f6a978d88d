//! Whether what is there is what is wanted. Pure.

use serde_json::Value;

use crate::kube::labels;

/// Fields whose values are amounts of resources: servers keep them in their shortest form.
const AMOUNTS: [&str; 8] = ["limits", "requests", "hard", "overhead", "default", "defaultRequest", "max", "min"];

/// Fields that are not kept when they are false, since they cannot be absent. Others, which can, mean something else then.
const DROPPED_WHEN_FALSE: [&str; 9] =
    ["hostIPC", "hostNetwork", "hostPID", "paused", "publishNotReadyAddresses", "readOnly", "stdin", "stdinOnce", "tty"];

/// Whether `live` has everything that `wanted` asks for: each field, and each item of a list at its place. What the server or others added
/// beside it does not count.
pub(super) fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(name, value)| match live.get(name) {
            Some(found) if AMOUNTS.contains(&name.as_str()) => holds(found, value) || are_same_amounts(found, value),
            Some(found) if name == "sizeLimit" => holds(found, value) || is_same_amount(found, value),
            Some(found) => holds(found, value),
            None => is_nothing(value) || (*value == Value::Bool(false) && DROPPED_WHEN_FALSE.contains(&name.as_str())),
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(found, value)| holds(found, value))
        }
        (Value::Number(live), Value::Number(wanted)) => live == wanted || live.as_f64() == wanted.as_f64(),
        (live, wanted) => live == wanted,
    }
}

/// Whether two states of one object are the same but for what a server counts of its own: who wrote which field when, and how often.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for name in ["managedFields", "resourceVersion", "generation"] {
                metadata.remove(name);
            }
        }
        // Items of a list do not say what they are.
        if let Some(fields) = object.as_object_mut() {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        object
    };
    without(one) == without(other)
}

/// The server drops what says nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn are_same_amounts(live: &Value, wanted: &Value) -> bool {
    let (Value::Object(live), Value::Object(wanted)) = (live, wanted) else { return false };
    wanted.iter().all(|(name, value)| live.get(name).is_some_and(|found| is_same_amount(found, value)))
}

/// `1000m` and `1`, `0.5Gi` and `512Mi`.
fn is_same_amount(live: &Value, wanted: &Value) -> bool {
    let amount = |value: &Value| match value {
        Value::String(text) => nanos(text),
        Value::Number(number) => nanos(&number.to_string()),
        _ => None,
    };
    live == wanted || amount(live).is_some_and(|live| Some(live) == amount(wanted))
}

/// A quantity in thousand-millionths. <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
fn nanos(text: &str) -> Option<i128> {
    let number = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(number)?;
    let unit: i128 = match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => NANOS,
        "k" => NANOS * 1_000,
        "M" => NANOS * 1_000_000,
        "G" => NANOS * 1_000_000_000,
        "T" => NANOS * 1_000_000_000_000,
        "Ki" => NANOS << 10,
        "Mi" => NANOS << 20,
        "Gi" => NANOS << 30,
        "Ti" => NANOS << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{part}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let amount = digits.checked_mul(unit)?;
    // What is not whole is not compared.
    (amount % scale == 0).then_some(amount / scale)
}

const NANOS: i128 = 1_000_000_000;

/// The object without what the server keeps for itself and what differs from run to run: for people's eyes.
pub(super) fn readable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"] {
            metadata.remove(name);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            for name in labels::VOLATILE {
                annotations.remove(name);
            }
            annotations.remove("deployment.kubernetes.io/revision");
            // A whole copy of the object, values of secrets included.
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    object
}

/// What the object would become, without what the server would only fill in: fields that nobody asked for and that were not there before.
pub(super) fn asked_for(after: &Value, before: &Value, wanted: &Value) -> Value {
    match (after, before, wanted) {
        (Value::Object(fields), before, wanted) => {
            let none = Value::Null;
            let known = fields.iter().filter(|(name, _)| before.get(name.as_str()).is_some() || wanted.get(name.as_str()).is_some());
            let of = |object: &Value, name: &str| object.get(name).cloned().unwrap_or_else(|| none.clone());
            known.map(|(name, value)| (name.clone(), asked_for(value, &of(before, name), &of(wanted, name)))).collect()
        }
        (Value::Array(items), before, wanted) => {
            let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
            let (before, wanted) = (all(before), all(wanted));
            let like = |list: &[Value], at: usize, item: &Value| match item.get("name") {
                Some(name) => list.iter().find(|other| other.get("name") == Some(name)).cloned(),
                None => list.get(at).cloned(),
            };
            let item = |(at, item): (usize, &Value)| {
                let (before, wanted) = (like(&before, at, item), like(&wanted, at, item));
                match (before, wanted) {
                    // Nobody knows it: then all of it is told.
                    (None, None) => item.clone(),
                    (before, wanted) => asked_for(item, &before.unwrap_or_default(), &wanted.unwrap_or_default()),
                }
            };
            items.iter().enumerate().map(item).collect()
        }
        (value, _, _) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_adds_does_not_count_and_what_is_missing_or_other_does() {
        let wanted = json!({"a": 1, "list": [{"name": "x"}], "empty": {}, "none": null});
        assert!(holds(&json!({"a": 1.0, "list": [{"name": "x", "protocol": "TCP"}], "added": true}), &wanted));
        for other in [
            json!({"a": 2, "list": [{"name": "x"}]}),
            json!({"a": 1, "list": []}),
            json!({"a": 1}),
            json!({"a": 1, "list": [{"name": "y"}]}),
        ] {
            assert!(!holds(&other, &wanted), "{other}");
        }
    }

    #[test]
    fn what_a_server_counts_makes_no_other_object_and_anything_else_does() {
        let object = |version: &str, replicas: u32, note: &str| json!({"metadata": {"name": "a", "resourceVersion": version, "managedFields": [version], "annotations": {"note": note}}, "spec": {"replicas": replicas}});
        assert!(is_same(&object("1", 1, "x"), &object("2", 1, "x")));
        assert!(!is_same(&object("1", 1, "x"), &object("1", 2, "x")));
        assert!(!is_same(&object("1", 1, "x"), &object("1", 1, "y")));
    }

    #[test]
    fn amounts_are_compared_by_what_they_are_where_they_are_amounts() {
        let resources = |cpu: Value, memory: &str| json!({"limits": {"cpu": cpu, "memory": memory}, "env": [{"value": "1000m"}]});
        let live = resources(json!("1"), "512Mi");
        assert!(holds(&live, &resources(json!("1000m"), "0.5Gi")) && holds(&live, &resources(json!(1), "524288Ki")));
        assert!(!holds(&live, &resources(json!("1001m"), "512Mi")) && !holds(&live, &resources(json!("1"), "512M")));
        let mut other = live.clone();
        other["env"][0]["value"] = json!("1");
        assert!(!holds(&live, &other), "elsewhere a text is a text");
        assert!(!holds(&json!({}), &json!({"automountServiceAccountToken": false})) && holds(&json!({}), &json!({"hostNetwork": false})));
    }

    #[test]
    fn people_see_neither_the_servers_notes_nor_runs() {
        let object = json!({
            "kind": "ConfigMap",
            "metadata": {"name": "a", "uid": "u", "managedFields": [], "annotations": {"towpath.dev/run": "r", "mine": "yes"}},
            "status": {},
        });
        assert_eq!(readable(&object), json!({"kind": "ConfigMap", "metadata": {"name": "a", "annotations": {"mine": "yes"}}}));
    }

    #[test]
    fn what_a_server_would_only_fill_in_is_no_change() {
        let before = json!({"spec": {"replicas": 1, "containers": [{"name": "web", "image": "a", "pull": "Always"}]}});
        let wanted = json!({"spec": {"replicas": 1, "containers": [{"name": "side", "image": "s"}, {"name": "web", "image": "b"}]}});
        let after = json!({"spec": {"replicas": 1, "strategy": {"type": "x"}, "containers": [
            {"name": "side", "image": "s", "pull": "Always"}, {"name": "web", "image": "b", "pull": "Always"}, {"name": "injected", "image": "i"}]}});
        assert_eq!(
            asked_for(&after, &before, &wanted),
            json!({"spec": {"replicas": 1, "containers": [
                {"name": "side", "image": "s"}, {"name": "web", "image": "b", "pull": "Always"}, {"name": "injected", "image": "i"}]}})
        );
    }
}
