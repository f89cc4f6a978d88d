//! OpenShift templates to Kubernetes objects.
//!
//! The rules are those of `oc process --local` (openshift/library-go), edge by edge. Where the reference panics, loses
//! data or leaves the outcome to chance, this crate gives a typed error or the lossless result; each such place says so.
//!
//! * [`Template::parse`] reads a template, [`process()`] carries it out with a [`Request`], [`list()`] wraps the objects.
//! * [`parameters`] turns a target's resolved parameters and a commit into the values for the template.
//! * [`objects`] answers questions about rendered objects: images, duplicates, the fingerprint.
//! * [`input`] reads what people type: `K=V` assignments, label lists, parameter files.
//! * [`yaml`] reads and writes YAML within bounds.
//!
//! Everything is pure: the only thing from outside is randomness, and it comes through [`Draw`].

mod draw;
pub mod expression;
pub mod input;
mod limits;
pub mod objects;
pub mod parameters;
mod process;
mod template;
pub mod yaml;

pub use draw::{Draw, DrawError, OsRandom, Placeholder, Recorded, placeholder};
pub use process::{Fault, ObjectName, ProcessErrors, Processed, Request, SubstituteError, list, process};
pub use template::{Parameter, Template, TemplateError};
