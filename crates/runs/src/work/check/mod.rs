//! Checks a pull request: builds it, deploys it with what it depends on into a namespace of its own, tests it.

use towpath_engine::Outcome;
use towpath_engine::check::CheckWork;

use crate::journal::{Journal, Stop};
use crate::world::World;

/// Carries a check out.
pub(crate) async fn run(_world: &World, _journal: &Journal, _work: &CheckWork) -> Result<Outcome, Stop> {
    Err(Stop::own("checks are not carried out yet"))
}
