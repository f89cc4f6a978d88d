//! `towpath token`.

use std::collections::BTreeSet;

use towpath_domain::{Span, Verb};
use towpath_web::auth::{MadeToken, NewToken};

use super::Shown;
use super::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format};

/// Makes, lists and revokes tokens: what programs show instead of signing in.
///
/// A token never may do more than its owner, at any time, and it always ends. It is shown once, when it is made, and kept nowhere. Give it to programs in
/// TOWPATH_TOKEN or in a file that only they can read.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Makes a token, and prints it alone to standard output.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath token create --name report --expires 90d --may look
  towpath token create --name bot --expires 30d --may promote --app web --environment stage
  towpath token create --name ci --expires 365d --may look,retry --machine > towpath-token")]
pub(crate) struct Create {
    /// What people know it by.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// After how long it ends, in whole days at least: 90d. The installation has a maximum.
    #[arg(long, value_name = "SPAN")]
    expires: Span,
    /// What it may do: look, retry, hold, promote, rollback, approve, reserve, administer.
    #[arg(long, value_name = "VERB", required = true, value_delimiter = ',', value_parser = verb)]
    may: Vec<Verb>,
    /// Only for this app; may be said several times.
    #[arg(long = "app", value_name = "APP")]
    apps: Vec<String>,
    /// Only in this environment; may be said several times.
    #[arg(long = "environment", value_name = "ENVIRONMENT")]
    environments: Vec<String>,
    /// It is nobody's own, and stays when whoever made it leaves. Only administrators make one.
    #[arg(long)]
    machine: bool,
    #[command(flatten)]
    shown: Shown,
}

/// Lists your tokens; with the permission to administer, everybody's.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath token list
  towpath token list --output json")]
pub(crate) struct List {
    #[command(flatten)]
    shown: Shown,
}

/// Takes a token back: it counts no more, nor do those that were made with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath token revoke 7f3a9c21")]
pub(crate) struct Revoke {
    /// Its id, as `towpath token list` shows it.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    shown: Shown,
}

fn verb(text: &str) -> Result<Verb, String> {
    Verb::named(text).ok_or_else(|| format!("nothing is allowed by that name; there are {}", Verb::ALL.map(Verb::name).join(", ")))
}

/// A day.
const DAY: Span = Span::from_secs(24 * 3600);

/// The days of a span: what is begun counts, so that nothing ends before it was to.
fn days(span: Span) -> Result<u32, Failure> {
    let days = span.as_millis().div_ceil(DAY.as_millis());
    match u32::try_from(days) {
        Ok(days) if days > 0 => Ok(days),
        _ => {
            Err(Failure::new(Exit::Usage, format!("--expires {span} is no time that a token can be made for"))
                .help("write for example 90d"))
        }
    }
}

pub(super) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create(context, args),
        Command::List(args) => list(context, &args),
        Command::Revoke(args) => revoke(context, &args),
    }
}

fn create(context: &Context, args: Create) -> Result<Exit, Failure> {
    let some = |names: Vec<String>| (!names.is_empty()).then_some(names);
    let wanted = NewToken {
        name: args.name,
        expires_in_days: days(args.expires)?,
        may: args.may.into_iter().collect::<BTreeSet<_>>(),
        apps: some(args.apps),
        environments: some(args.environments),
        machine: args.machine,
    };
    let client = context.client()?;
    let made: MadeToken = block_on(async { Ok(client.make_token(&wanted).await?) })?;
    // Alone on its line, so that it can be led into a file; what is said of it goes to standard error.
    context.out.show(args.shown.output, &made, |made, _| format!("{}\n", made.token))?;
    if args.shown.output == Format::Human {
        context.out.note(&output::tokens::of_made(&made));
    }
    Ok(Exit::Ok)
}

fn list(context: &Context, args: &List) -> Result<Exit, Failure> {
    let client = context.client()?;
    let tokens = block_on(async { Ok(client.tokens().await?) })?;
    context.out.show(args.shown.output, &tokens, |tokens, look| output::tokens::render(tokens, look))?;
    Ok(Exit::Ok)
}

fn revoke(context: &Context, args: &Revoke) -> Result<Exit, Failure> {
    let client = context.client()?;
    let token = block_on(async { Ok(client.revoke_token(&args.id).await?) })?;
    context.out.show(args.shown.output, &token, |token, _| output::tokens::of_revoked(token))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_for_whole_days_and_never_less_than_was_asked_for() {
        for (text, whole) in [("1d", 1), ("90d", 90), ("1h", 1), ("25h", 2)] {
            assert_eq!(days(text.parse().unwrap()).unwrap(), whole, "{text}");
        }
        assert!(days(Span::from_millis(0)).is_err() && days(Span::from_millis(u64::MAX)).is_err());
    }

    #[test]
    fn a_verb_that_nobody_knows_is_answered_with_those_there_are() {
        assert_eq!(verb("promote"), Ok(Verb::Promote));
        assert!(verb("deploy").unwrap_err().contains("look, retry, hold, promote, rollback, approve, reserve, check, administer"));
    }
}
