//! Towpath: continuous delivery from merge to production, in one binary.
//!
//! This crate reads the command line, the environment and `towpath.toml`, wires the parts together and prints. No other crate
//! does any of that, and this one decides nothing about what runs where.
//!
//! - [`cli`]: the commands, one file each.
//! - [`client`]: speaks to the running server.
//! - [`config`]: the file `towpath.toml`.
//! - [`mod@env`]: every environment variable that is read.
//! - [`exit`] and [`failure`]: exit codes, and how a refusal is told.
//! - [`output`]: how views are shown to people and to programs.
//! - [`server_file`]: how clients find the running server.
//! - [`wiring`]: the parts put together.

mod cli;
mod client;
mod config;
mod env;
mod exit;
mod failure;
mod files;
mod logging;
mod output;
mod server_file;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // The process that looks after one pod begins here, too. It must be light, so nothing else is set up for it.
    if args.get(1).is_some_and(|arg| arg == "shim") {
        let rest: Vec<String> = args.iter().skip(2).map(|arg| arg.to_string_lossy().into_owned()).collect();
        return towpath_cluster::shim::main(&rest);
    }
    // One provider for all TLS of this process; who connects without one is refused. It fails only when there is one already.
    let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::run(&args, &env::Environment::read(|name| std::env::var_os(name)))
}
