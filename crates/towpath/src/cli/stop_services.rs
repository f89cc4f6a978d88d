//! `towpath stop-services`.

use std::time::Duration;

use super::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// How long pods may take to end: their grace periods, and some time on top.
const WITHIN: Duration = Duration::from_secs(60);

/// Ends all services and jobs that the local runtime runs, for when an installation is taken down.
///
/// They outlive the server on purpose, so stopping it does not end them. The server must be stopped first; its next start
/// brings back what the config repository wants.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath stop-services")]
pub(crate) struct Args {}

pub(super) fn run(context: &Context, _args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    let ended = towpath_cluster::stop_everything(&config.state.join("cluster"), WITHIN).map_err(|error| match error {
        towpath_cluster::ClusterError::InUse { .. } => {
            Failure::of(Exit::Failed, &error).help("stop the server first: it would start them again")
        }
        other => Failure::of(Exit::Failed, &other),
    })?;
    context.out.note(&format!("{ended} ended"));
    Ok(Exit::Ok)
}
