//! What works without a server.

use std::path::Path;

use towpath_control::plan_folder;
use towpath_control::view::PlanView;
use towpath_git::{Git, Identity, Settings};
use towpath_runs::world::{Clock, Mirrors};

use crate::config::Config;
use crate::failure::Failure;

/// What would happen in a plain folder of config files, with nothing known but what the repositories say now.
///
/// # Errors
/// When the folder cannot be read.
pub async fn plan(folder: &Path, config: Option<Config>) -> Result<PlanView, Failure> {
    read(folder, config.as_ref()).await.map_err(Failure::from)
}

async fn read(folder: &Path, config: Option<&Config>) -> anyhow::Result<PlanView> {
    let files = towpath_catalog::folder::read(folder)?;
    let scratch = tempfile::Builder::new().prefix("towpath-plan-").tempdir()?;
    let git = match config {
        Some(config) => super::serve::git(config)?,
        None => Git::new(Settings::new(Identity::new("towpath", "towpath@localhost")?)),
    };
    let mirrors = Mirrors::new(git, scratch.path().to_owned());
    Ok(plan_folder(files, folder.display().to_string(), &mirrors, Clock::system().now()).await)
}
