//! Whether anything is new that somebody decides on, so that an event of something else costs nothing.

use std::sync::Arc;

use towpath_catalog::Catalog;
use towpath_engine::FactKey;
use towpath_ledger::EventId;
use towpath_runs::World;

/// What was looked at last.
pub(crate) struct News {
    /// The facts that are of interest.
    ours: fn(&FactKey) -> bool,
    at: Option<EventId>,
    /// Which catalog, told by where it lies; it is held, so that no other lies there.
    catalog: Option<Arc<Catalog>>,
}

impl News {
    /// Of these facts, and of the catalog. At first, all is new.
    pub(crate) fn of(ours: fn(&FactKey) -> bool) -> Self {
        Self { ours, at: None, catalog: None }
    }

    /// Whether something of it may be otherwise than at the last call.
    pub(crate) fn is_new(&mut self, world: &World) -> bool {
        let current = Arc::clone(&world.current().catalog);
        let same_catalog = self.catalog.as_ref().is_some_and(|known| Arc::ptr_eq(known, &current));
        let touched = self.at.and_then(|at| world.ledger.touched_since(at));
        let latest = touched.as_ref().map_or_else(|| world.ledger.latest(), |(latest, _)| *latest);
        let is_new = !same_catalog || touched.is_none_or(|(_, keys)| keys.iter().any(self.ours));
        (self.at, self.catalog) = (Some(latest), Some(current));
        is_new
    }

    /// Time alone may have changed something: all is new once more.
    pub(crate) fn forget(&mut self) {
        self.at = None;
    }
}
