//! Putting parameter values into strings and values.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::limits::SUBSTITUTED_BYTES_MAX;

/// Why values could not be put in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    /// Two keys of a map become the same.
    #[error("two keys of the map at {path:?} become {key:?}; give them different names")]
    KeyCollision {
        /// Path to the map, as a JSON pointer; empty for the outermost.
        path: String,
        /// The key that both become.
        key: String,
    },
    /// A key is exactly `${{P}}` and the value is no text.
    #[error("the key {key:?} of the map at {path:?} becomes {found}; a key must be a text, write ${{{parameter}}}")]
    KeyNotText {
        /// Path to the map, as a JSON pointer; empty for the outermost.
        path: String,
        /// The key as written.
        key: String,
        /// The parameter.
        parameter: String,
        /// What the value is.
        found: &'static str,
    },
    /// `${{P}}` with an integer of more than 64 bits, which would lose digits.
    #[error("parameter {parameter} used as ${{{{{parameter}}}}} at {path:?} holds an integer of more than 64 bits; use it as text")]
    IntegerTooLarge {
        /// Path to the value, as a JSON pointer.
        path: String,
        /// The parameter.
        parameter: String,
    },
}

/// The values that are put in, and how much may still be written.
pub(super) struct Substitution<'a> {
    values: &'a BTreeMap<String, String>,
    bytes_left: usize,
    exhausted: bool,
}

impl<'a> Substitution<'a> {
    pub(super) fn new(values: &'a BTreeMap<String, String>) -> Self {
        Self { values, bytes_left: SUBSTITUTED_BYTES_MAX, exhausted: false }
    }

    /// More would have been written than allowed; what was given since is not to be used.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    fn spend(&mut self, bytes: usize) -> bool {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => self.bytes_left = left,
            None => self.exhausted = true,
        }
        !self.exhausted
    }

    /// `text` with its references replaced; one that is exactly `${{P}}` becomes the value's text.
    pub(super) fn text(&mut self, text: &str) -> String {
        match typed_reference(text).and_then(|name| self.values.get(name)) {
            Some(value) if self.spend(value.len()) => value.clone(),
            Some(_) => String::new(),
            None => self.replace(text),
        }
    }

    /// `value` with references replaced in every string and every key, at any depth. `None`: it became `null` by a
    /// reference, which removes the key it stands under.
    pub(super) fn value(&mut self, value: &Value) -> Result<Option<Value>, SubstituteError> {
        self.at(value, &mut String::new())
    }

    fn at(&mut self, value: &Value, path: &mut String) -> Result<Option<Value>, SubstituteError> {
        match value {
            Value::String(text) => self.string(text, path),
            Value::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let item = below(path, &index.to_string(), |path| self.at(item, path))?;
                    list.push(item.unwrap_or(Value::Null));
                }
                Ok(Some(Value::Array(list)))
            }
            Value::Object(map) => self.map(map, path).map(Some),
            Value::Number(number) => Ok(Some(plain_number(number))),
            Value::Null | Value::Bool(_) => Ok(Some(value.clone())),
        }
    }

    fn map(&mut self, map: &Map<String, Value>, path: &mut String) -> Result<Value, SubstituteError> {
        let mut out = Map::new();
        // Keys that vanish through a null count as well, so that the order of keys never decides anything.
        let mut seen = std::collections::BTreeSet::new();
        for (written, value) in map {
            let key = self.key(written, path)?;
            let value = below(path, written, |path| self.at(value, path))?;
            if !seen.insert(key.clone()) {
                return Err(SubstituteError::KeyCollision { path: path.clone(), key });
            }
            if let Some(value) = value {
                out.insert(key, value);
            }
        }
        Ok(Value::Object(out))
    }

    fn key(&mut self, key: &str, path: &str) -> Result<String, SubstituteError> {
        let Some((parameter, value)) = self.typed(key) else { return Ok(self.replace(key)) };
        match self.read_json(value, parameter, path)? {
            Some(Value::String(text)) => Ok(text),
            other => Err(SubstituteError::KeyNotText {
                path: path.to_owned(),
                key: key.to_owned(),
                parameter: parameter.to_owned(),
                found: crate::template::type_name(&other.unwrap_or(Value::Null)),
            }),
        }
    }

    fn string(&mut self, text: &str, path: &str) -> Result<Option<Value>, SubstituteError> {
        match self.typed(text) {
            Some((parameter, value)) => self.read_json(value, parameter, path),
            None => Ok(Some(Value::String(self.replace(text)))),
        }
    }

    fn typed<'t>(&self, text: &'t str) -> Option<(&'t str, &'a str)> {
        let name = typed_reference(text)?;
        Some((name, self.values.get(name)?.as_str()))
    }

    /// A parameter's value read as JSON, or as text where it is none.
    fn read_json(&mut self, text: &str, parameter: &str, path: &str) -> Result<Option<Value>, SubstituteError> {
        if !self.spend(text.len()) {
            return Ok(Some(Value::Null));
        }
        match serde_json::from_str(text) {
            Ok(Value::Null) => Ok(None),
            Ok(_) if has_huge_integer(text) => {
                Err(SubstituteError::IntegerTooLarge { path: path.to_owned(), parameter: parameter.to_owned() })
            }
            Ok(mut value) => {
                plain_numbers(&mut value);
                Ok(Some(value))
            }
            Err(_) => Ok(Some(Value::String(text.to_owned()))),
        }
    }

    /// Replaces every `${P}` of a declared parameter, in one pass from left to right.
    fn replace(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            match name_until(after, "}").and_then(|(name, tail)| Some((self.values.get(name)?, tail))) {
                Some((value, tail)) => {
                    if !self.spend(value.len()) {
                        return out;
                    }
                    out.push_str(value);
                    rest = tail;
                }
                None => {
                    out.push_str("${");
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

/// Runs `inner` with `path` one step further down, and takes the step back.
fn below<T>(path: &mut String, step: &str, inner: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    path.push('/');
    path.push_str(&step.replace('~', "~0").replace('/', "~1"));
    let result = inner(path);
    path.truncate(length);
    result
}

/// A parameter's name at the start of `text`, followed by `end`; and what comes after it.
fn name_until<'t>(text: &'t str, end: &str) -> Option<(&'t str, &'t str)> {
    let length = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let (name, rest) = text.split_at_checked(length)?;
    (!name.is_empty()).then_some((name, rest.strip_prefix(end)?))
}

/// The name in a text that is exactly `${{NAME}}`.
fn typed_reference(text: &str) -> Option<&str> {
    let (name, rest) = name_until(text.strip_prefix("${{")?, "}}")?;
    rest.is_empty().then_some(name)
}

/// Whether a text contains the shape `${NAME}`, declared or not.
pub(super) fn has_reference(text: &str) -> bool {
    text.match_indices("${").any(|(at, mark)| text.get(at + mark.len()..).and_then(|rest| name_until(rest, "}")).is_some())
}

/// The largest magnitude below which every whole float is exactly the integer it prints as.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// A number as Kubernetes sees it: `1.0` and `1e3` are the integers 1 and 1000. Integers keep all their digits.
pub(crate) fn plain_number(number: &serde_json::Number) -> Value {
    if let (false, Some(float)) = (number.is_i64() || number.is_u64(), number.as_f64())
        && float.fract() == 0.0
        && float.abs() <= EXACT_FLOAT_MAX
        && let Ok(integer) = format!("{float:.0}").parse::<i64>()
    {
        return Value::from(integer);
    }
    Value::Number(number.clone())
}

fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => *value = plain_number(number),
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(map) => map.values_mut().for_each(plain_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Whether JSON text has an integer, outside strings, that does not fit 64 bits: reading it would lose digits.
fn has_huge_integer(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        let (_, token) = rest.split_at(at);
        if let Some(string) = token.strip_prefix('"') {
            rest = after_string(string);
            continue;
        }
        let length = token.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(token.len());
        let (number, tail) = token.split_at(length);
        let is_integer = !number.contains(['.', 'e', 'E']);
        if is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
            return true;
        }
        rest = tail;
    }
    false
}

/// What follows a JSON string whose opening quote is already behind.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text.get(at + 1..).unwrap_or(""),
            _ => {}
        }
    }
    ""
}
