//! The engine of templates against what the reference gives, real templates, and nonsense.

mod nonsense;
mod shared;
mod upstream;
mod vectors;
