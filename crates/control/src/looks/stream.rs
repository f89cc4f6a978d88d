//! Events as they come.

use towpath_engine::Event;
use towpath_ledger::{EventFilter, EventId, Order};

use crate::sight::Sight;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{HistoryLine, Problem};

impl Control {
    /// Events after the one with this number, oldest first; those of single steps left out, and those that may not be seen. Fewer than `limit`
    /// are all that there are.
    ///
    /// # Errors
    /// [`Problem`] when the ledger cannot be read.
    pub async fn events(&self, sight: Sight, after: i64, limit: u32) -> Result<Vec<HistoryLine>, Problem> {
        let mut filter = EventFilter { after: Some(EventId::new(after)), order: Order::OldestFirst, ..EventFilter::default() };
        let mut events = Vec::new();
        loop {
            let mut page = self.world.ledger.events(&filter, limit).await.map_err(ledger_problem)?;
            filter.after = page.rows.last().map(|recorded| recorded.id).or(filter.after);
            page.rows.retain(|recorded| !matches!(recorded.event, Event::StepStarted { .. } | Event::StepDone { .. }));
            events.extend(self.seen_of(&sight, page.rows).await);
            if !page.more || events.len() >= limit as usize {
                break;
            }
        }
        events.truncate(limit as usize);
        Ok(self.history_lines(events).await)
    }
}
