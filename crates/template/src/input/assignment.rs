//! `-p K=V` and positional `K=V`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::is_name;

/// One parameter with its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The parameter.
    pub name: String,
    /// Its value, which may hold anything.
    pub value: String,
    /// It looks like several assignments in one, which is not how it is read. Holds no value.
    pub warning: Option<String>,
}

// Values may be secrets: a debug print must not show them.
impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assignment").field("name", &self.name).field("warning", &self.warning).finish_non_exhaustive()
    }
}

/// Why a text is not an assignment. Values are left out of the messages, since they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// There is no `=`.
    #[error("invalid parameter assignment: {text:?} has no '='; write NAME=VALUE")]
    NoEquals {
        /// The text.
        text: String,
    },
    /// The name is not formed like that of an environment variable.
    #[error("invalid parameter assignment: {name:?} is not a parameter name (letters, digits and '_', no digit first)")]
    Name {
        /// The name.
        name: String,
    },
    /// Parameters are given more than once.
    #[error("the following parameters were provided more than once: {}; give each once", names.join(", "))]
    Repeated {
        /// Their names, sorted.
        names: Vec<String>,
    },
}

/// All that is wrong with a list of assignments: never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentErrors(pub Vec<AssignmentError>);

impl std::fmt::Display for AssignmentErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, error)| write!(f, "{}{error}", if at > 0 { "\n" } else { "" }))
    }
}

impl std::error::Error for AssignmentErrors {}

/// Parameters given from outside.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Values by parameter.
    pub values: BTreeMap<String, String>,
    /// What is odd but does no harm, for people.
    pub warnings: Vec<String>,
}

// Values may be secrets: a debug print must not show them.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.values.keys().collect();
        f.debug_struct("Given").field("names", &names).field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

/// Reads `K=V`. Everything after the first `=` is the value.
///
/// # Errors
/// [`AssignmentError`] without `=` or with a name that is none.
pub fn parse_assignment(text: &str) -> Result<Assignment, AssignmentError> {
    let (name, value) = text.split_once('=').ok_or_else(|| AssignmentError::NoEquals { text: text.to_owned() })?;
    if !is_name(name) {
        return Err(AssignmentError::Name { name: name.to_owned() });
    }
    let looks_like_several = value.split_once(',').is_some_and(|(_, rest)| rest.contains('='));
    let warning = looks_like_several.then(|| {
        format!("the value of {name} holds a comma and another '='; it is read as one value, repeat the option for several parameters")
    });
    Ok(Assignment { name: name.to_owned(), value: value.to_owned(), warning })
}

/// Reads a list of assignments.
///
/// # Errors
/// [`AssignmentErrors`] with all mistakes: texts that are no assignments, and parameters given more than once.
pub fn parse_assignments<S: AsRef<str>>(texts: &[S]) -> Result<Given, AssignmentErrors> {
    let mut given = Given::default();
    let mut errors = Vec::new();
    let mut repeated = std::collections::BTreeSet::new();
    for text in texts {
        match parse_assignment(text.as_ref()) {
            Ok(assignment) => {
                given.warnings.extend(assignment.warning);
                if given.values.insert(assignment.name.clone(), assignment.value).is_some() {
                    repeated.insert(assignment.name);
                }
            }
            Err(error) => errors.push(error),
        }
    }
    if !repeated.is_empty() {
        errors.push(AssignmentError::Repeated { names: repeated.into_iter().collect() });
    }
    if errors.is_empty() { Ok(given) } else { Err(AssignmentErrors(errors)) }
}

/// Assignments over the values of a parameter file: assignments win, with a warning.
#[must_use]
pub fn merge(mut assignments: Given, file: BTreeMap<String, String>) -> Given {
    for (name, value) in file {
        match assignments.values.entry(name) {
            Entry::Occupied(given) => {
                let name = given.key();
                assignments.warnings.push(format!("template parameter {name:?} already defined, ignoring value from file"));
            }
            Entry::Vacant(free) => {
                free.insert(value);
            }
        }
    }
    assignments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_after_the_first_equals_is_the_value() {
        for (text, name, value) in [
            ("A=b=c", "A", "b=c"),
            ("A=", "A", ""),
            ("_a1=x y", "_a1", "x y"),
            ("A=my,1%pa=s", "A", "my,1%pa=s"),
            ("A=it's\n", "A", "it's\n"),
        ] {
            let assignment = parse_assignment(text).unwrap();
            assert_eq!((assignment.name.as_str(), assignment.value.as_str()), (name, value));
        }
    }

    #[test]
    fn a_warning_comes_only_for_what_looks_like_several_assignments() {
        assert!(parse_assignment("A=x,b=c").unwrap().warning.is_some());
        for text in ["A=x,b", "A=b=c", "A=b=c,d"] {
            assert!(parse_assignment(text).unwrap().warning.is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        assert!(matches!(parse_assignment("K"), Err(AssignmentError::NoEquals { .. })));
        for text in ["fo%(o=bar", "S P A C E S=test", "=x", "1A=x", "Ä=x"] {
            assert!(matches!(parse_assignment(text), Err(AssignmentError::Name { .. })), "{text}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let error = parse_assignments(&["B=1", "A=1", "B=2", "A=2", "A=3", "nope"]).unwrap_err().to_string();
        assert!(error.contains("\"nope\" has no '='"), "{error}");
        assert!(error.contains("provided more than once: A, B;"), "{error}");
        assert_eq!(parse_assignments(&["A=1", "B=x,y=z"]).unwrap().warnings.len(), 1);
    }

    #[test]
    fn assignments_win_over_the_file() {
        let given = parse_assignments(&["A=cli"]).unwrap();
        let file = BTreeMap::from([("A".to_owned(), "file".to_owned()), ("B".to_owned(), "file".to_owned())]);
        let merged = merge(given, file);
        assert_eq!((merged.values["A"].as_str(), merged.values["B"].as_str()), ("cli", "file"));
        assert_eq!(merged.warnings, ["template parameter \"A\" already defined, ignoring value from file"]);
    }

    #[test]
    fn values_do_not_show_in_debug_prints() {
        let shown = format!("{:?} {:?}", parse_assignment("A=hunter2").unwrap(), parse_assignments(&["A=hunter2"]).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
