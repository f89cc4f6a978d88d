//! What people type: `K=V` assignments, label lists, parameter files. The rules are those of `oc process`.

mod assignment;
mod labels;
mod param_file;

pub use assignment::{Assignment, AssignmentError, AssignmentErrors, Given, merge, parse_assignment, parse_assignments};
pub use labels::{LabelError, parse_labels};
pub use param_file::{ParamFileError, parse_param_file};

/// Whether `name` has the form of an environment variable, as names of parameters given from outside must.
fn is_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty()
}
