//! `towpath ledger`.

use std::path::{Path, PathBuf};

use towpath_ledger::{Ledger, restore};

use super::Shown;
use super::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Format;

/// Checks, copies and puts back the ledger: the record of all that happened.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Verify(Verify),
    Backup(Backup),
    Restore(Restore),
}

/// Counts everything anew from the events, and compares it with what is kept.
///
/// Works while the server runs. Exits with 5 when something does not add up.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath ledger verify
  towpath ledger verify --file ledger-2026-11-20.db")]
pub(crate) struct Verify {
    /// A ledger or backup; that of this installation otherwise.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

/// Copies the ledger into one file. Works while the server runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath ledger backup /var/backups/ledger-2026-11-20.db")]
pub(crate) struct Backup {
    /// The file to write; it must not be there yet.
    #[arg(value_name = "FILE")]
    dest: PathBuf,
}

/// Puts a backup in the ledger's place. The server must not run.
///
/// The backup is verified first, and the ledger that is there is kept aside.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath ledger restore /var/backups/ledger-2026-11-20.db
  towpath ledger restore /var/backups/ledger-2026-11-20.db --force")]
pub(crate) struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// Also when there is a ledger; it is kept aside.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Verify(args) => verify(context, &args),
        Command::Backup(args) => backup(context, &args.dest),
        Command::Restore(args) => put_back(context, &args),
    }
}

fn verify(context: &Context, args: &Verify) -> Result<Exit, Failure> {
    let path = match &args.file {
        Some(file) => context.absolute(file)?,
        None => context.config()?.state,
    };
    let report = block_on(async {
        let ledger = Ledger::read_only(&path).await.map_err(failed)?;
        let report = ledger.verify().await.map_err(failed)?;
        ledger.close().await;
        Ok(report)
    })?;
    context.out.show(args.shown.output, &report, |report, _| {
        let mut text = format!("{} events, {} facts, {} runs, {} steps: ", report.events, report.facts, report.runs, report.steps);
        match report.differences.len() {
            0 => text.push_str("everything adds up.\n"),
            1 => text.push_str("one thing does not add up:\n"),
            more => text.push_str(&format!("{more} things do not add up:\n")),
        }
        for difference in &report.differences {
            text.push_str(&format!("  {}\n", crate::output::words::line(&difference.to_string())));
        }
        text
    })?;
    if report.is_clean() {
        return Ok(Exit::Ok);
    }
    if args.shown.output == Format::Human {
        context.out.note("help: keep a copy of the file, and put a backup in its place with `towpath ledger restore`");
    }
    Ok(Exit::Findings)
}

fn backup(context: &Context, dest: &Path) -> Result<Exit, Failure> {
    let (state, dest) = (context.config()?.state, context.absolute(dest)?);
    block_on(async {
        let ledger = Ledger::read_only(&state).await.map_err(failed)?;
        ledger.backup(&dest).await.map_err(failed)?;
        ledger.close().await;
        Ok(())
    })?;
    context.out.note(&format!("Written: {}", dest.display()));
    Ok(Exit::Ok)
}

fn put_back(context: &Context, args: &Restore) -> Result<Exit, Failure> {
    let (state, source) = (context.config()?.state, context.absolute(&args.source)?);
    let restored = block_on(async { restore(&source, &state, args.force, context.out.look.now).await.map_err(failed) })?;
    context.out.note(&format!("In place: {}", restored.file.display()));
    if let Some(aside) = restored.aside {
        context.out.note(&format!("The one that was there: {}", aside.display()));
    }
    Ok(Exit::Ok)
}

/// The ledger's messages say themselves what to do next; only what this command line adds is told beside.
fn failed(error: towpath_ledger::Error) -> Failure {
    let (exit, help) = match &error {
        towpath_ledger::Error::Missing { .. } => (Exit::Held, ""),
        towpath_ledger::Error::Exists { .. } => (Exit::Failed, "a restore replaces a ledger with --force"),
        towpath_ledger::Error::BadBackup { .. } | towpath_ledger::Error::Damaged { .. } => (Exit::Findings, ""),
        _ => (Exit::Failed, ""),
    };
    Failure::of(exit, &error).help(help)
}
