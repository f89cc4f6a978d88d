//! What can be wrong with a template and the values it gets.

use std::fmt;

use serde_json::Value;

use super::substitute::SubstituteError;
use crate::draw::DrawError;
use crate::limits::SUBSTITUTED_BYTES_MAX;

/// Which object of a template is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its place in the template's list, from 0.
    pub index: usize,
    /// Its kind as written; empty when it has none.
    pub kind: String,
    /// Its name as written; empty when it has none.
    pub name: String,
}

impl ObjectName {
    pub(super) fn of(index: usize, object: &Value) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
        Self { index, kind: text(object.get("kind")), name: text(object.pointer("/metadata/name")) }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "objects[{}]", self.index)?;
        match (self.kind.as_str(), self.name.as_str()) {
            ("", "") => Ok(()),
            (kind, "") => write!(f, " ({kind})"),
            ("", name) => write!(f, " ({name})"),
            (kind, name) => write!(f, " ({kind}/{name})"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A value was given for a parameter that the template does not declare.
    #[error("unknown parameter name {name:?}; remove it, or declare it in the template")]
    UnknownParameter {
        /// The name.
        name: String,
    },
    /// A required parameter is empty.
    #[error("template.parameters[{index}]: Required value: parameter {name} is required and must be specified")]
    RequiredParameter {
        /// The parameter's place in the template, from 0.
        index: usize,
        /// Its name.
        name: String,
    },
    /// A parameter names a generator that does not exist.
    #[error(
        "template.parameters[{index}]: Invalid value: {generator:?}: Unknown generator name '{generator}' for parameter {name}; only 'expression' exists"
    )]
    UnknownGenerator {
        /// The parameter's place in the template, from 0.
        index: usize,
        /// Its name.
        name: String,
        /// The generator's name.
        generator: String,
    },
    /// A parameter's value could not be generated.
    #[error("template.parameters[{index}]: Invalid value: parameter {name}, from {from:?}: {error}")]
    Generate {
        /// The parameter's place in the template, from 0.
        index: usize,
        /// Its name.
        name: String,
        /// The expression.
        from: String,
        /// Why it generates nothing.
        error: DrawError,
    },
    /// Two label keys become the same.
    #[error("labels: {error}")]
    Labels {
        /// Which.
        error: Box<SubstituteError>,
    },
    /// An element of the list of objects is no map.
    #[error("objects[{index}]: expected an object with a kind, found {found}; remove it or write the object")]
    NotAnObject {
        /// Its place in the template, from 0.
        index: usize,
        /// What is there.
        found: &'static str,
    },
    /// An object has no kind.
    #[error("{object}: Invalid value: unable to handle object: Object 'Kind' is missing; add a kind")]
    KindMissing {
        /// Which object.
        object: ObjectName,
    },
    /// Values could not be put into an object.
    #[error("{object}: {error}")]
    Object {
        /// Which object.
        object: ObjectName,
        /// Why.
        error: Box<SubstituteError>,
    },
    /// The outcome would be too large.
    #[error("the parameters' values would fill more than {SUBSTITUTED_BYTES_MAX} bytes; shorten them or use them less often")]
    TooLarge,
}

/// All that is wrong with a template and the values it gets: never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessErrors {
    /// The template's name; empty when it has none.
    pub template: String,
    /// The faults: those of the parameters first, then those of the objects, each in the template's order.
    pub faults: Vec<Fault>,
}

impl ProcessErrors {
    pub(super) fn new(template: &str, faults: Vec<Fault>) -> Self {
        Self { template: template.to_owned(), faults }
    }
}

impl fmt::Display for ProcessErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the template {:?} is invalid:", self.template)?;
        match self.faults.as_slice() {
            [only] => write!(f, " {only}"),
            all => all.iter().try_for_each(|fault| write!(f, "\n* {fault}")),
        }
    }
}

impl std::error::Error for ProcessErrors {}
