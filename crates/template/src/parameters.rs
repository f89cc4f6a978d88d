//! From a target's resolved parameters and a commit to the values for its template.
//!
//! The steps are app-interface's, after its merge of environment, saas file, resource template and target: values become
//! text, parameters are put into each other, automatic values fill the gaps.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use towpath_domain::CommitId;

use crate::limits::PARAMETER_BYTES_MAX;

/// What the values are made from.
// No debug print: values may be secrets.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Merged parameters by name.
    pub parameters: &'a BTreeMap<String, Value>,
    /// The commit that is deployed.
    pub commit: &'a CommitId,
    /// How many hex digits of the commit make `IMAGE_TAG`.
    pub hash_length: usize,
    /// `IMAGE_TAG` is `{CHANNEL}-{digits}`.
    pub use_channel_in_image_tag: bool,
    /// Further automatic values, such as `IMAGE_DIGEST` where the template declares it. Parameters win over them.
    pub automatic: &'a BTreeMap<String, String>,
}

/// Why there are no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Parameters refer to each other in a circle.
    #[error("parameters refer to each other in a circle: {}; write one of them out", chain.join(" -> "))]
    Cycle {
        /// The names along the circle; the first is repeated at the end.
        chain: Vec<String>,
    },
    /// `IMAGE_TAG` needs `CHANNEL`.
    #[error("IMAGE_TAG is to begin with the channel (use_channel_in_image_tag), but the parameter CHANNEL is not set; set it or IMAGE_TAG")]
    ChannelMissing,
    /// A value grows too long by what is put into it.
    #[error("parameter {name} would be longer than {PARAMETER_BYTES_MAX} bytes with the parameters it refers to; shorten them")]
    TooLong {
        /// The parameter.
        name: String,
    },
}

/// The values for the template engine.
///
/// * Booleans become `true` and `false`; lists and maps become JSON with sorted keys and no spaces after separators; numbers
///   become their text. A `null` counts as not set (app-interface would pass the text `None`).
/// * `${K}` in a text, list or map becomes the value of `K`, wherever `K` is a text, boolean, list or map; numbers are not
///   put into others. Chains resolve fully, whatever their order. Names that are not set stay as they are.
/// * `COMMIT_SHA` and [`Inputs::automatic`] fill what is not set, `IMAGE_TAG` also what is empty. They come last and are
///   not put into other parameters.
///
/// # Errors
/// [`ResolveError`] for circles (app-interface leaves a half-replaced text), a missing `CHANNEL`, and values without bounds.
pub fn resolve(inputs: &Inputs<'_>) -> Result<BTreeMap<String, String>, ResolveError> {
    let written: BTreeMap<&str, Text> =
        inputs.parameters.iter().filter_map(|(name, value)| Some((name.as_str(), Text::of(value)?))).collect();
    let mut crossing = Crossing { written: &written, done: BTreeMap::new() };
    for name in written.keys() {
        crossing.visit(name)?;
    }
    let mut values: BTreeMap<String, String> = crossing.done.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();

    values.entry("COMMIT_SHA".to_owned()).or_insert_with(|| inputs.commit.to_string());
    if values.get("IMAGE_TAG").is_none_or(String::is_empty) {
        let digits = inputs.commit.short(inputs.hash_length);
        let tag = match (inputs.use_channel_in_image_tag, values.get("CHANNEL")) {
            (false, _) => digits,
            (true, Some(channel)) if !channel.is_empty() => format!("{channel}-{digits}"),
            (true, _) => return Err(ResolveError::ChannelMissing),
        };
        values.insert("IMAGE_TAG".to_owned(), tag);
    }
    for (name, value) in inputs.automatic {
        values.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Ok(values)
}

/// A parameter as text.
struct Text {
    text: String,
    /// Numbers neither hold references nor are put into others.
    is_number: bool,
}

impl Text {
    fn of(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Array(_) | Value::Object(_) => crate::objects::canonical_json(value),
        };
        Some(Self { text, is_number: value.is_number() })
    }
}

/// Puts parameters into each other, depth first.
struct Crossing<'a> {
    written: &'a BTreeMap<&'a str, Text>,
    done: BTreeMap<&'a str, String>,
}

impl<'a> Crossing<'a> {
    /// Resolves `start` and all that it refers to.
    fn visit(&mut self, start: &'a str) -> Result<(), ResolveError> {
        // A stack of our own, since a chain may be as long as the list of parameters: each name with its open references.
        let mut chain = vec![(start, self.references(start))];
        let mut on_chain = BTreeSet::from([start]);
        while let Some((name, open)) = chain.last_mut() {
            let name = *name;
            match open.pop() {
                Some(next) if self.done.contains_key(next) => {}
                Some(next) if on_chain.contains(next) => {
                    let circle = chain.iter().map(|(name, _)| *name).skip_while(|name| *name != next).chain([next]);
                    return Err(ResolveError::Cycle { chain: circle.map(str::to_owned).collect() });
                }
                Some(next) => {
                    on_chain.insert(next);
                    chain.push((next, self.references(next)));
                }
                None => {
                    self.finish(name)?;
                    on_chain.remove(name);
                    chain.pop();
                }
            }
        }
        Ok(())
    }

    /// The parameters that `name` refers to, the last one first.
    fn references(&self, name: &str) -> Vec<&'a str> {
        let mut found = Vec::new();
        if let Some(written) = self.written.get(name).filter(|text| !text.is_number) {
            scan(&written.text, |piece| {
                if let Piece::Reference(to) = piece {
                    found.extend(self.target(to));
                }
            });
        }
        found.reverse();
        found
    }

    /// The parameter called `name`, if it can be put into others.
    fn target(&self, name: &str) -> Option<&'a str> {
        self.written.get_key_value(name).filter(|(_, text)| !text.is_number).map(|(name, _)| *name)
    }

    fn finish(&mut self, name: &'a str) -> Result<(), ResolveError> {
        let Some(written) = self.written.get(name).filter(|_| !self.done.contains_key(name)) else { return Ok(()) };
        let mut value = String::new();
        if written.is_number {
            value.push_str(&written.text);
        } else {
            scan(&written.text, |piece| {
                // Written at most once past the limit: the check below refuses it.
                if value.len() <= PARAMETER_BYTES_MAX {
                    match piece {
                        Piece::Text(text) => value.push_str(text),
                        Piece::Reference(to) => match self.target(to).and_then(|to| self.done.get(to)) {
                            Some(inner) => value.push_str(inner),
                            None => value.extend(["${", to, "}"]),
                        },
                    }
                }
            });
        }
        if value.len() > PARAMETER_BYTES_MAX {
            return Err(ResolveError::TooLong { name: name.to_owned() });
        }
        self.done.insert(name, value);
        Ok(())
    }
}

enum Piece<'t> {
    Text(&'t str),
    Reference(&'t str),
}

/// Cuts `text` into references of the shape `${NAME}` and what is between them.
fn scan<'t>(text: &'t str, mut piece: impl FnMut(Piece<'t>)) {
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, mark) = rest.split_at(at);
        let (open, after) = mark.split_at(2);
        let length = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let (name, tail) = after.split_at_checked(length).unwrap_or((after, ""));
        piece(Piece::Text(before));
        match tail.strip_prefix('}').filter(|_| !name.is_empty()) {
            Some(tail) => {
                piece(Piece::Reference(name));
                rest = tail;
            }
            None => {
                piece(Piece::Text(open));
                rest = after;
            }
        }
    }
    piece(Piece::Text(rest));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn resolved_with(parameters: Value, channel: bool, automatic: &[(&str, &str)]) -> Result<BTreeMap<String, String>, ResolveError> {
        let parameters = serde_json::from_value(parameters).unwrap();
        let automatic = automatic.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let commit = SHA.parse().unwrap();
        resolve(&Inputs {
            parameters: &parameters,
            commit: &commit,
            hash_length: 7,
            use_channel_in_image_tag: channel,
            automatic: &automatic,
        })
    }

    fn resolved(parameters: Value) -> BTreeMap<String, String> {
        resolved_with(parameters, false, &[]).unwrap()
    }

    #[test]
    fn every_value_becomes_text() {
        let values = resolved(json!({"T": true, "F": false, "I": 3, "BIG": i64::MAX, "X": 1.5, "S": "s", "N": null,
            "M": {"b": [1, "é"], "a": {"z": null, "y": true}}, "L": []}));
        let text = |name: &str| values.get(name).map(String::as_str);
        assert_eq!((text("T"), text("F"), text("I")), (Some("true"), Some("false"), Some("3")));
        assert_eq!((text("BIG"), text("X"), text("S")), (Some("9223372036854775807"), Some("1.5"), Some("s")));
        assert_eq!(text("M"), Some(r#"{"a":{"y":true,"z":null},"b":[1,"é"]}"#));
        assert_eq!((text("L"), text("N")), (Some("[]"), None));
    }

    #[test]
    fn parameters_are_put_into_each_other_along_chains_in_any_order() {
        let values =
            resolved(json!({"A": "<${B}>", "B": "${C}-${C}", "C": "c", "D": ["${A}"], "E": "${T} ${I} ${NOPE} ${}", "T": true, "I": 1}));
        assert_eq!(values["A"], "<c-c>");
        assert_eq!(values["D"], r#"["<c-c>"]"#);
        assert_eq!(values["E"], "true ${I} ${NOPE} ${}");
    }

    #[test]
    fn a_circle_is_told_with_its_names_and_does_not_hang() {
        let cycle = |parameters| match resolved_with(parameters, false, &[]) {
            Err(ResolveError::Cycle { chain }) => chain.join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(cycle(json!({"A": "x${A}"})), "A A");
        assert_eq!(cycle(json!({"A": "${B}", "B": "${C}", "C": "${B}"})), "B C B");
        assert!(resolved_with(json!({"A": "${B}", "B": "${A}"}), false, &[]).unwrap_err().to_string().contains("A -> B -> A"));
    }

    #[test]
    fn a_long_chain_resolves_and_an_exploding_one_is_refused() {
        let chain: serde_json::Map<String, Value> = (0..20_000)
            .map(|i| (format!("P{i:05}"), json!(if i == 19_999 { "end".into() } else { format!("${{P{:05}}}", i + 1) })))
            .collect();
        assert_eq!(resolved(Value::Object(chain))["P00000"], "end");
        let laughs: serde_json::Map<String, Value> = (0..64)
            .map(|i| (format!("P{i:02}"), json!(if i == 63 { "ha".into() } else { format!("${{P{0:02}}}${{P{0:02}}}", i + 1) })))
            .collect();
        assert!(matches!(resolved_with(Value::Object(laughs), false, &[]), Err(ResolveError::TooLong { .. })));
    }

    #[test]
    fn the_commit_fills_what_is_not_set() {
        let values = resolved(json!({"IMAGE_TAG": "", "A": "${IMAGE_TAG}|${COMMIT_SHA}"}));
        assert_eq!((values["COMMIT_SHA"].as_str(), values["IMAGE_TAG"].as_str()), (SHA, "0123456"));
        assert_eq!(values["A"], "|${COMMIT_SHA}", "automatic values come after the crossing");
        let values = resolved(json!({"IMAGE_TAG": "mine", "COMMIT_SHA": "x"}));
        assert_eq!((values["COMMIT_SHA"].as_str(), values["IMAGE_TAG"].as_str()), ("x", "mine"));
    }

    #[test]
    fn the_tag_may_begin_with_the_channel() {
        let tag = |parameters| resolved_with(parameters, true, &[]).map(|values| values["IMAGE_TAG"].clone());
        assert_eq!(tag(json!({"CHANNEL": "stable"})).unwrap(), "stable-0123456");
        assert_eq!(tag(json!({"CHANNEL": "stable", "IMAGE_TAG": "t"})).unwrap(), "t");
        assert_eq!(tag(json!({})), Err(ResolveError::ChannelMissing));
    }

    #[test]
    fn further_automatic_values_give_way_to_parameters() {
        let values = resolved_with(json!({"A": "mine"}), false, &[("A", "auto"), ("IMAGE_DIGEST", "sha256:1")]).unwrap();
        assert_eq!((values["A"].as_str(), values["IMAGE_DIGEST"].as_str()), ("mine", "sha256:1"));
    }

    proptest! {
        #[test]
        fn any_parameters_resolve_or_are_refused(texts in prop::collection::btree_map("[A-D]", "[$ {}A-E]{0,12}", 0..5)) {
            let parameters = texts.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
            if let Err(error) = resolved_with(Value::Object(parameters), false, &[]) {
                prop_assert!(matches!(error, ResolveError::Cycle { .. }), "{error}");
            }
        }

        #[test]
        fn without_circles_the_outcome_is_that_of_replacing_one_by_one(
            texts in prop::collection::vec(prop::collection::vec("(x|-|\\$\\{[A-H]\\})", 0..5), 0..6)
        ) {
            let names: Vec<String> = ('A'..='F').map(String::from).collect();
            // Each parameter refers to later ones only; of the rest, the reference is taken out.
            let mut values: BTreeMap<String, String> = names.iter().zip(&texts).map(|(name, pieces)| {
                let kept = pieces.iter().filter(|piece| piece.len() == 1 || piece[2..3] > name[..]);
                (name.clone(), kept.cloned().collect())
            }).collect();
            let got = resolved(serde_json::to_value(&values).unwrap());
            for name in names.iter().rev() {
                let Some(value) = values.get(name).cloned() else { continue };
                values.values_mut().for_each(|text| *text = text.replace(&format!("${{{name}}}"), &value));
            }
            for (name, value) in values {
                prop_assert_eq!(got.get(&name), Some(&value));
            }
        }
    }
}
