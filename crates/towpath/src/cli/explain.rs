//! `towpath explain`.

use super::Shown;
use super::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Tells the story of a commit, target, channel, run or change: where it is, and what it is waiting for.
///
/// Exits with 3 when there is no such thing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath explain 5f8f0e1               # where is my commit?
  towpath explain web/production        # why does production not move?
  towpath explain web-stage-tests-passed")]
pub(crate) struct Args {
    /// An id, a title, or a part of either that means only one thing.
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let view = block_on(async { Ok(client.explain(&args.what).await?) })?;
    context.out.show(args.shown.output, &view, output::explain::render)?;
    Ok(Exit::Ok)
}
