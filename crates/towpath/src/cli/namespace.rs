//! `towpath namespace`: ephemeral namespaces of pools.

use std::time::{Duration, Instant};

use towpath_control::request::{Asked, ExtendRequest, FreeRequest, ReserveRequest};
use towpath_control::view::{NamespaceFilter, ReservationView};
use towpath_domain::Span;

use super::Shown;
use super::ask::asked_by;
use super::context::{Context, block_on};
use crate::client::Client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::progress::Progress;
use crate::output::{Format, namespaces};

/// The first pause between two looks, and the longest.
const FIRST: Duration = Duration::from_millis(15);
const LONGEST: Duration = Duration::from_millis(500);

/// Ephemeral namespaces: reserve one of a pool, extend it, give it back.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  towpath namespace list
  towpath namespace reserve smoke --reason 'trying the new queue' --lease 2h
  towpath namespace describe smoke-3f9a0c11d2
  towpath namespace extend smoke-3f9a0c11d2 --lease 1h --reason 'not done yet'
  towpath namespace release smoke-3f9a0c11d2 --reason 'done'")]
pub(crate) enum Command {
    List(List),
    Pools(Pools),
    Reserve(Reserve),
    Wait(Wait),
    Describe(Describe),
    Extend(Extend),
    Release(Release),
}

/// Lists namespaces, each with who has it and until when; and who waits for one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath namespace list
  towpath namespace list --mine
  towpath namespace list --pool smoke --output json")]
pub(crate) struct List {
    /// Only those of this pool.
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// Only those that you reserved.
    #[arg(long, conflicts_with = "requester")]
    mine: bool,
    /// Only those that this person reserved, or that runs of this source work with.
    #[arg(long, value_name = "NAME")]
    requester: Option<String>,
    /// Your name, with --mine; TOWPATH_BY, Git's user.name or the user's name otherwise.
    #[arg(long, value_name = "NAME", requires = "mine")]
    by: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Lists pools: how many namespaces are ready, taken and waited for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath namespace pools")]
pub(crate) struct Pools {
    #[command(flatten)]
    shown: Shown,
}

/// Reserves a namespace of a pool, waits until it is there, and prints its name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath namespace reserve smoke --reason 'trying the new queue'
  NS=$(towpath namespace reserve smoke --lease 2h --reason \"job $BUILD_NUMBER\")")]
pub(crate) struct Reserve {
    /// The pool; may be left out where there is only one.
    #[arg(value_name = "POOL")]
    pool: Option<String>,
    /// How long you want it, from when it is there; what the pool gives to all otherwise.
    #[arg(long, value_name = "SPAN")]
    lease: Option<Span>,
    /// What for: everybody who waits for one sees it.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    /// Who asks; TOWPATH_BY, Git's user.name or the user's name otherwise.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Reserves another one although you have one already.
    #[arg(long, short)]
    force: bool,
    /// Prints the reservation at once, and does not wait for the namespace.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for it; then the reservation is given up.
    #[arg(long, value_name = "SPAN", default_value = "10m", conflicts_with = "no_wait")]
    timeout: Span,
    #[command(flatten)]
    shown: Shown,
}

/// Waits until a reservation has its namespace, and prints its name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath namespace wait smoke-for-ann-3f9a0c11d2 --timeout 30m")]
pub(crate) struct Wait {
    /// The reservation.
    #[arg(value_name = "RESERVATION")]
    what: String,
    /// How long to wait. The reservation stays.
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    timeout: Span,
    #[command(flatten)]
    shown: Shown,
}

/// Says all of a namespace or reservation: who has it, what for, until when, or what it waits for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath namespace describe smoke-3f9a0c11d2
  towpath namespace describe smoke-3f9a0c11d2 --output json")]
pub(crate) struct Describe {
    /// The namespace, or the reservation.
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    shown: Shown,
}

/// Gives a lease another end: so long from now.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath namespace extend smoke-3f9a0c11d2 --lease 1h --reason 'not done yet'")]
pub(crate) struct Extend {
    /// The namespace, or the reservation.
    #[arg(value_name = "WHAT")]
    what: String,
    /// How long from now.
    #[arg(long, value_name = "SPAN", required = true)]
    lease: Span,
    #[command(flatten)]
    why: Why,
}

/// Gives a namespace back: it is deleted with all that is in it. Asks nothing, so it can be called from scripts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath namespace release smoke-3f9a0c11d2")]
pub(crate) struct Release {
    /// The namespace, or the reservation.
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, clap::Args)]
struct Why {
    /// Why: it goes into the ledger.
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    reason: String,
    /// Who asks; TOWPATH_BY, Git's user.name or the user's name otherwise.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list(context, args),
        Command::Pools(args) => {
            let client = context.client()?;
            let pools = block_on(async { Ok(client.pools().await?) })?;
            context.out.show(args.shown.output, &pools, |pools, look| namespaces::pools(pools, look))?;
            Ok(Exit::Ok)
        }
        Command::Reserve(args) => reserve(context, args),
        Command::Wait(args) => {
            let client = context.client()?;
            let lease = block_on(wait(context, &client, &args.what, args.timeout))?;
            told(context, args.shown, &lease)
        }
        Command::Describe(args) => {
            let client = context.client()?;
            let lease = block_on(async { Ok(client.reservation(&args.what).await?) })?;
            context.out.show(args.shown.output, &lease, namespaces::one)?;
            Ok(Exit::Ok)
        }
        Command::Extend(args) => {
            let asked = asked_by(context, args.why.by.as_deref(), &args.why.reason)?;
            let request = ExtendRequest { what: args.what, lease: args.lease.to_string(), asked };
            let client = context.client()?;
            let accepted = block_on(async { Ok(client.extend_lease(&request).await?) })?;
            context.out.show(args.why.shown.output, &accepted, |accepted, _| accepted.text.clone())?;
            Ok(Exit::Ok)
        }
        Command::Release(args) => {
            let asked = asked_by(context, args.why.by.as_deref(), &args.why.reason)?;
            let request = FreeRequest { what: args.what, asked };
            let client = context.client()?;
            let accepted = block_on(async { Ok(client.give_back(&request).await?) })?;
            context.out.show(args.why.shown.output, &accepted, |accepted, _| accepted.text.clone())?;
            Ok(Exit::Ok)
        }
    }
}

fn list(context: &Context, args: List) -> Result<Exit, Failure> {
    let client = context.client()?;
    let requester = match args.mine {
        true => Some(asked_by(context, args.by.as_deref(), "look")?.by),
        false => args.requester,
    };
    let filter = NamespaceFilter { pool: args.pool, requester, apps: true };
    let (all, waiting) = block_on(async {
        let all = client.namespaces(&filter).await?;
        let waiting = client.reservations().await?;
        let ours = |lease: &ReservationView| {
            lease.position > 0
                && filter.pool.as_ref().is_none_or(|pool| lease.pool == *pool)
                && filter.requester.as_ref().is_none_or(|who| lease.requester == *who)
        };
        Ok((all, waiting.into_iter().filter(ours).collect::<Vec<_>>()))
    })?;
    match args.shown.output {
        Format::Human => {
            context.out.show(Format::Human, &(all, waiting), |(all, waiting), look| namespaces::list(all, waiting, look))?;
        }
        output => context.out.show(output, &all, |_, _| String::new())?,
    }
    Ok(Exit::Ok)
}

fn reserve(context: &Context, args: Reserve) -> Result<Exit, Failure> {
    let asked = asked_by(context, args.by.as_deref(), &args.reason)?;
    let client = context.client()?;
    block_on(async {
        let pool = match args.pool {
            Some(pool) => pool,
            None => only_pool(&client).await?,
        };
        if !args.force {
            refuse_a_second(&client, &asked, &pool).await?;
        }
        let by = asked.by.clone();
        let request = ReserveRequest { pool, lease: args.lease.map(|lease| lease.to_string()), asked };
        let accepted = client.reserve(&request).await?;
        let Some(id) = accepted.reservation.as_ref().map(ToString::to_string) else {
            return Err(Failure::new(Exit::Failed, "the server named no reservation").help("its version may be older than this program's"));
        };
        if args.no_wait {
            context.out.show(args.shown.output, &accepted, |_, _| format!("{id}\n"))?;
            return Ok(Exit::Ok);
        }
        let waited = tokio::select! {
            waited = wait(context, &client, &id, args.timeout) => waited,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Failed, "stopped; the reservation is given up")),
        };
        match waited {
            Ok(lease) => told(context, args.shown, &lease),
            Err(failure) => {
                // Nobody waits for it any more, so nobody is to wait behind it.
                let asked = Asked { by, why: "nobody waits for it any more".to_owned() };
                let _ = client.give_back(&FreeRequest { what: id, asked }).await;
                Err(failure)
            }
        }
    })
}

async fn only_pool(client: &Client) -> Result<String, Failure> {
    let pools = client.pools().await?;
    match pools.as_slice() {
        [only] => Ok(only.name.clone()),
        [] => Err(Failure::new(Exit::Held, "there is no pool")
            .help("a pool is a file with `$schema: /towpath/pool-1.yml` in the config repository")),
        several => {
            let names: Vec<&str> = several.iter().map(|pool| pool.name.as_str()).collect();
            Err(Failure::new(Exit::Usage, "which pool?").help(format!("name one of {}", names.join(", "))))
        }
    }
}

/// Somebody who has a namespace already mostly forgot that they have.
async fn refuse_a_second(client: &Client, asked: &Asked, pool: &str) -> Result<(), Failure> {
    if asked.by.is_empty() {
        return Ok(());
    }
    let all = client.reservations().await?;
    match all.iter().find(|lease| lease.requester == asked.by && lease.pool == *pool && lease.run.is_none()) {
        None => Ok(()),
        Some(lease) => {
            let what = lease.namespace.clone().unwrap_or_else(|| lease.id.to_string());
            let message = format!("{} has one of {pool} already: {what}", asked.by);
            Err(Failure::new(Exit::Held, message)
                .help("use that, give it back with `towpath namespace release`, or take another one with --force"))
        }
    }
}

/// Waits until a reservation has its namespace.
async fn wait(context: &Context, client: &Client, what: &str, timeout: Span) -> Result<ReservationView, Failure> {
    let deadline = Instant::now() + timeout.to_std();
    let mut progress = Progress::new(&context.out);
    let mut pause = FIRST;
    loop {
        let lease = client.reservation(what).await?;
        match lease.state.as_str() {
            "active" => return Ok(lease),
            "ended" => {
                let why = lease.ended.unwrap_or_default();
                return Err(Failure::new(Exit::Failed, format!("{what} is over: {why}")).help("`towpath history` tells what happened"));
            }
            _ => {}
        }
        let place =
            if lease.position > 0 { format!("{} of {} who wait for {}: ", lease.position, lease.of, lease.pool) } else { String::new() };
        let told = format!("{place}{}", lease.waits);
        if Instant::now() >= deadline {
            let message = format!("no namespace within {timeout}: {told}");
            return Err(Failure::new(Exit::Held, message).help("`towpath namespace list` shows who has the others, and until when"));
        }
        if pause > FIRST {
            progress.say(&told);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// The name alone, for scripts; what else there is to say goes to standard error.
fn told(context: &Context, shown: Shown, lease: &ReservationView) -> Result<Exit, Failure> {
    context.out.show(shown.output, lease, |lease, _| format!("{}\n", lease.namespace.as_deref().unwrap_or_default()))?;
    if let (Format::Human, Some(until)) = (shown.output, lease.until) {
        let name = lease.namespace.as_deref().unwrap_or_default();
        context.out.note(&format!("It is yours until {until}. Give it back with: towpath namespace release {name}"));
    }
    Ok(Exit::Ok)
}
