//! Two objects made fit to be shown side by side. Pure.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::place::Place;
use super::{ANNOTATION, Mark, SecretFields};

/// What stands in the place of a value.
const HIDDEN: &str = "(hidden)";

/// The same, where there was another value before.
const CHANGED: &str = "(hidden, changed)";

/// What all of Towpath's labels and annotations begin with.
const OWN: &str = "towpath.dev/";

/// Set by people, in templates.
const WAVE: &str = "towpath.dev/wave";

/// Texts shorter than this many bytes are in every object: looking for them would hide everything.
const SHORTEST: usize = 4;

/// What may be shown of two objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Both, as they are now.
    Both,
    /// Nothing: nobody can tell where in them the values stand.
    Nothing,
}

/// Replaces all values that nobody may see, on both sides: what either object remembers as such, and the content of a `Secret`. Of a new one that
/// differs, that much is said. Towpath's own marks go where they are the same.
pub(crate) fn hide(before: &mut Option<Value>, after: &mut Option<Value>) -> Shown {
    let (old, new) = (remembered(before.as_ref()), remembered(after.as_ref()));
    unmark(before.as_mut(), after.as_mut());
    before.iter_mut().chain(after.iter_mut()).for_each(as_kept);
    let mut places: BTreeSet<Place> = old.fields.keys().chain(new.fields.keys()).cloned().collect();
    // Somebody moved what was written there, and it may be anywhere now.
    let moved = before.as_ref().is_some_and(|before| old.fields.keys().any(|place| place.find(before).is_none()));
    if moved || places.iter().any(Place::is_whole) {
        return Shown::Nothing;
    }
    places.extend(before.iter().chain(after.iter()).flat_map(evident));
    places.extend(before.iter().flat_map(|object| copies(object, is_secret(object))));
    places.extend(after.iter().flat_map(|object| copies(object, false)));

    let mut values: BTreeSet<String> =
        before.iter().chain(after.iter()).flat_map(|object| places.iter().filter_map(|place| place.find(object)).flat_map(texts)).collect();
    for (object, fields) in [(&before, &old), (&after, &new)] {
        // The value within a text is looked for alone, too.
        let texts_at =
            |(place, mark): (&Place, &Mark)| mark.value(place.find(object.as_ref()?)?.as_str()?).map(|text| texts(&Value::from(text)));
        values.extend(fields.fields.iter().filter_map(texts_at).flatten());
    }
    for place in &places {
        let (was, is) = (before.as_ref().and_then(|it| place.find(it)), after.as_ref().and_then(|it| place.find(it)));
        let hash = |fields: &SecretFields| fields.fields.get(place).map(|mark| mark.hash.clone());
        let (meant, means) = (hash(&old), hash(&new));
        let changed = match (was, is) {
            // What stands there is not the value: whether the same is meant, the hashes tell.
            (Some(_), Some(_)) if new.withheld && (meant.is_some() || means.is_some()) => meant != means,
            (Some(was), Some(is)) => was != is,
            _ => false,
        };
        if let Some(was) = before.as_mut().and_then(|it| place.find_mut(it)) {
            *was = Value::from(HIDDEN);
        }
        if let Some(is) = after.as_mut().and_then(|it| place.find_mut(it)) {
            *is = Value::from(if changed { CHANGED } else { HIDDEN });
        }
    }
    // Somebody may have put a value elsewhere, too. The longest first: one may be a part of another.
    let mut values: Vec<String> = values.into_iter().filter(|value| value.len() >= SHORTEST).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for object in before.iter_mut().chain(after.iter_mut()) {
        if let Some(fields) = object.as_object_mut() {
            fields
                .iter_mut()
                .filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind"))
                .for_each(|(_, field)| blot(field, &values));
        }
    }
    Shown::Both
}

/// The places that are written on the object, as a server keeps it.
fn remembered(object: Option<&Value>) -> SecretFields {
    let Some(object) = object else { return SecretFields::default() };
    let SecretFields { fields, withheld } = SecretFields::of(object);
    let fields: BTreeMap<Place, Mark> =
        if is_secret(object) { fields.into_iter().map(|(place, mark)| (place.as_kept(), mark)).collect() } else { fields };
    SecretFields { fields, withheld }
}

fn is_secret(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some("Secret")
}

/// A `Secret` in the form in which servers keep it.
fn as_kept(object: &mut Value) {
    if !is_secret(object) {
        return;
    }
    if let Some(Value::Object(texts)) = object.as_object_mut().and_then(|fields| fields.remove("stringData")) {
        if !object.get("data").is_some_and(Value::is_object) {
            object["data"] = Value::Object(serde_json::Map::new());
        }
        for (name, text) in texts {
            object["data"][name] = Value::from(BASE64.encode(text.as_str().unwrap_or_default()));
        }
    }
}

/// What is hidden whoever wrote it: the content of a `Secret`.
fn evident(object: &Value) -> Vec<Place> {
    let data = object.get("data").filter(|_| is_secret(object)).and_then(Value::as_object);
    data.into_iter().flatten().map(|(name, _)| Place::of(["data", name])).collect()
}

/// Annotations in which other tools keep a copy of an object; all of them, where copies may be packed so that nobody can tell.
fn copies(object: &Value, all: bool) -> Vec<Place> {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    let is_copy = |text: &str| {
        let parsed = Some(text).filter(|text| text.trim_start().starts_with('{')).and_then(|text| serde_json::from_str::<Value>(text).ok());
        parsed.is_some_and(|copy| ["kind", "metadata", "data", "spec"].iter().any(|field| copy.get(field).is_some()))
    };
    let hidden =
        annotations.into_iter().flatten().filter(|(name, value)| !name.starts_with(OWN) && (all || value.as_str().is_some_and(is_copy)));
    hidden.map(|(name, _)| Place::of(["metadata", "annotations", name])).collect()
}

/// The texts that a hidden value can be found by elsewhere: itself, in base64 and out of it. A whole list or map gives none: most of what is in
/// it is no secret.
fn texts(value: &Value) -> Vec<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Vec::new(),
    };
    let plain = BASE64.decode(&text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(|plain| plain.trim().to_owned());
    // The last bytes in base64 depend on what follows them.
    let begins = |text: &String| {
        text.as_bytes().get(..text.len() / 3 * 3).map(|whole| BASE64.encode(whole)).filter(|packed| packed.len() >= 2 * SHORTEST)
    };
    let packed: Vec<String> = plain.iter().chain([&text]).filter_map(begins).collect();
    [Some(text), plain].into_iter().flatten().chain(packed).filter(|text| text.len() >= SHORTEST).collect()
}

/// Replaces the values wherever else they stand, also in names of fields.
fn blot(value: &mut Value, values: &[String]) {
    let clean = |text: &str| values.iter().fold(text.to_owned(), |text, value| text.replace(value.as_str(), HIDDEN));
    let touched = |text: &str| values.iter().any(|value| text.contains(value.as_str())) && !matches!(text, HIDDEN | CHANGED);
    match value {
        Value::String(text) if touched(text) => *text = clean(text),
        Value::Array(items) => items.iter_mut().for_each(|item| blot(item, values)),
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().filter(|name| touched(name)).cloned().collect();
            for name in names {
                if let Some(field) = fields.remove(&name) {
                    fields.insert(clean(&name), field);
                }
            }
            fields.values_mut().for_each(|field| blot(field, values));
        }
        Value::Number(number) if touched(&number.to_string()) => *value = Value::from(HIDDEN),
        _ => {}
    }
}

/// Takes Towpath's own marks away, but not those that would change: then an object changes hands.
fn unmark(before: Option<&mut Value>, after: Option<&mut Value>) {
    let (mut before, mut after) = (before, after);
    for group in ["labels", "annotations"] {
        let marks = |object: &Option<&mut Value>| -> BTreeMap<String, Value> {
            let all = object.as_ref().and_then(|object| object.pointer("/metadata")?.get(group)?.as_object());
            all.into_iter().flatten().filter(|(name, _)| name.starts_with(OWN)).map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let (old, new) = (marks(&before), marks(&after));
        let alone = before.is_none() || after.is_none();
        let goes = |name: &String| name == ANNOTATION || (name != WAVE && (alone || old.get(name) == new.get(name)));
        for object in [&mut before, &mut after].into_iter().flatten() {
            let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { continue };
            if let Some(all) = metadata.get_mut(group).and_then(Value::as_object_mut) {
                all.retain(|name, _| !(name.starts_with(OWN) && goes(name)));
                if all.is_empty() {
                    metadata.remove(group);
                }
            }
        }
    }
}
