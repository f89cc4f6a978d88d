//! `towpath history`.

use towpath_domain::{Span, Timestamp};
use towpath_web::HistoryFilter;

use super::Shown;
use super::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Lists what happened, newest first, each event with the one that caused it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath history --since 2h
  towpath history --about web/production --limit 200
  towpath history --since 2026-11-20T08:00:00Z --until 2026-11-20T18:00:00Z --output json")]
pub(crate) struct Args {
    /// Only what is about this commit, source, target, channel, run or change.
    #[arg(long, value_name = "WHAT")]
    about: Option<String>,
    /// Not before: a span of time such as 2h or 3d, or a moment such as 2026-11-20T08:00:00Z.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Not after: likewise.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Single steps of runs, too.
    #[arg(long)]
    steps: bool,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let now = context.out.look.now;
    let moment = |text: Option<String>, flag: &str| text.map(|text| moment(&text, now).map_err(|why| usage(flag, &why))).transpose();
    let filter = HistoryFilter {
        about: args.about,
        since: moment(args.since, "--since")?,
        until: moment(args.until, "--until")?,
        steps: args.steps,
        limit: args.limit.min(1000),
        ..HistoryFilter::default()
    };
    let (client, limit) = (context.client()?, args.limit as usize);
    let (mut filter, mut lines) = (filter, Vec::new());
    block_on(async {
        // The server may give fewer at once than were asked for.
        while lines.len() < limit {
            let page = client.history(&filter).await?;
            lines.extend(page.items);
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
        Ok(())
    })?;
    lines.truncate(limit);
    context.out.show(args.shown.output, &lines, |lines, look| output::history::render(lines, look))?;
    Ok(Exit::Ok)
}

fn usage(flag: &str, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{flag}: {why}")).help("write a span of time such as 2h, or a moment such as 2026-11-20T08:00:00Z")
}

/// Reads `2h` as two hours before `now`, and RFC 3339 as it says.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(span) = text.parse::<Span>() {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        return Ok(Timestamp::from_millis(now.as_millis().saturating_sub(ms)));
    }
    let at: jiff::Timestamp = text.parse().map_err(|_| format!("{text:?} is neither a span of time nor a moment"))?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_counts_back_from_now_and_a_moment_is_itself() {
        let now = Timestamp::from_millis(10_000_000);
        assert_eq!(moment("1h", now).unwrap().as_millis(), 6_400_000);
        assert_eq!(moment("1970-01-01T00:00:01Z", now).unwrap().as_millis(), 1000);
        assert_eq!(moment("1970-01-01T01:00:01+01:00", now).unwrap().as_millis(), 1000);
        assert!(moment("yesterday", now).is_err());
    }
}
