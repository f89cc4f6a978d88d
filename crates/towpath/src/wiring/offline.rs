//! What works without a server.

use towpath_catalog::InputFile;
use towpath_control::plan_folder;
use towpath_control::view::{Finding, PlanView};
use towpath_git::{Git, Identity, Settings};
use towpath_runs::world::{Clock, Mirrors};

use crate::config::Config;
use crate::failure::Failure;

/// What would happen with these config files, with nothing known but what the repositories say now. `of` says whose they are, `environment` is
/// the machine's as far as programs may know it.
///
/// # Errors
/// When there is no room for mirrors.
pub async fn plan(
    files: Vec<InputFile>,
    of: String,
    config: Option<Config>,
    environment: &[(String, String)],
) -> Result<PlanView, Failure> {
    read(files, of, config.as_ref(), environment).await.map_err(Failure::from)
}

/// Whether the clusters that `towpath.toml` names are reached, each beside the others.
///
/// # Errors
/// When the clusters or their secret store cannot be set up.
pub async fn clusters(config: &Config) -> Result<Vec<Finding>, Failure> {
    // Nothing is kept of what is looked at.
    let scratch = tempfile::Builder::new().prefix("towpath-doctor-").tempdir().map_err(anyhow::Error::from)?;
    let reached = super::outside::Reached::new(&config.outside, scratch.path())?;
    let looks = reached.each_kubernetes().map(|(name, cluster)| towpath_control::look_at_cluster(name, cluster, &[]));
    Ok(futures_util::future::join_all(looks).await.into_iter().flatten().collect())
}

async fn read(files: Vec<InputFile>, of: String, config: Option<&Config>, environment: &[(String, String)]) -> anyhow::Result<PlanView> {
    let scratch = tempfile::Builder::new().prefix("towpath-plan-").tempdir()?;
    let git = match config {
        Some(config) => super::serve::git(config, Vec::new())?,
        None => Git::new(Settings::new(Identity::new("towpath", "towpath@localhost")?)),
    };
    let mirrors = Mirrors::new(git, scratch.path().to_owned());
    Ok(plan_folder(files, of, &mirrors, environment, Clock::system().now()).await)
}
