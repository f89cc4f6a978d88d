//! Which fields of an object hold values that nobody may see: remembered with the object, never with the values.
//!
//! Whoever renders an object knows where secret and generated values stand in it, and writes the places into an annotation before it is applied.
//! Whoever compares the object with another wish later reads them there, so that a value which nobody knows any more stays hidden, too.

mod hide;
mod place;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use hide::{Shown, hide};
use place::Place;

use crate::digest;

/// The annotation that the places are in, as JSON.
pub(crate) const ANNOTATION: &str = "towpath.dev/secret-fields";

/// More than this many bytes of places are not remembered one by one: then the whole object is hidden.
const BYTES_MAX: usize = 16 << 10;

/// The places of an object at which secret or generated values stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFields {
    fields: BTreeMap<Place, Mark>,
    /// The object has no values, but something that only stands for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    withheld: bool,
}

impl SecretFields {
    /// The places where an object differs from itself with markers for what nobody may see. In lists whose items have names, places go by
    /// names; any other list counts as a whole, since its items may change places.
    #[must_use]
    pub fn between(marked: &Value, object: &Value) -> Self {
        let mut fields = BTreeMap::new();
        place::differing(marked, object, &Place::default(), &mut |place, marked, value| {
            fields.insert(place, Mark::of(marked, value));
        });
        let found = Self { fields, withheld: false };
        if found.text().len() <= BYTES_MAX { found } else { Self::everything(marked) }
    }

    /// The whole object.
    fn everything(marked: &Value) -> Self {
        Self { fields: BTreeMap::from([(Place::default(), Mark::of(marked, &Value::Null))]), withheld: false }
    }

    /// The same for an object that is not to be applied: it has no values, but something that only stands for them.
    #[must_use]
    pub fn withheld(self) -> Self {
        Self { withheld: true, ..self }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Writes the places onto the object, in the place of whatever its template says there.
    pub fn write(&self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        // Without values it is noted also where none stands: that the live one has some must not be found out by guessing.
        if self.is_empty() && !self.withheld {
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove(ANNOTATION);
            }
            return;
        }
        let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()));
        if !annotations.is_object() {
            *annotations = Value::Object(serde_json::Map::new());
        }
        annotations[ANNOTATION] = Value::from(self.text());
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The places that are written on the object. What cannot be read hides everything.
    fn of(object: &Value) -> Self {
        match object.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION)).and_then(Value::as_str) {
            None => Self::default(),
            Some(text) => serde_json::from_str(text).unwrap_or_else(|_| Self::everything(&Value::Null)),
        }
    }
}

/// What is noted of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// A hash of what stands there with markers for the values: it changes when another secret, or another version of one, is meant.
    hash: String,
    /// How many bytes of plain text stand before the first value and behind the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    around: Option<(usize, usize)>,
}

impl Mark {
    fn of(marked: &Value, value: &Value) -> Self {
        let around = marked.as_str().zip(value.as_str()).map(|(marked, value)| {
            let before = marked.bytes().zip(value.bytes()).take_while(|(one, other)| one == other).count();
            let rest = marked.len().min(value.len()) - before;
            let behind = marked.bytes().rev().zip(value.bytes().rev()).take(rest).take_while(|(one, other)| one == other).count();
            (before, behind)
        });
        Self { hash: digest::of_value(marked).chars().take(16).collect(), around: around.filter(|around| *around != (0, 0)) }
    }

    /// The value alone, without the plain text around it.
    fn value<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (before, behind) = self.around?;
        text.get(before..text.len().checked_sub(behind)?)
    }
}

#[cfg(test)]
mod tests;
