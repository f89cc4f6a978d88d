//! Each parameter's value: given, default, or generated.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fault, Request};
use crate::draw::Draw;
use crate::template::{Parameter, Template};

/// The values that a template is processed with.
pub(super) struct Values {
    /// Every declared parameter's value.
    pub values: BTreeMap<String, String>,
    /// Those that were drawn.
    pub generated: BTreeMap<String, String>,
}

pub(super) fn find(template: &Template, request: &Request<'_>, draw: &mut dyn Draw, faults: &mut Vec<Fault>) -> Values {
    if !request.ignore_unknown {
        let declared: BTreeSet<&str> = template.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
        let unknown = request.params.keys().filter(|name| !declared.contains(name.as_str()));
        faults.extend(unknown.map(|name| Fault::UnknownParameter { name: name.clone() }));
    }
    let mut found = Values { values: BTreeMap::new(), generated: BTreeMap::new() };
    for (index, parameter) in template.parameters().iter().enumerate() {
        match value(index, parameter, request, draw, &mut found.generated) {
            Ok(value) => {
                found.values.insert(parameter.name.clone(), value);
            }
            Err(fault) => faults.push(fault),
        }
    }
    found
}

fn value(
    index: usize,
    parameter: &Parameter,
    request: &Request<'_>,
    draw: &mut dyn Draw,
    generated: &mut BTreeMap<String, String>,
) -> Result<String, Fault> {
    let name = || parameter.name.clone();
    // A value from outside clears the generator, so that an empty one stays empty.
    let value = match (request.params.get(&parameter.name), &parameter.value, &parameter.generate) {
        (Some(given), _, _) => given.clone(),
        (None, Some(default), _) if !default.is_empty() => default.clone(),
        (None, _, None) => String::new(),
        (None, _, Some(generator)) if generator == "expression" => {
            let from = parameter.from.as_deref().unwrap_or("");
            let drawn =
                draw.draw(&parameter.name, from).map_err(|error| Fault::Generate { index, name: name(), from: from.to_owned(), error })?;
            generated.insert(name(), drawn.clone());
            drawn
        }
        (None, _, Some(generator)) => return Err(Fault::UnknownGenerator { index, name: name(), generator: generator.clone() }),
    };
    if value.is_empty() && parameter.required {
        return Err(Fault::RequiredParameter { index, name: name() });
    }
    Ok(value)
}
