//! A history written at once, for tests and measurements that need one which nobody could wait for.

use crate::db::migrate;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::rebuild::VERSION;
use crate::record::EventId;
use crate::writer::{Entry, Request};

/// Whose rules and tables a ledger is written by: what was kept under another name is made anew.
#[must_use]
pub fn format() -> String {
    format!("{VERSION}, migration {}", migrate::newest())
}

impl Ledger {
    /// Records events that each have a cause, an actor and a moment of their own, in one transaction; the number of the last one. The first
    /// gets the number after [`Ledger::latest`], so that causes within the batch can be told beforehand.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn append_each(&self, entries: Vec<Entry>) -> Result<EventId> {
        let mut writer = self.inner.writer().await?;
        // The rows of a batch are many, and are not to go to the disk and back before it ends.
        let more = sqlx::query("PRAGMA cache_size = -524288").execute(&mut writer.db).await;
        more.map_err(|error| Error::database("write to", self.file(), &error))?;
        drop(writer);
        let receipt = self.record(Request::Each { entries }).await?;
        Ok(receipt.recorded.last().map_or_else(|| self.latest(), |recorded| recorded.id))
    }
}
