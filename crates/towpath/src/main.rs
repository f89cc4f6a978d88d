//! Towpath, the binary: command line, configuration, wiring.
fn main() {}
