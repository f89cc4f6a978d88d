//! Carrying out a template: parameters in, objects out, in the order of the reference.

mod error;
mod labels;
mod legacy;
mod namespace;
mod substitute;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

pub use error::{Fault, ObjectName, ProcessErrors};
pub use substitute::SubstituteError;

use crate::draw::Draw;
use crate::template::{Template, type_name};
use substitute::Substitution;
pub(crate) use substitute::plain_number;

/// What a template is processed with.
// No debug print: values may be secrets.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Values by parameter. A value given here switches the parameter's generator off, even an empty one.
    pub params: &'a BTreeMap<String, String>,
    /// Labels for every object; they win over the template's own, and `${P}` in them is substituted, too.
    pub labels: &'a BTreeMap<String, String>,
    /// Values for parameters that the template does not declare are passed over instead of refused.
    pub ignore_unknown: bool,
}

/// What came out.
#[derive(Clone, Default, PartialEq)]
pub struct Processed {
    /// The objects, in the template's order.
    pub objects: Vec<Value>,
    /// The template's message, substituted.
    pub message: Option<String>,
    /// The values that were drawn, by parameter. Write them down, and [`crate::Recorded`] gives them again.
    pub generated: BTreeMap<String, String>,
    /// What is odd but does no harm, for people.
    pub warnings: Vec<String>,
}

// Objects and drawn values may be secrets: a debug print names them only.
impl fmt::Debug for Processed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects: Vec<String> = self.objects.iter().map(crate::objects::title).collect();
        let generated: Vec<&String> = self.generated.keys().collect();
        f.debug_struct("Processed")
            .field("objects", &objects)
            .field("generated", &generated)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Carries out `template`.
///
/// In a string, `${P}` becomes the value of `P`. A string that is exactly `${{P}}` becomes the value read as JSON, or as
/// text where it is no JSON. Names that are not declared stay as they are; there is no way to escape.
///
/// Differences from `oc process`, all on purpose:
/// * Substitution is one pass: with A=`${B}`, `${A}${B}` keeps the `${B}` that came out of A. (`oc` may replace it instead.)
/// * `${{P}}` with an integer keeps all 64 bits (`oc` goes through a float); a larger integer is refused, not rounded.
/// * `${{P}}` with `null` in a list gives `null`; as a key, whatever is no string is refused. (`oc` panics on both.)
/// * Two keys of a map that become the same are refused. (In `oc` one of them wins by chance.)
///
/// # Errors
/// [`ProcessErrors`] with all faults: those of the parameters first, then those of the objects.
pub fn process(template: &Template, request: &Request<'_>, draw: &mut dyn Draw) -> Result<Processed, ProcessErrors> {
    let mut faults = Vec::new();
    let found = values::find(template, request, draw, &mut faults);
    if !faults.is_empty() {
        // Nothing is substituted, but faults that need no values are told in the same breath.
        faults.extend(template.objects().iter().enumerate().filter_map(|(index, object)| shape_fault(index, object)));
        return Err(ProcessErrors::new(template.name(), faults));
    }

    let mut warnings = template.warnings().to_vec();
    let mut substitution = Substitution::new(&found.values);
    let labels = labels::resolve(template.labels(), request.labels, &mut substitution, &mut faults);
    let message = template.message().map(|text| substitution.text(text));
    let mut objects = Vec::with_capacity(template.objects().len());
    for (index, object) in template.objects().iter().enumerate() {
        match render(index, object, &labels, &mut substitution, &mut warnings) {
            Ok(rendered) => objects.push(rendered),
            Err(fault) => faults.push(fault),
        }
        if substitution.is_exhausted() {
            break;
        }
    }
    if substitution.is_exhausted() {
        faults.push(Fault::TooLarge);
    }
    if faults.is_empty() {
        Ok(Processed { objects, message, generated: found.generated, warnings })
    } else {
        Err(ProcessErrors::new(template.name(), faults))
    }
}

/// `objects` as a `v1` `List`, as `oc process -o json` prints it.
#[must_use]
pub fn list(objects: Vec<Value>) -> Value {
    json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": objects })
}

fn render(
    index: usize,
    object: &Value,
    labels: &BTreeMap<String, String>,
    substitution: &mut Substitution<'_>,
    warnings: &mut Vec<String>,
) -> Result<Value, Fault> {
    if let Some(fault) = shape_fault(index, object) {
        return Err(fault);
    }
    let mut object = object.clone();
    namespace::strip(&mut object);
    let mut rendered = substitution
        .value(&object)
        .map_err(|error| Fault::Object { object: ObjectName::of(index, &object), error: error.into() })?
        .unwrap_or_default();
    legacy::groupify(&mut rendered);
    if !labels::merge(&mut rendered, labels) {
        let name = ObjectName::of(index, &rendered);
        warnings.push(format!("{name}: its metadata is no map, so it gets no labels"));
    }
    Ok(rendered)
}

/// What is wrong with an object before anything is substituted: it must be a map with a kind.
fn shape_fault(index: usize, object: &Value) -> Option<Fault> {
    let Some(map) = object.as_object() else {
        return Some(Fault::NotAnObject { index, found: type_name(object) });
    };
    match map.get("kind") {
        Some(Value::String(kind)) if !kind.is_empty() => None,
        _ => Some(Fault::KindMissing { object: ObjectName::of(index, object) }),
    }
}

#[cfg(test)]
mod tests;
