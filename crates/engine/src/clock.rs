//! Time as the planner meets it: handed in, and every comparison with it remembered.

use std::cell::Cell;

use towpath_domain::Timestamp;

/// The moment of planning, and the first later moment at which one of the comparisons made with it turns out otherwise.
///
/// All comparisons with time go through here, so that no verdict can outlive its truth.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Timestamp,
    next: Cell<Option<Timestamp>>,
}

impl Clock {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { now, next: Cell::new(None) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether `moment` has come.
    pub(crate) fn reached(&self, moment: Timestamp) -> bool {
        self.turns(Some(moment));
        moment <= self.now
    }

    /// Remembers that something changes at `moment`, unless that is over.
    pub(crate) fn turns(&self, moment: Option<Timestamp>) {
        if let Some(moment) = moment.filter(|moment| *moment > self.now) {
            self.next.set(Some(self.next.get().map_or(moment, |next| next.min(moment))));
        }
    }

    /// The first moment at which something changes, of all since the last call.
    pub(crate) fn take_next(&self) -> Option<Timestamp> {
        self.next.take()
    }
}
