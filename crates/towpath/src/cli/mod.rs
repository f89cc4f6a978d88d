//! The commands, one file each.

mod ask;
mod check;
mod completions;
mod context;
mod demo;
mod doctor;
mod explain;
mod follow;
mod history;
mod init;
mod ledger;
mod logs;
mod man;
mod namespace;
mod plan;
mod render;
mod runs;
mod serve;
mod status;
mod stop_services;
mod token;
mod try_it;
mod try_local;
mod validate;
mod wait;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::env::Environment;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::output::{Color, Format, Out};
use context::Context;

/// Continuous delivery from merge to production, in one binary.
///
/// Towpath moves every merge, safely and by itself, from a repository's main branch to production: it builds the image,
/// deploys it to stage, runs the tests there, and promotes what passed by a commit in the config repository.
///
/// Begin with `towpath demo`, which shows all of it in half a minute, and then with `towpath init` for a service of your own.
#[derive(Debug, Parser)]
#[command(name = "towpath", version, max_term_width = 100, arg_required_else_help = true, propagate_version = false)]
struct Cli {
    /// The towpath.toml to use; the nearest in this folder or above it otherwise.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    config: Option<PathBuf>,
    /// The server to ask, at the address of its pages. Otherwise the one that runs here. Who asks is shown by the token in
    /// TOWPATH_TOKEN or --token-file.
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    server: Option<String>,
    /// A file that holds the token, and that nobody else can read.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    token_file: Option<PathBuf>,
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true, help_heading = "Everywhere")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Serve(serve::Args),
    Validate(validate::Args),
    Plan(plan::Args),
    Status(status::Args),
    Explain(explain::Args),
    Runs(runs::Args),
    Logs(logs::Args),
    Retry(ask::Retry),
    Ack(ask::Ack),
    Cancel(ask::Cancel),
    Promote(ask::Promote),
    Rollback(ask::Rollback),
    Hold(ask::Hold),
    Release(ask::Release),
    Render(render::Args),
    History(history::Args),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Check(check::Command),
    Try(try_it::Args),
    #[command(subcommand)]
    Namespace(namespace::Command),
    #[command(subcommand)]
    Token(token::Command),
    StopServices(stop_services::Args),
    #[command(subcommand)]
    Ledger(ledger::Command),
    Completions(completions::Args),
    Man(man::Args),
    /// Looks after one pod of the local runtime. Started by the server; never by people.
    ///
    /// The program dispatches to it before any of this is read; it stands here so that nothing else takes its name.
    #[command(hide = true)]
    Shim,
}

/// How most commands say for whom they print.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Shown {
    /// `human` for tables and sentences, `json` for one JSON document.
    #[arg(long, value_name = "FORMAT", default_value = "human", hide_possible_values = true)]
    output: Format,
}

/// The command line as clap knows it, with all that its help tells.
fn command() -> clap::Command {
    Cli::command().after_long_help(format!("{}\n\n{}", Environment::help(), exit::HELP))
}

/// Runs the command that `args` names.
pub fn run(args: &[OsString], environment: &Environment) -> ExitCode {
    let parsed = command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: clap prints them to standard output, and knows their code.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let out = Out::detect(cli.color, environment);
    let context = Context::new(out, environment.clone(), cli.config).asking(cli.server, cli.token_file);
    match dispatch(&context, cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.fail(&failure);
            failure.exit.into()
        }
    }
}

fn dispatch(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(context, args),
        Command::Init(args) => init::run(context, &args),
        Command::Serve(args) => serve::run(context, &args),
        Command::Validate(args) => validate::run(context, &args),
        Command::Plan(args) => plan::run(context, &args),
        Command::Status(args) => status::run(context, args),
        Command::Explain(args) => explain::run(context, &args),
        Command::Runs(args) => runs::run(context, args),
        Command::Logs(args) => logs::run(context, &args),
        Command::Retry(args) => ask::retry(context, args),
        Command::Ack(args) => ask::ack(context, args),
        Command::Cancel(args) => ask::cancel(context, args),
        Command::Promote(args) => ask::promote(context, args),
        Command::Rollback(args) => ask::rollback(context, args),
        Command::Hold(args) => ask::hold(context, args),
        Command::Release(args) => ask::release(context, args),
        Command::Render(args) => render::run(context, &args),
        Command::History(args) => history::run(context, args),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Check(command) => check::run(context, command),
        Command::Try(args) => try_it::run(context, args),
        Command::Namespace(command) => namespace::run(context, command),
        Command::Token(command) => token::run(context, command),
        Command::StopServices(args) => stop_services::run(context, &args),
        Command::Ledger(command) => ledger::run(context, command),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
        Command::Shim => Err(Failure::new(Exit::Usage, "the shim is started by the server")),
    }
}
