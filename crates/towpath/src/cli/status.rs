//! `towpath status`.

use super::Shown;
use super::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Shows what is where, what is moving, and what is stuck and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath status
  towpath status --output json | jq '.targets[] | {title, current: .current.commit.id}'")]
pub(crate) struct Args {
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let view = block_on(async { Ok(client.status().await?) })?;
    context.out.show(args.shown.output, &view, output::status::render)?;
    Ok(Exit::Ok)
}
