//! What works without a server.

use std::path::Path;

use towpath_control::plan_folder;
use towpath_control::view::PlanView;
use towpath_git::{Git, Identity, Settings};
use towpath_runs::world::{Clock, Mirrors};

/// What would happen in a plain folder of config files, with nothing known but what the repositories say now.
///
/// # Errors
/// When the folder cannot be read.
pub async fn plan(folder: &Path) -> anyhow::Result<PlanView> {
    let files = towpath_catalog::folder::read(folder)?;
    let scratch = tempfile::Builder::new().prefix("towpath-plan-").tempdir()?;
    let git = Git::new(Settings::new(Identity::new("towpath", "towpath@localhost")?));
    let mirrors = Mirrors::new(git, scratch.path().to_owned());
    Ok(plan_folder(files, folder.display().to_string(), &mirrors, Clock::system().now()).await)
}
