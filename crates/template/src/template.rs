//! The template as it is written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::limits::DEPTH_MAX;
use crate::yaml::{self, ReadError};

/// The API version of templates.
const API_VERSION: &str = "template.openshift.io/v1";

/// A parameter that a template declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, unique in the template.
    pub name: String,
    /// Its default; absent and empty mean the same.
    pub value: Option<String>,
    /// Processing fails when it ends up empty.
    pub required: bool,
    /// The generator's name; only `expression` exists.
    pub generate: Option<String>,
    /// What the generator works from.
    pub from: Option<String>,
    /// What it is for, for people.
    pub description: Option<String>,
    /// Its name for people.
    pub display_name: Option<String>,
}

/// A template, read and checked in its shape, not yet processed.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    name: String,
    parameters: Vec<Parameter>,
    objects: Vec<Value>,
    labels: BTreeMap<String, String>,
    message: Option<String>,
    warnings: Vec<String>,
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The text could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing in the text is a template.
    #[error("not a valid Template but {found}; a template has apiVersion {API_VERSION} and kind Template")]
    NotATemplate {
        /// What was found instead, such as `a Deployment (apps/v1)`.
        found: String,
    },
    /// A field has the wrong type.
    #[error("{path}: expected {expected}, found {found}; quote the value if it is meant as text")]
    Field {
        /// Path in the template, such as `parameters[3].value`.
        path: String,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A parameter has no name.
    #[error("parameters[{index}]: the parameter has no name; give it one")]
    Nameless {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// Two parameters have the same name. (`oc` lets the last one win and loses values given from outside.)
    #[error("parameters[{index}]: parameter {name} is declared twice; remove one")]
    DuplicateParameter {
        /// The place of the later one, from 0.
        index: usize,
        /// The name.
        name: String,
    },
    /// The template is nested deeper than can be processed.
    #[error("the template is nested deeper than {DEPTH_MAX} levels; flatten it")]
    TooDeep,
}

impl Template {
    /// Reads a template from YAML or JSON: the first document that is one.
    ///
    /// # Errors
    /// [`TemplateError`] when the text cannot be read, holds no template, or the template is malformed.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let documents = yaml::documents(text)?;
        let mut templates = documents.iter().filter(|document| header(document).is_ok());
        let Some(first) = templates.next() else {
            let found = documents.first().map_or_else(|| "an empty text".to_owned(), describe);
            return Err(TemplateError::NotATemplate { found });
        };
        let more = templates.count();
        let mut template = Self::from_value(first)?;
        if more > 0 {
            template.warnings.push(format!("the text holds {} templates; only the first, {}, is used", more + 1, template.name));
        }
        Ok(template)
    }

    /// Reads a template from a value.
    ///
    /// # Errors
    /// [`TemplateError`] when the value is no template or a malformed one.
    pub fn from_value(value: &Value) -> Result<Self, TemplateError> {
        let (map, version) = header(value)?;
        if !is_shallower_than(value, DEPTH_MAX) {
            return Err(TemplateError::TooDeep);
        }
        let mut warnings = Vec::new();
        if version != API_VERSION {
            let written = if version.is_empty() { "no apiVersion" } else { "the old apiVersion v1" };
            warnings.push(format!("the template has {written}; write {API_VERSION}"));
        }
        let metadata = map.get("metadata").and_then(Value::as_object);
        let name = match metadata {
            Some(metadata) => text(metadata, "name", "metadata.")?.unwrap_or_default(),
            None => String::new(),
        };
        Ok(Self {
            name,
            parameters: parameters(map)?,
            objects: items(map, "objects")?.to_vec(),
            labels: labels(map)?,
            message: text(map, "message", "")?,
            warnings,
        })
    }

    /// The template's own name; empty when it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The declared parameters, in order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Whether the template declares a parameter of this name.
    #[must_use]
    pub fn declares(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|declared| declared.name == parameter)
    }

    /// The objects as written.
    #[must_use]
    pub fn objects(&self) -> &[Value] {
        &self.objects
    }

    /// Labels for every object, as written.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The message for who processes the template, as written.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What is odd but does no harm, for people.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The fields and the API version of a template. Old files say `v1` or nothing; app-interface rewrites both.
fn header(value: &Value) -> Result<(&Map<String, Value>, &str), TemplateError> {
    let not_one = || TemplateError::NotATemplate { found: describe(value) };
    let map = value.as_object().ok_or_else(not_one)?;
    let version = map.get("apiVersion").and_then(Value::as_str).unwrap_or("");
    let is_template = map.get("kind").and_then(Value::as_str) == Some("Template");
    if is_template && [API_VERSION, "v1", ""].contains(&version) { Ok((map, version)) } else { Err(not_one()) }
}

fn describe(value: &Value) -> String {
    let field = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (field("kind"), field("apiVersion")) {
        (Some(kind), Some(version)) => format!("a {kind} ({version})"),
        (Some(kind), None) => format!("a {kind}"),
        (None, _) if value.is_object() => "an object without kind".to_owned(),
        (None, _) => type_name(value).to_owned(),
    }
}

pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

pub(crate) fn is_shallower_than(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| is_shallower_than(item, below)),
        Value::Object(map) => map.values().all(|item| is_shallower_than(item, below)),
        _ => true,
    }
}

fn wrong(path: String, expected: &'static str, value: &Value) -> TemplateError {
    TemplateError::Field { path, expected, found: type_name(value) }
}

/// An optional text. Numbers and booleans are refused, as `oc` does: `1.10` unquoted is already `1.1`.
fn text(map: &Map<String, Value>, key: &str, at: &str) -> Result<Option<String>, TemplateError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(format!("{at}{key}"), "a text", other)),
    }
}

fn items<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], TemplateError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(wrong(key.to_owned(), "a list", other)),
    }
}

fn labels(map: &Map<String, Value>) -> Result<BTreeMap<String, String>, TemplateError> {
    let labels = match map.get("labels") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(labels)) => labels,
        Some(other) => return Err(wrong("labels".to_owned(), "a map", other)),
    };
    let label = |key: &String| Ok((key.clone(), text(labels, key, "labels.")?.unwrap_or_default()));
    labels.keys().map(label).collect()
}

fn parameters(map: &Map<String, Value>) -> Result<Vec<Parameter>, TemplateError> {
    let mut names = BTreeSet::new();
    let mut parameters = Vec::new();
    for (index, item) in items(map, "parameters")?.iter().enumerate() {
        let parameter = parameter(index, item)?;
        if !names.insert(parameter.name.clone()) {
            return Err(TemplateError::DuplicateParameter { index, name: parameter.name });
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

fn parameter(index: usize, item: &Value) -> Result<Parameter, TemplateError> {
    let at = format!("parameters[{index}].");
    let map = item.as_object().ok_or_else(|| wrong(format!("parameters[{index}]"), "a map", item))?;
    let required = match map.get("required") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(other) => return Err(wrong(format!("{at}required"), "a boolean", other)),
    };
    Ok(Parameter {
        name: text(map, "name", &at)?.filter(|name| !name.is_empty()).ok_or(TemplateError::Nameless { index })?,
        value: text(map, "value", &at)?,
        required,
        generate: text(map, "generate", &at)?.filter(|name| !name.is_empty()),
        from: text(map, "from", &at)?,
        description: text(map, "description", &at)?,
        display_name: text(map, "displayName", &at)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: t}\n";

    fn refusal(body: &str) -> String {
        Template::parse(&format!("{HEAD}{body}")).unwrap_err().to_string()
    }

    #[test]
    fn a_template_tells_its_parameters() {
        let text = format!(
            "{HEAD}message: hi ${{A}}\nlabels: {{app: web}}\nparameters:\n- {{name: A, displayName: The A, description: d, \
             value: '1', required: true}}\n- {{name: B, generate: expression, from: '[a-z]{{3}}'}}\n"
        );
        let template = Template::parse(&text).unwrap();
        assert_eq!((template.name(), template.message()), ("t", Some("hi ${A}")));
        assert_eq!(template.labels()["app"], "web");
        let [a, b] = template.parameters() else { panic!() };
        assert_eq!((a.name.as_str(), a.value.as_deref(), a.required), ("A", Some("1"), true));
        assert_eq!((a.display_name.as_deref(), a.description.as_deref()), (Some("The A"), Some("d")));
        assert_eq!((b.generate.as_deref(), b.from.as_deref()), (Some("expression"), Some("[a-z]{3}")));
        assert!(template.declares("B") && !template.declares("C"));
        assert!(template.objects().is_empty() && template.warnings().is_empty());
    }

    #[test]
    fn the_first_template_among_documents_is_used_and_more_are_told() {
        let text = format!("kind: ConfigMap\napiVersion: v1\n---\n{HEAD}---\n{HEAD}");
        let template = Template::parse(&text).unwrap();
        assert_eq!(template.warnings(), ["the text holds 2 templates; only the first, t, is used"]);
    }

    #[test]
    fn legacy_api_versions_are_taken_with_a_warning() {
        for head in ["apiVersion: v1\nkind: Template\n", "kind: Template\n"] {
            assert_eq!(Template::parse(head).unwrap().warnings().len(), 1, "{head}");
        }
        assert!(Template::parse("apiVersion: v2\nkind: Template\n").is_err());
    }

    #[test]
    fn other_things_are_named_when_they_are_no_template() {
        for (text, want) in [
            ("kind: Deployment\napiVersion: apps/v1\n", "not a valid Template but a Deployment (apps/v1)"),
            ("", "not a valid Template but an empty text"),
            ("[1]", "not a valid Template but a list"),
            ("a: 1", "not a valid Template but an object without kind"),
        ] {
            assert!(Template::parse(text).unwrap_err().to_string().starts_with(want), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_path() {
        for (body, want) in [
            ("parameters: {}", "parameters: expected a list, found a map"),
            ("parameters: [{name: A}, {name: B, value: 1}]", "parameters[1].value: expected a text, found a number"),
            ("parameters: [{name: A, required: 'yes'}]", "parameters[0].required: expected a boolean, found a text"),
            ("parameters: [{value: x}]", "parameters[0]: the parameter has no name"),
            ("parameters: [{name: A}, {name: A}]", "parameters[1]: parameter A is declared twice"),
            ("parameters: [A]", "parameters[0]: expected a map, found a text"),
            ("objects: {}", "objects: expected a list, found a map"),
            ("labels: {a: 1}", "labels.a: expected a text, found a number"),
            ("labels: []", "labels: expected a map, found a list"),
            ("message: 1", "message: expected a text, found a number"),
        ] {
            assert!(refusal(body).starts_with(want), "{body}: {}", refusal(body));
        }
    }

    #[test]
    fn a_value_nested_too_deep_is_refused() {
        let deep = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let value = serde_json::json!({"kind": "Template", "apiVersion": "v1", "objects": [deep]});
        assert_eq!(Template::from_value(&value), Err(TemplateError::TooDeep));
    }
}
