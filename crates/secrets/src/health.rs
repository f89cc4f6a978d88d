//! How a store is.

/// What a look at a store found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// One line for people: which store, where, signed in as what.
    pub summary: String,
    /// What works but should be mended.
    pub warnings: Vec<String>,
}
