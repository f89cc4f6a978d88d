//! What very many targets cost: `cargo bench -p towpath --bench scale`.
//!
//! Puts a generated config repository of 10,000 targets (or `-- --services N`, each with three) into Git, reads it as the server does, and
//! then keeps a server on it whose sources cannot be reached. Goals: a one-file commit costs what changed, an idle server costs next to
//! nothing, and `status` answers in well under a second.

// A benchmark that cannot run should say so loudly.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod process;
mod reading;
mod repository;
mod serving;

use std::time::Duration;

/// 10,002 targets.
const SERVICES: usize = 3334;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = arguments.iter().position(|a| a == "--services").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let services = asked.unwrap_or(SERVICES);
    let folder = tempfile::tempdir().unwrap();
    let repository = repository::make(folder.path(), services);
    println!("{} targets, {services} sources, {} files\n", services * 3, repository.files);
    reading::measure(folder.path(), &repository);
    serving::measure(folder.path(), &repository);
}

fn tell(what: &str, took: Duration) {
    println!("{what:<70} {:>9.1} ms", took.as_secs_f64() * 1e3);
}
