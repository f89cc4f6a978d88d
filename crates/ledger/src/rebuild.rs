//! Facts, runs, steps and the outbox, counted anew from the events.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use towpath_engine::Facts;

use crate::db::rows;
use crate::error::{Error, Result};
use crate::ledger::{Ledger, detached};
use crate::verify::{Difference, replay};

/// Whose rules the rows were counted by. The rules are the code's, so each version counts for itself; so does each change of the
/// rules within one, which raises the number.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " rules 7");

impl Ledger {
    /// Counts everything anew from the events: mends whatever [`Ledger::verify`] finds in rows. Leases and what sinks
    /// have told stay as they are. What it finds wrong with the events themselves cannot be mended, and is handed back.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`]; then all is as it was.
    pub async fn rebuild(&self) -> Result<Vec<Difference>> {
        let inner = self.inner.clone();
        detached(async move {
            let mut writer = inner.writer().await?;
            let done = rebuild(&mut writer.db).await.map_err(|error| Error::database("count anew", &inner.file, &error));
            let (_, differences) = writer.settle(&inner.published, done).await?;
            writer.reload(&inner.published).await?;
            Ok(differences)
        })
        .await
    }
}

/// One transaction: either all is counted anew, or nothing is changed.
pub(crate) async fn rebuild(db: &mut SqliteConnection) -> std::result::Result<(Facts, Vec<Difference>), sqlx::Error> {
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await?;
    let mut differences = Vec::new();
    let all = replay(&mut tx, &mut differences).await?;
    let leases = sqlx::query("SELECT id, lease_until FROM runs WHERE lease_until IS NOT NULL").fetch_all(&mut *tx).await?;
    for table in ["DELETE FROM facts", "DELETE FROM steps", "DELETE FROM runs", "DELETE FROM outbox", "DELETE FROM commits"] {
        sqlx::query(table).execute(&mut *tx).await?;
    }
    for key in all.facts.keys() {
        rows::put_fact(&mut tx, &key, all.facts.get(&key).as_ref()).await?;
    }
    rows::put_runs(&mut tx, &all.projection.runs.values().collect::<Vec<_>>()).await?;
    let steps: Vec<_> = all.projection.steps.iter().map(|((run, _), step)| (run, step)).collect();
    rows::put_steps(&mut tx, &steps).await?;
    rows::put_outbox(&mut tx, &all.projection.outbox.iter().copied().collect::<Vec<_>>()).await?;
    rows::put_commits(&mut tx, &all.projection.commits.iter().copied().collect::<Vec<_>>()).await?;
    for row in leases {
        sqlx::query("UPDATE runs SET lease_until = $2 WHERE id = $1")
            .bind(row.try_get::<String, _>("id")?)
            .bind(row.try_get::<i64, _>("lease_until")?)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query("INSERT INTO counted (one, version) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET version = excluded.version")
        .bind(VERSION)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((all.facts, differences))
}
