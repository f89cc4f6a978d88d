//! The stand-alone shim: looks after one pod, or one service's proxy. See [`towpath_cluster::shim`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    towpath_cluster::shim::main(&args)
}
