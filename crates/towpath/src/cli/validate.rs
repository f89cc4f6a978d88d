//! x
use super::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}
pub(super) fn run(context: &Context, _args: &Args) -> Result<Exit, Failure> {
    let _ = context;
    Ok(Exit::Ok)
}
