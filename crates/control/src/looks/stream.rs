//! Events as they come.

use towpath_engine::Event;
use towpath_ledger::{EventFilter, EventId, Order};

use crate::sight::Sight;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{HistoryLine, Problem};

impl Control {
    /// Events after the one with this number, oldest first; those of single steps left out, and those that may not be seen.
    ///
    /// # Errors
    /// [`Problem`] when the ledger cannot be read.
    pub async fn events(&self, sight: Sight, after: i64, limit: u32) -> Result<Vec<HistoryLine>, Problem> {
        let filter = EventFilter { after: Some(EventId::new(after)), order: Order::OldestFirst, ..EventFilter::default() };
        let mut events = self.world.ledger.events(&filter, limit).await.map_err(ledger_problem)?.rows;
        events.retain(|recorded| !matches!(recorded.event, Event::StepStarted { .. } | Event::StepDone { .. }));
        let events = self.seen_of(&sight, events).await;
        Ok(self.history_lines(events).await)
    }
}
