//! The published JSON Schemas of Towpath's own types, for editors and other tools. The loader is stricter: it also checks
//! what a schema cannot say.

/// Of `/towpath/source-1.yml`.
pub const SOURCE: &str = include_str!("../schemas/source-1.json");

/// Of `/towpath/policy-1.yml`.
pub const POLICY: &str = include_str!("../schemas/policy-1.json");

/// Of `/towpath/permission-1.yml`.
pub const PERMISSION: &str = include_str!("../schemas/permission-1.json");

/// Of `/towpath/pool-1.yml`.
pub const POOL: &str = include_str!("../schemas/pool-1.json");

#[cfg(test)]
mod tests;
