//! `towpath validate`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use towpath_catalog::{Loaded, Severity, load, quarantines_due, render};
use towpath_runs::world::Clock;

use super::context::{Context, config_files};
use crate::exit::Exit;
use crate::failure::Failure;

/// Checks a config repository: every file, every reference, every rule.
///
/// A plain folder will do; what is there is checked, committed or not. Exits with 5 when there are errors; warnings alone are
/// no errors.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath validate
  towpath validate ./config --format lines
  towpath validate ./config --format sarif > findings.sarif")]
pub(crate) struct Args {
    /// The folder that holds data/. [default: this one, or else the config repository of towpath.toml]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// `terminal` shows the lines in question, `lines` has one line for each finding, `json` and `sarif` are for programs.
    /// [default: terminal on a terminal, lines otherwise]
    #[arg(long, visible_alias = "output", value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Terminal,
    Lines,
    Json,
    Sarif,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let path = root(context, args.path.as_deref())?;
    let mut loaded = load(config_files(&path)?);
    loaded.diagnostics.extend(quarantines_due(&loaded.catalog, Clock::system().now()));
    let usual = if context.out.terminal { Format::Terminal } else { Format::Lines };
    let format = args.format.unwrap_or(usual);
    let text = match format {
        Format::Terminal => render::terminal(&loaded.diagnostics, |file| loaded.bytes(file), context.out.color),
        Format::Lines => render::lines(&loaded.diagnostics),
        Format::Json => pretty(&render::json(&loaded.diagnostics))?,
        Format::Sarif => pretty(&render::sarif(&loaded.diagnostics))?,
    };
    if !text.is_empty() {
        context.out.print(&text)?;
    }
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    if matches!(format, Format::Terminal | Format::Lines) {
        context.out.note(&summary(&loaded, errors));
    }
    Ok(if errors == 0 { Exit::Ok } else { Exit::Findings })
}

fn pretty(value: &serde_json::Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))
}

/// The folder that was named; else this one, if it holds `data/`; else the config repository of `towpath.toml`, if it is a folder.
fn root(context: &Context, named: Option<&Path>) -> Result<PathBuf, Failure> {
    let here = context.folder()?;
    if let Some(named) = named {
        return Ok(here.join(named));
    }
    if here.join("data").is_dir() {
        return Ok(here);
    }
    let configured = context.config_if_any()?.map(|config| PathBuf::from(config.repository.url.expose()));
    match configured.filter(|path| path.join("data").is_dir()) {
        Some(path) => Ok(path),
        None => {
            let message = format!("{} holds no data/, and no towpath.toml names a folder that does", here.display());
            Err(Failure::new(Exit::Usage, message).help("name the folder of a config repository: towpath validate PATH"))
        }
    }
}

fn summary(loaded: &Loaded, errors: usize) -> String {
    let count = |n: usize, what: &str| match n {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let warnings = loaded.diagnostics.len().saturating_sub(errors);
    let (files, targets) = (count(loaded.files.len(), "file"), count(loaded.catalog.targets.len(), "target"));
    format!("{files}, {targets}: {}, {}", count(errors, "error"), count(warnings, "warning"))
}
