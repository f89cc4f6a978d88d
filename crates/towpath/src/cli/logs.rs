//! `towpath logs`.

use towpath_web::LogPage;

use super::Shown;
use super::context::{Context, block_on};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, runs};

/// How long one request waits for more lines, in milliseconds.
const WAIT_MS: u64 = 20_000;

/// Shows what a run printed.
///
/// With --follow it goes on until the run ends, and exits with 1 when the run failed; JSON is then one document for each line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath logs build-web-5f8f0e1
  towpath logs build-web-5f8f0e1 --follow
  towpath logs deploy-8a1c --search panic")]
pub(crate) struct Args {
    /// The run: its id, or a beginning of it that means only one; `towpath runs` lists them.
    #[arg(value_name = "RUN")]
    run: String,
    /// Goes on until the run ends.
    #[arg(long, short)]
    follow: bool,
    /// Only lines that hold this text.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    block_on(async {
        match (args.shown.output, args.follow) {
            (Format::Json, false) => {
                let mut all = LogPage::default();
                each_page(&client, args, |page| {
                    all.lines.extend(page.lines);
                    (all.next, all.done) = (page.next, page.done);
                    Ok(())
                })
                .await?;
                context.out.json(&all)?;
            }
            (format, _) => each_page(&client, args, |page| print(context, format, &page)).await?,
        }
        if !args.follow {
            return Ok(Exit::Ok);
        }
        let run = client.run(&args.run).await?;
        Ok(if run.state == "succeeded" { Exit::Ok } else { Exit::Failed })
    })
}

/// Reads to the end of what is there, or with `--follow` to the end of the run.
async fn each_page(client: &Client, args: &Args, mut take: impl FnMut(LogPage) -> Result<(), Failure>) -> Result<(), Failure> {
    let wait_ms = if args.follow { WAIT_MS } else { 0 };
    let mut from = 0;
    loop {
        let page: Result<LogPage, ClientError> = client.logs(&args.run, from, wait_ms, args.search.as_deref()).await;
        let page = page?;
        let ended = page.done || (!args.follow && page.next == from);
        from = page.next;
        take(page)?;
        if ended {
            return Ok(());
        }
    }
}

fn print(context: &Context, format: Format, page: &LogPage) -> Result<(), Failure> {
    let mut text = String::new();
    for line in &page.lines {
        match format {
            Format::Human => text.push_str(&runs::log_line(line)),
            Format::Json => text.push_str(&serde_json::to_string(line).unwrap_or_default()),
        }
        text.push('\n');
    }
    if text.is_empty() { Ok(()) } else { context.out.print(&text) }
}
