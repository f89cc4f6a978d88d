//! `towpath plan`.

use std::path::PathBuf;

use towpath_control::request::PlanRequest;
use towpath_control::view::PlanView;

use super::Shown;
use super::context::{Context, block_on, config_files};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, wiring};

/// Shows what would happen, and what holds the rest: now, if a branch were merged, or for a folder.
///
/// Without PATH, the running server says what it would do now, or with --branch, what it would do if that branch of the config
/// repository were merged. With PATH, a config repository or plain folder is planned without a server, as if nothing had run yet;
/// the repositories that it names are only read. Nothing is changed in any case. Exits with 5 when the config has errors.
///
/// With --diff, each cluster is asked what the deploys would change in the objects that are there; values of secrets are hidden.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath plan
  towpath plan --branch raise-replicas
  towpath plan --branch raise-replicas --diff
  towpath plan --diff web/web/production/web-production
  towpath plan ./config")]
pub(crate) struct Args {
    /// A config repository's folder, to be planned without a server.
    #[arg(value_name = "PATH", conflicts_with = "branch")]
    path: Option<PathBuf>,
    /// A branch of the config repository.
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// What would change in the clusters: for one target, or for all that would be deployed.
    #[arg(long, value_name = "TARGET", num_args = 0..=1, default_missing_value = "", conflicts_with = "path")]
    diff: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let view: PlanView = match &args.path {
        Some(path) => {
            let path = context.absolute(path)?;
            let files = config_files(&path)?;
            block_on(wiring::offline_plan(files, path.display().to_string(), context.config_if_any()?, &context.environment.host))?
        }
        None => {
            let client = context.client()?;
            let request = PlanRequest { branch: args.branch.clone(), diff: args.diff.clone() };
            block_on(async { Ok(client.plan(&request).await?) })?
        }
    };
    context.out.show(args.shown.output, &view, |view, look| {
        output::plan::render(view, look) + &output::differences::render(view, look, context.out.color)
    })?;
    let broken = view.diagnostics.iter().any(|line| line.contains(": error["));
    Ok(if broken { Exit::Findings } else { Exit::Ok })
}
