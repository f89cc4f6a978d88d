//! How fast the ledger is.
fn main() {}
