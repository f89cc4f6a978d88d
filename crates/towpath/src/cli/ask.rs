//! The commands that ask for something: `retry`, `ack`, `cancel`, `promote`, `rollback`, `hold`, `release`.

use towpath_control::request::{AckRequest, Asked, HoldRequest, PromoteRequest, RetryRequest, RollbackRequest};
use towpath_control::view::Accepted;
use towpath_domain::Span;

use super::Shown;
use super::context::{Context, block_on};
use super::wait::{self, Awaited};
use crate::client::Client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Format;

/// Who asks and why, and whether to stay until it is done.
#[derive(Debug, clap::Args)]
struct Request {
    /// Why: it goes into the ledger, and into the commit that is made.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    /// Who asks; TOWPATH_BY, Git's user.name or the user's name otherwise.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Stays until it is done, and exits with 1 when it failed, or with 3 when it is held.
    #[arg(long)]
    wait: bool,
    /// How long to stay at most, with --wait.
    #[arg(long, value_name = "SPAN", default_value = "1h", requires = "wait")]
    timeout: Span,
    #[command(flatten)]
    shown: Shown,
}

/// Tries again what failed.
///
/// A failure that was the environment's fault is retried by itself, a few times; this is for the rest, once its reason is mended.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath retry web/stage --reason 'the registry is back'
  towpath retry build-web-5f8f0e1 --reason 'the mirror was down' --wait")]
pub(crate) struct Retry {
    /// A target, source, change or run: an id, a title, or a part of either that means only one thing.
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    request: Request,
}

/// Says that you see to a failure: nobody else is called for it.
///
/// It changes nothing else; what is held stays held until it is mended or retried.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath ack web/production --reason 'looking at the database'")]
pub(crate) struct Ack {
    /// What failed: a target, source, change or run; an id, a title, or a part of either that means only one thing.
    #[arg(value_name = "WHAT")]
    what: String,
    /// What you say of it: it goes into the ledger.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    /// Who sees to it; TOWPATH_BY, Git's user.name or the user's name otherwise.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Stops a run.
///
/// What it was about stays as it is until the next decision: cancel a deploy and then hold its target, if it must not come again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath cancel deploy-8a1c --reason 'wrong commit'")]
pub(crate) struct Cancel {
    /// The run: its id, or a beginning of it that means only one; or the target or source that it is about.
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    request: Request,
}

/// Moves a target to a commit that its channels vouch for, by a commit in the config repository.
///
/// For targets that are not promoted by themselves. The gate is the same: what its channels do not vouch for is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath promote web/production --reason 'release 2.4'
  towpath promote web/production --to 5f8f0e1 --reason 'release 2.4' --wait")]
pub(crate) struct Promote {
    /// The target: an id, a title, or a part of either that means only one.
    #[arg(value_name = "TARGET")]
    target: String,
    /// The commit, in full or a beginning of it; the newest that may go otherwise.
    #[arg(long, value_name = "COMMIT")]
    to: Option<String>,
    #[command(flatten)]
    request: Request,
}

/// Takes a target back, and blocks the commit that it leaves, by one commit in the config repository.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath rollback web/production --reason 'checkout is broken'
  towpath rollback web/production --to 1c2d3e4 --reason 'checkout is broken' --wait")]
pub(crate) struct Rollback {
    /// The target: an id, a title, or a part of either that means only one.
    #[arg(value_name = "TARGET")]
    target: String,
    /// The commit to go back to; the last one that ran well otherwise.
    #[arg(long, value_name = "COMMIT")]
    to: Option<String>,
    #[command(flatten)]
    request: Request,
}

/// Lets nothing move on what is selected until it is released, by a commit in the config repository.
///
/// What runs goes on running.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath hold web/production --reason 'investigating'
  towpath hold environment/production --reason 'the sale begins'
  towpath hold app/web --reason 'the database is being moved' --wait")]
pub(crate) struct Hold {
    /// A target (an id, a title, or a part of either), `app/NAME` or `environment/NAME`.
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    request: Request,
}

/// Lifts a hold, or lets a commit through that a rollback blocked, by a commit in the config repository.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath release environment/production --reason 'the sale is over'
  towpath release data/towpath/blocks/web-1c2d3e4.yml --reason 'it was the network'")]
pub(crate) struct Release {
    /// What was held, written as for `towpath hold`; or the name or file that `towpath status` and `towpath explain` show.
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    request: Request,
}

pub(super) fn retry(context: &Context, args: Retry) -> Result<Exit, Failure> {
    let request = RetryRequest { what: args.what, asked: asked(context, &args.request)? };
    carry_out(context, &args.request, None, None, async |client| Ok(client.retry(&request).await?))
}

pub(super) fn ack(context: &Context, args: Ack) -> Result<Exit, Failure> {
    let request = Request { reason: args.reason, by: args.by, wait: false, timeout: Span::from_secs(0), shown: args.shown };
    let asked_for = AckRequest { what: args.what, asked: asked(context, &request)? };
    carry_out(context, &request, None, None, async |client| Ok(client.ack(&asked_for).await?))
}

pub(super) fn cancel(context: &Context, args: Cancel) -> Result<Exit, Failure> {
    let request = RetryRequest { what: args.what, asked: asked(context, &args.request)? };
    carry_out(context, &args.request, None, None, async |client| Ok(client.cancel(&request).await?))
}

pub(super) fn promote(context: &Context, args: Promote) -> Result<Exit, Failure> {
    let request = PromoteRequest { target: args.target, to: args.to, asked: asked(context, &args.request)? };
    let (target, to) = (Some(request.target.as_str()), request.to.as_deref());
    carry_out(context, &args.request, target, to, async |client| Ok(client.promote(&request).await?))
}

pub(super) fn rollback(context: &Context, args: Rollback) -> Result<Exit, Failure> {
    let request = RollbackRequest { target: args.target, to: args.to, asked: asked(context, &args.request)? };
    let (target, to) = (Some(request.target.as_str()), request.to.as_deref());
    carry_out(context, &args.request, target, to, async |client| Ok(client.rollback(&request).await?))
}

pub(super) fn hold(context: &Context, args: Hold) -> Result<Exit, Failure> {
    let request = HoldRequest { what: args.what, asked: asked(context, &args.request)? };
    carry_out(context, &args.request, None, None, async |client| Ok(client.hold(&request).await?))
}

pub(super) fn release(context: &Context, args: Release) -> Result<Exit, Failure> {
    let request = HoldRequest { what: args.what, asked: asked(context, &args.request)? };
    carry_out(context, &args.request, None, None, async |client| Ok(client.release(&request).await?))
}

/// Asks, says what will happen, and stays if asked to.
fn carry_out(
    context: &Context,
    request: &Request,
    target: Option<&str>,
    to: Option<&str>,
    ask: impl AsyncFnOnce(&Client) -> Result<Accepted, Failure>,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    block_on(async {
        // A promotion is done when the target runs it, so where it was before must be known.
        let before = match target {
            Some(target) if request.wait => Some(wait::target_now(&client, target).await?),
            _ => None,
        };
        let accepted = ask(&client).await?;
        context.out.show(request.shown.output, &accepted, |accepted, _| accepted.text.clone())?;
        if request.wait {
            let awaited = Awaited { accepted: &accepted, target: before, to };
            return wait::until_done(&client, &context.out, &awaited, request.timeout).await;
        }
        if request.shown.output == Format::Human
            && let Some(follow) = how_to_follow(&accepted)
        {
            context.out.note(&follow);
        }
        Ok(Exit::Ok)
    })
}

fn how_to_follow(accepted: &Accepted) -> Option<String> {
    match (&accepted.run, &accepted.change) {
        (Some(run), _) => Some(format!("Follow it with: towpath logs {run} --follow")),
        (None, Some(change)) => Some(format!("Follow it with: towpath explain {change}")),
        (None, None) => None,
    }
}

fn asked(context: &Context, request: &Request) -> Result<Asked, Failure> {
    asked_by(context, request.by.as_deref(), &request.reason)
}

/// Who asks and why.
///
/// # Errors
/// When the reason is empty, or nothing says who asks.
pub(super) fn asked_by(context: &Context, by: Option<&str>, reason: &str) -> Result<Asked, Failure> {
    let usage = |message: &str, help: &str| Failure::new(Exit::Usage, message).help(help);
    let why = reason.trim();
    if why.is_empty() {
        return Err(usage("the reason is empty", "say why with --reason TEXT"));
    }
    if context.asks_elsewhere() {
        // The token says who asks; whoever names somebody else is refused there.
        return Ok(Asked { by: by.map(str::to_owned).unwrap_or_default(), why: why.to_owned() });
    }
    let said =
        by.map(str::to_owned).or_else(|| context.environment.by.clone()).or_else(git_user).or_else(|| context.environment.user.clone());
    match said.map(|by| by.trim().to_owned()).filter(|by| !by.is_empty()) {
        Some(by) => Ok(Asked { by, why: why.to_owned() }),
        None => Err(usage("nothing says who asks", "say it with --by NAME, or once and for all with git config --global user.name NAME")),
    }
}

/// Git's `user.name`, where there is a Git that has one.
pub(super) fn git_user() -> Option<String> {
    let output = std::process::Command::new("git").args(["config", "--get", "user.name"]).output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !name.is_empty()).then_some(name)
}
