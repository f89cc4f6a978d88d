//! `towpath runs`.

use towpath_web::RunFilter;

use super::Shown;
use super::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Lists runs, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath runs
  towpath runs --state failed --limit 5
  towpath runs --about web --output json")]
pub(crate) struct Args {
    /// Only those about this source, target or change: an id, a title or a part of one.
    #[arg(long, value_name = "WHAT")]
    about: Option<String>,
    /// Only those in this state.
    #[arg(long, value_parser = ["queued", "running", "succeeded", "failed", "superseded", "cancelled"])]
    state: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let limit = args.limit as usize;
    let mut filter = RunFilter { subject: args.about, state: args.state, cursor: None, limit: args.limit };
    let mut runs = Vec::new();
    block_on(async {
        // The server may give fewer at once than were asked for.
        while runs.len() < limit {
            let page = client.runs(&filter).await?;
            runs.extend(page.items);
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
        Ok(())
    })?;
    runs.truncate(limit);
    context.out.show(args.shown.output, &runs, |runs, look| output::runs::render(runs, look))?;
    Ok(Exit::Ok)
}
