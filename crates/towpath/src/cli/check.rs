//! `towpath check`: pull requests of sources, and how their checks stand.

use std::time::Instant;

use towpath_control::request::CheckRequest;
use towpath_control::view::{Accepted, PullDetail, PullFilter};
use towpath_domain::Span;

use super::Shown;
use super::ask::asked_by;
use super::context::{Context, block_on};
use super::follow::{PAUSE, Steps};
use crate::client::Client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::progress::Progress;
use crate::output::{Format, checks};

/// Pull requests of sources: how their checks stand, and what is done about them.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  towpath check list
  towpath check show web#17
  towpath check retest web#17 --reason 'the registry is back'
  towpath check ok-to-test web#17 --commit 1c2d3e4 --reason 'looked at it'
  towpath check wait web#17")]
pub(crate) enum Command {
    List(List),
    Show(Show),
    Retest(Retest),
    Cancel(Cancel),
    OkToTest(OkToTest),
    Wait(Wait),
}

/// Lists open pull requests: by source, those under way first, then those that wait in their order.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath check list
  towpath check list --source web --standing waiting
  towpath check list --output json")]
pub(crate) struct List {
    /// Only those of this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only those that stand so.
    #[arg(long, value_parser = ["held", "needs-ok", "cancelled", "waiting", "queued", "running", "backoff", "passed", "failed"])]
    standing: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Says all of a pull request: how it stands, its steps, what it waits for, its runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath check show web#17
  towpath check show web#17 --output json")]
pub(crate) struct Show {
    /// The pull request: SOURCE#NUMBER.
    #[arg(value_name = "PULL")]
    what: String,
    #[command(flatten)]
    shown: Shown,
}

/// Has a pull request checked once more: all of it, or the tests that are named.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath check retest web#17 --reason 'the registry is back'
  towpath check retest web#17 --test smoke --test login --reason 'flaky?'")]
pub(crate) struct Retest {
    /// The pull request: SOURCE#NUMBER.
    #[arg(value_name = "PULL")]
    what: String,
    /// Only this test; may be given several times.
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    #[command(flatten)]
    why: Why,
}

/// Has the newest commit of a pull request not checked; what is under way ends, and gives back what it holds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath check cancel web#17 --reason 'a mistake is known already'")]
pub(crate) struct Cancel {
    /// The pull request: SOURCE#NUMBER.
    #[arg(value_name = "PULL")]
    what: String,
    #[command(flatten)]
    why: Why,
}

/// Lets a commit of a fork be checked, after a look at it.
///
/// What a pull request from a fork does is what a stranger wrote: look at the commit first, and name it. A further commit needs it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath check ok-to-test web#17 --commit 1c2d3e4 --reason 'looked at it'")]
pub(crate) struct OkToTest {
    /// The pull request: SOURCE#NUMBER.
    #[arg(value_name = "PULL")]
    what: String,
    /// The commit that you looked at: at least 7 of its digits.
    #[arg(long, value_name = "SHA", required = true)]
    commit: String,
    #[command(flatten)]
    why: Why,
}

/// Waits until a pull request has passed or failed; exits with 1 when it failed, and with 3 when it is held.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath check wait web#17
  towpath check wait web#17 --commit 5f8f0e1 --timeout 2h")]
pub(crate) struct Wait {
    /// The pull request: SOURCE#NUMBER.
    #[arg(value_name = "PULL")]
    what: String,
    /// Waits for what comes of this commit, which may not be seen yet: at least 7 of its digits.
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,
    /// How long to wait at most. The check goes on.
    #[arg(long, value_name = "SPAN", default_value = "2h")]
    timeout: Span,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, clap::Args)]
struct Why {
    /// Why: it goes into the ledger.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    /// Who asks; TOWPATH_BY, Git's user.name or the user's name otherwise.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => {
            let client = context.client()?;
            let filter = PullFilter { source: args.source, standing: args.standing };
            let all = block_on(async { Ok(client.pulls(&filter).await?) })?;
            context.out.show(args.shown.output, &all, |all, look| checks::list(all, look))?;
            Ok(Exit::Ok)
        }
        Command::Show(args) => {
            let client = context.client()?;
            let detail = block_on(async { Ok(client.pull(&args.what).await?) })?;
            context.out.show(args.shown.output, &detail, checks::one)?;
            Ok(Exit::Ok)
        }
        Command::Retest(args) => {
            let request = request(context, args.what, args.test, None, &args.why)?;
            asked(context, args.why.shown, async |client| Ok(client.check_again(&request).await?))
        }
        Command::Cancel(args) => {
            let request = request(context, args.what, Vec::new(), None, &args.why)?;
            asked(context, args.why.shown, async |client| Ok(client.check_cancel(&request).await?))
        }
        Command::OkToTest(args) => {
            let request = request(context, args.what, Vec::new(), Some(args.commit), &args.why)?;
            asked(context, args.why.shown, async |client| Ok(client.check_ok(&request).await?))
        }
        Command::Wait(args) => {
            let client = context.client()?;
            let detail = block_on(wait(context, &client, &args))?;
            context.out.show(args.shown.output, &detail, |detail, _| format!("{} {}\n", detail.check.id, detail.check.text))?;
            Ok(if detail.check.standing == "passed" { Exit::Ok } else { Exit::Failed })
        }
    }
}

fn request(context: &Context, check: String, tests: Vec<String>, commit: Option<String>, why: &Why) -> Result<CheckRequest, Failure> {
    Ok(CheckRequest { check, tests, commit, asked: asked_by(context, why.by.as_deref(), &why.reason)? })
}

fn asked(context: &Context, shown: Shown, ask: impl AsyncFnOnce(&Client) -> Result<Accepted, Failure>) -> Result<Exit, Failure> {
    let client = context.client()?;
    let accepted = block_on(async { ask(&client).await })?;
    context.out.show(shown.output, &accepted, |accepted, _| accepted.text.clone())?;
    Ok(Exit::Ok)
}

/// Waits until it has passed or failed.
async fn wait(context: &Context, client: &Client, args: &Wait) -> Result<PullDetail, Failure> {
    let deadline = Instant::now() + args.timeout.to_std();
    let wanted = args.commit.as_deref().map(str::to_ascii_lowercase);
    if wanted.as_ref().is_some_and(|commit| commit.len() < 7) {
        return Err(Failure::new(Exit::Usage, "the commit is too short").help("name it by at least 7 of its digits"));
    }
    let mut progress = Progress::new(&context.out);
    let mut told = Steps::default();
    loop {
        let detail = client.pull(&args.what).await?;
        let pull = &detail.check;
        let is_meant = wanted.as_ref().is_none_or(|wanted| pull.head.to_string().starts_with(wanted.as_str()));
        let going = match pull.standing.as_str() {
            _ if !is_meant => format!("{} is at {} as yet", pull.id, pull.head.short(12)),
            "passed" | "failed" => return Ok(detail),
            "held" | "needs-ok" | "cancelled" => {
                return Err(Failure::new(Exit::Held, format!("{} is not checked: {}", pull.id, pull.text))
                    .help(format!("`towpath check show {}` says more", pull.id)));
            }
            _ if !detail.waits.is_empty() => format!("{}: {}", pull.id, detail.waits),
            _ => format!("{}: {}", pull.id, pull.text),
        };
        if args.shown.output == Format::Human
            && is_meant
            && let Some(run) = pull.run.as_ref().filter(|_| pull.standing == "running")
        {
            for news in told.news(run, &detail.steps, true) {
                progress.note(&context.out, &news);
            }
        }
        if Instant::now() >= deadline {
            let message = format!("not done within {}: {going}", args.timeout);
            return Err(Failure::new(Exit::Failed, message).help("it goes on without you; `towpath check list` shows how far it is"));
        }
        progress.say(&going);
        tokio::time::sleep(PAUSE).await;
    }
}
