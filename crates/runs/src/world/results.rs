//! Where people find the results of a run's tests outside of Towpath.

use std::future::Future;
use std::pin::Pin;

use towpath_domain::RunId;

use super::World;
use crate::tested::REPORTS_STEP;

/// Who shows results of tests to people.
pub trait Results: Send + Sync {
    /// Where a run's results are or will be found; none while nobody knows.
    fn link<'a>(&'a self, run: &'a RunId) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

    /// The same without asking anybody: as far as it is known by now.
    fn known(&self, run: &RunId) -> Option<String>;
}

impl World {
    /// Where the results of a run's tests are or will be found: none where they go nowhere, or where it left no reports.
    pub async fn results_of(&self, run: &RunId) -> Option<String> {
        let results = self.results.as_ref()?;
        // What cannot be read now is told the next time.
        let noted = self.ledger.step_output(run, REPORTS_STEP).await.ok().flatten()?;
        if noted.as_array().is_none_or(Vec::is_empty) {
            return None;
        }
        results.link(run).await
    }
}
