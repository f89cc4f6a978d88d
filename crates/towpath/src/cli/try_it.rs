//! `towpath try`: what a pull request's check does, by hand.

use std::collections::BTreeMap;
use std::time::Instant;

use towpath_control::request::TryRequest;
use towpath_control::view::{ReservationView, RunDetail};
use towpath_domain::{RunId, Span};
use towpath_engine::{reservation_of_person, reservation_of_run};

use super::Shown;
use super::ask::asked_by;
use super::context::{Context, block_on};
use super::follow::{PAUSE, Steps};
use super::try_local;
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::checks::{self, Tried};
use crate::output::progress::Progress;
use crate::output::{Format, words};

/// Does for you what a pull request's check does: builds a source, deploys it with what it depends on, runs the tests.
///
/// Other components are as they are in the reference environment that the source's file names, unless you say otherwise. It goes into a
/// namespace that is given back in the end; into one of yours with --namespace; or into one that stays yours with --reserve. What was pushed
/// is tried: a commit that only you have cannot be. Exits with 1 when it failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath try web --reason 'does it still start?'
  towpath try web --ref my-branch --reserve 4h --reason 'to look at the new queue'
  towpath try web --set-template-ref api=main --reason 'with the next api'
  towpath try web --set-image-tag quay.io/acme/api=1c2d3e4 --reason 'with an image of mine'
  towpath try web --set-parameter web/LOG_LEVEL=debug --test smoke --reason 'what does it say?'
  towpath try web --namespace smoke-3f9a0c11d2 --reason 'once more'
  towpath try web --ref my-branch --local --reserve --reason 'on my machine'")]
pub(crate) struct Args {
    /// The source.
    #[arg(value_name = "SOURCE")]
    source: String,
    /// A branch or commit of it; its own branch otherwise.
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<String>,
    /// Another ref for a resource template; may be given several times.
    #[arg(long, value_name = "TEMPLATE=REF", value_parser = pair)]
    set_template_ref: Vec<(String, String)>,
    /// Another tag for an image; may be given several times.
    #[arg(long, value_name = "IMAGE=TAG", value_parser = pair)]
    set_image_tag: Vec<(String, String)>,
    /// Another value for a parameter of a resource template; may be given several times.
    #[arg(long, value_name = "TEMPLATE/PARAMETER=VALUE", value_parser = parameter)]
    set_parameter: Vec<(String, String, String)>,
    /// Only this test; may be given several times.
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    /// Goes into this namespace, which you have reserved.
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "reserve")]
    namespace: Option<String>,
    /// Reserves a namespace for you that stays yours afterwards: for as long, or for what the pool gives to all.
    #[arg(long, value_name = "SPAN", num_args = 0..=1, default_missing_value = "", value_parser = lease)]
    reserve: Option<String>,
    /// On an embedded runtime of its own, on this machine, without a server: the config repository is that of towpath.toml. What --reserve keeps
    /// lasts until Ctrl-C.
    #[arg(long, conflicts_with_all = ["namespace", "no_wait"])]
    local: bool,
    /// Asks for it, and does not wait for what comes of it.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait at most. It goes on then.
    #[arg(long, value_name = "SPAN", default_value = "2h", conflicts_with = "no_wait")]
    timeout: Span,
    /// Why: it goes into the ledger.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    /// Who asks; TOWPATH_BY, Git's user.name or the user's name otherwise.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn parameter(text: &str) -> Result<(String, String, String), String> {
    // A value may hold anything, and be empty.
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.split_once('/')?, value)));
    match parts {
        Some(((template, name), value)) if !template.is_empty() && !name.is_empty() => {
            Ok((template.to_owned(), name.to_owned(), value.to_owned()))
        }
        _ => Err("write TEMPLATE/PARAMETER=VALUE".to_owned()),
    }
}

fn lease(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    text.parse::<Span>().map(|span| span.to_string()).map_err(|error| error.to_string())
}

/// All of them by name.
///
/// # Errors
/// When one is set twice.
fn once<T>(what: &str, all: impl IntoIterator<Item = (String, T)>) -> Result<BTreeMap<String, T>, Failure> {
    let mut by_name = BTreeMap::new();
    for (name, value) in all {
        if by_name.contains_key(&name) {
            return Err(Failure::new(Exit::Usage, format!("{what} sets {name} twice")).help("say which of them you mean"));
        }
        by_name.insert(name, value);
    }
    Ok(by_name)
}

fn request(context: &Context, args: &Args) -> Result<TryRequest, Failure> {
    let mut parameters: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (template, name, value) in &args.set_parameter {
        let of = parameters.entry(template.clone()).or_default();
        if of.insert(name.clone(), value.clone()).is_some() {
            return Err(
                Failure::new(Exit::Usage, format!("--set-parameter sets {template}/{name} twice")).help("say which of them you mean")
            );
        }
    }
    Ok(TryRequest {
        source: args.source.clone(),
        git_ref: args.git_ref.clone(),
        template_refs: once("--set-template-ref", args.set_template_ref.iter().cloned())?,
        image_tags: once("--set-image-tag", args.set_image_tag.iter().cloned())?,
        parameters,
        tests: args.test.clone(),
        namespace: args.namespace.clone(),
        reserve: args.reserve.clone(),
        asked: asked_by(context, args.by.as_deref(), &args.reason)?,
    })
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let request = request(context, &args)?;
    if args.local {
        return try_local::run(context, args.reserve.is_some(), async |client| ask(context, &args, &request, client).await);
    }
    let client = context.client()?;
    block_on(async { ask(context, &args, &request, &client).await })
}

async fn ask(context: &Context, args: &Args, request: &TryRequest, client: &Client) -> Result<Exit, Failure> {
    let accepted = client.try_it(request).await?;
    let Some(run) = &accepted.run else {
        return Err(Failure::new(Exit::Failed, "the server named no run").help("its version may be older than this program's"));
    };
    if args.no_wait {
        context.out.show(args.shown.output, &accepted, |accepted, _| accepted.text.clone())?;
        if args.shown.output == Format::Human {
            context.out.note(&format!("Follow it with: towpath logs {run} --follow"));
        }
        return Ok(Exit::Ok);
    }
    let said = |text: &str| {
        if args.shown.output == Format::Human {
            context.out.note(text)
        }
    };
    said(&accepted.text);
    let detail = tokio::select! {
        detail = follow(context, client, run, args) => detail?,
        _ = tokio::signal::ctrl_c() => {
            let failure = |text: &str| Failure::new(Exit::Failed, text);
            return Err(match args.local {
                true => failure("stopped; all that was started for it is ended"),
                false => failure("stopped looking; it goes on without you")
                    .help(format!("`towpath cancel {run} --reason …` stops it, `towpath logs {run} --follow` shows how it goes on")),
            });
        }
    };
    if let Some(cause) = &detail.cause {
        for line in &cause.last_lines {
            said(&format!("  | {}", words::line(line)));
        }
    }
    let lease = match lease_of(client, run, args.namespace.as_deref()).await? {
        // A namespace that is the run's own is gone with it.
        Some(lease) if lease.run.is_none() => Some(lease),
        _ => None,
    };
    let is_good = detail.run.state == "succeeded";
    context.out.show(args.shown.output, &Tried { run: detail, lease }, checks::tried)?;
    Ok(if is_good { Exit::Ok } else { Exit::Failed })
}

/// Waits for the end of the run, and tells how far it is.
async fn follow(context: &Context, client: &Client, run: &RunId, args: &Args) -> Result<RunDetail, Failure> {
    let deadline = Instant::now() + args.timeout.to_std();
    let mut progress = Progress::new(&context.out);
    let mut told = Steps::default();
    let mut place = String::new();
    loop {
        let detail = client.run_detail(run.as_str()).await?;
        let is_open = detail.run.finished_at.is_none();
        let mut news = told.news(run, &detail.run.steps, is_open);
        let mut going = match Steps::current(&detail.run.steps) {
            Some(step) => step.to_owned(),
            None if detail.run.started_at.is_none() => format!("{run} is queued"),
            None => format!("{run} is under way"),
        };
        if is_open && Steps::current(&detail.run.steps) == Some("reserve") {
            // Only who waits for a namespace asks how long that may take.
            if let Some(waits) = lease_of(client, run, args.namespace.as_deref()).await?.and_then(|lease| waits(&lease)) {
                going = waits;
                if place != going {
                    news.push(going.clone());
                    place.clone_from(&going);
                }
            }
        }
        if args.shown.output == Format::Human {
            news.iter().for_each(|news| progress.note(&context.out, news));
        }
        if !is_open {
            return Ok(detail);
        }
        if Instant::now() >= deadline {
            let message = format!("not done within {}: {going}", args.timeout);
            return Err(
                Failure::new(Exit::Failed, message).help(format!("it goes on without you; `towpath cancel {run} --reason …` stops it"))
            );
        }
        progress.say(&going);
        tokio::time::sleep(PAUSE).await;
    }
}

fn waits(lease: &ReservationView) -> Option<String> {
    match lease.position {
        0 => None,
        position => Some(format!("{position} of {} who wait for {}: {}", lease.of, lease.pool, lease.waits)),
    }
}

/// The lease on the namespace that the run works in: the named one's, the one that was made for the person by this run, or the run's own.
async fn lease_of(client: &Client, run: &RunId, named: Option<&str>) -> Result<Option<ReservationView>, Failure> {
    let id = match named {
        Some(name) => name.to_owned(),
        None => {
            let all = client.reservations().await?;
            let kept = |lease: &ReservationView| {
                let pool = towpath_domain::PoolName::new(&lease.pool);
                lease.run.is_none() && pool.is_ok_and(|pool| reservation_of_person(&lease.requester, &pool, run.as_str()) == lease.id)
            };
            return Ok(all.into_iter().find(|lease| kept(lease) || lease.id == reservation_of_run(run)));
        }
    };
    match client.reservation(&id).await {
        Ok(lease) => Ok(Some(lease)),
        Err(ClientError::Refused(problem)) if problem.status == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_as_it_is_written() {
        assert_eq!(pair("quay.io/acme/api=1c2d3e4"), Ok(("quay.io/acme/api".into(), "1c2d3e4".into())));
        assert_eq!(parameter("web/URL=http://x/?a=b"), Ok(("web".into(), "URL".into(), "http://x/?a=b".into())));
        assert_eq!(parameter("web/EMPTY="), Ok(("web".into(), "EMPTY".into(), String::new())));
        assert_eq!((lease(""), lease("2h")), (Ok(String::new()), Ok("2h".into())));
        for bad in ["api", "=x", "api="] {
            assert!(pair(bad).is_err(), "{bad}");
        }
        for bad in ["web=x", "/A=x", "web/=x", "web/A"] {
            assert!(parameter(bad).is_err(), "{bad}");
        }
        assert!(lease("soon").is_err());
    }

    #[test]
    fn what_is_set_twice_is_refused() {
        let set = |names: &[&str]| once("--set-x", names.iter().map(|name| ((*name).to_owned(), ())));
        assert_eq!(set(&["a", "b"]).unwrap().len(), 2);
        assert!(set(&["a", "a"]).unwrap_err().message.contains("a twice"));
    }
}
