//! Places in an object. Pure.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// What a step into a list begins with: the item is found by its name.
const BY_NAME: &str = "name=";

/// A place in an object, written like a JSON pointer (RFC 6901); a step into a list is `name=` and the item's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(Vec<String>);

impl Place {
    pub(super) fn of<const N: usize>(steps: [&str; N]) -> Self {
        Self(steps.iter().map(|step| (*step).to_owned()).collect())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands there.
    pub(super) fn find<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(object, |at, step| match at {
            Value::Object(fields) => fields.get(step),
            Value::Array(items) => items.get(position(items, step)?),
            _ => None,
        })
    }

    /// As [`find`](Self::find), to be changed.
    pub(super) fn find_mut<'v>(&self, object: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(object, |at, step| match at {
            Value::Object(fields) => fields.get_mut(step),
            Value::Array(items) => {
                let position = position(items, step)?;
                items.get_mut(position)
            }
            _ => None,
        })
    }

    /// Where a server keeps what a `Secret` was given as text.
    pub(super) fn as_kept(&self) -> Self {
        match self.0.as_slice() {
            [first, rest @ ..] if first == "stringData" => {
                Self(std::iter::once("data").chain(rest.iter().map(String::as_str)).map(str::to_owned).collect())
            }
            _ => self.clone(),
        }
    }

    fn below(&self, step: &str) -> Self {
        Self(self.0.iter().cloned().chain([step.to_owned()]).collect())
    }
}

fn position(items: &[Value], step: &str) -> Option<usize> {
    let wanted = step.strip_prefix(BY_NAME)?;
    names(items)?.iter().position(|name| *name == wanted)
}

/// The names of a list's items, if each has one of its own.
fn names(items: &[Value]) -> Option<Vec<&str>> {
    let names: Vec<&str> = items.iter().map(|item| item.as_object()?.get("name")?.as_str()).collect::<Option<_>>()?;
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    (distinct.len() == names.len()).then_some(names)
}

/// Calls `found` with each place at which the two differ, and what they have there: the innermost ones that both have. A place's steps
/// are the same in both, so that no step of it is one of the values.
pub(super) fn differing(one: &Value, other: &Value, at: &Place, found: &mut dyn FnMut(Place, &Value, &Value)) {
    if one == other {
        return;
    }
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) if ones.len() == others.len() && ones.keys().all(|key| others.contains_key(key)) => {
            for (key, value) in ones {
                differing(value, &others[key], &at.below(key), found);
            }
        }
        (Value::Array(ones), Value::Array(others)) => match (names(ones), names(others)) {
            (Some(names), Some(same)) if names == same => {
                for ((name, value), other) in names.iter().zip(ones).zip(others) {
                    differing(value, other, &at.below(&format!("{BY_NAME}{name}")), found);
                }
            }
            _ => found(at.clone(), one, other),
        },
        _ => found(at.clone(), one, other),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        let steps = text.strip_prefix('/').ok_or_else(|| D::Error::custom("a place begins with a slash"))?;
        Ok(Self(steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()))
    }
}
