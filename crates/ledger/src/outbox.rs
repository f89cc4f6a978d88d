//! The outbox: what people are to be told, as it happened, until each sink has it or has given up.
//!
//! A row is written in the transaction of its event. A sink (one way of telling people) goes through the rows in order
//! and keeps its place here, so it tells each event at least once, and after a crash goes on where it was.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row};
use towpath_domain::Timestamp;

use crate::db::rows;
use crate::error::{Error, Result};
use crate::ledger::{Ledger, detached};
use crate::record::{EventId, Recorded};

/// The next event that a sink has to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The event.
    pub recorded: Recorded,
    /// Attempts so far, each of which failed.
    pub attempts: u32,
}

/// Something that could not be told.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DeadLetter {
    /// Which sink gave up.
    pub sink: String,
    /// What it should have told.
    pub recorded: Recorded,
    /// When it gave up.
    pub at: Timestamp,
    /// After how many attempts.
    pub attempts: u32,
    /// What the last one failed of.
    pub error: String,
}

/// How far a sink has come.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SinkState {
    /// Its name.
    pub name: String,
    /// The last event that it told or gave up.
    pub settled: EventId,
    /// Events that wait for it.
    pub waiting: u64,
    /// Failed attempts at the next one.
    pub attempts: u32,
    /// What the last of them failed of.
    pub error: Option<String>,
}

impl Ledger {
    /// Makes a sink known. A new one begins with what happens from now on; a known one goes on where it was.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`]; so all writes here.
    pub async fn outbox_register(&self, sink: &str) -> Result<()> {
        let (inner, sink) = (self.inner.clone(), sink.to_owned());
        detached(async move {
            let mut writer = inner.writer().await?;
            let done = sqlx::query(
                "INSERT INTO sinks (name, settled) VALUES ($1, (SELECT event FROM head WHERE one = 1)) ON CONFLICT (name) DO NOTHING",
            )
            .bind(sink)
            .execute(&mut writer.db)
            .await;
            done.map(|_| ()).map_err(|error| Error::database("write to", &inner.file, &error))
        })
        .await
    }

    /// The next event that a sink has to tell; `None` when it has told all.
    ///
    /// # Errors
    /// [`Error::UnknownSink`], [`Error::Environment`].
    pub async fn outbox_next(&self, sink: &str) -> Result<Option<Pending>> {
        let mut db = self.reader().await?;
        let known = sqlx::query("SELECT settled, attempts FROM sinks WHERE name = $1")
            .bind(sink)
            .fetch_optional(&mut *db)
            .await
            .map_err(self.reading())?
            .ok_or_else(|| Error::UnknownSink { name: sink.to_owned() })?;
        let row = sqlx::query(
            "SELECT events.id, events.cause, events.at, events.actor, events.body FROM outbox JOIN events ON events.id = outbox.event
             WHERE outbox.event > $1 ORDER BY outbox.event LIMIT 1",
        )
        .bind(known.try_get::<i64, _>("settled").map_err(self.reading())?)
        .fetch_optional(&mut *db)
        .await
        .map_err(self.reading())?;
        let Some(row) = row else { return Ok(None) };
        let recorded = rows::event(&row).map_err(self.reading())?;
        Ok(Some(Pending { recorded, attempts: attempts(&known).map_err(self.reading())? }))
    }

    /// What a sink has to tell, oldest first, at most `limit`: for one that tells many things in one message.
    ///
    /// # Errors
    /// [`Error::UnknownSink`], [`Error::Environment`].
    pub async fn outbox_waiting(&self, sink: &str, limit: u32) -> Result<Vec<Recorded>> {
        let mut db = self.reader().await?;
        let known = sqlx::query("SELECT settled FROM sinks WHERE name = $1")
            .bind(sink)
            .fetch_optional(&mut *db)
            .await
            .map_err(self.reading())?
            .ok_or_else(|| Error::UnknownSink { name: sink.to_owned() })?;
        let found = sqlx::query(
            "SELECT events.id, events.cause, events.at, events.actor, events.body FROM outbox JOIN events ON events.id = outbox.event
             WHERE outbox.event > $1 ORDER BY outbox.event LIMIT $2",
        )
        .bind(known.try_get::<i64, _>("settled").map_err(self.reading())?)
        .bind(i64::from(limit))
        .fetch_all(&mut *db)
        .await
        .map_err(self.reading())?;
        found.iter().map(rows::event).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    /// A sink has told an event, or there was nothing to tell of it.
    ///
    /// # Errors
    /// [`Error::UnknownSink`].
    pub async fn outbox_delivered(&self, sink: &str, event: EventId) -> Result<()> {
        self.settle(sink, event, None).await
    }

    /// A sink failed to tell an event and will try again. Tells how many attempts failed by now.
    ///
    /// # Errors
    /// [`Error::UnknownSink`].
    pub async fn outbox_failed(&self, sink: &str, event: EventId, error: &str) -> Result<u32> {
        let (inner, name, error) = (self.inner.clone(), sink.to_owned(), error.to_owned());
        detached(async move {
            let failed = |error: sqlx::Error| Error::database("write to", &inner.file, &error);
            let mut writer = inner.writer().await?;
            let row =
                sqlx::query("UPDATE sinks SET attempts = attempts + 1, error = $3 WHERE name = $1 AND settled < $2 RETURNING attempts")
                    .bind(&name)
                    .bind(event.get())
                    .bind(error)
                    .fetch_optional(&mut writer.db)
                    .await
                    .map_err(failed)?;
            if let Some(row) = row {
                return attempts(&row).map_err(failed);
            }
            let known = sqlx::query("SELECT name FROM sinks WHERE name = $1").bind(&name).fetch_optional(&mut writer.db).await;
            // Settled meanwhile: there is no attempt to count.
            known.map_err(failed)?.map(|_| 0).ok_or(Error::UnknownSink { name })
        })
        .await
    }

    /// A sink gives an event up. It is kept as a dead letter, and the sink goes on with the next.
    ///
    /// # Errors
    /// [`Error::UnknownSink`].
    pub async fn outbox_dead(&self, sink: &str, event: EventId, error: &str, at: Timestamp) -> Result<()> {
        self.settle(sink, event, Some((error.to_owned(), at))).await
    }

    /// What could not be told, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`].
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>> {
        let mut db = self.reader().await?;
        let found = sqlx::query(
            "SELECT events.id, events.cause, events.at, events.actor, events.body, dead_letters.sink AS sink,
                 dead_letters.at AS died, dead_letters.attempts AS attempts, dead_letters.error AS error
             FROM dead_letters JOIN events ON events.id = dead_letters.event ORDER BY dead_letters.event DESC, dead_letters.sink LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&mut *db)
        .await
        .map_err(self.reading())?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(DeadLetter {
                sink: row.try_get("sink")?,
                recorded: rows::event(row)?,
                at: Timestamp::from_millis(row.try_get("died")?),
                attempts: attempts(row)?,
                error: row.try_get("error")?,
            })
        };
        found.iter().map(read).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    /// How much could not be told, by sink; those that told everything left out.
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`].
    pub async fn dead_letter_counts(&self) -> Result<Vec<(String, u64)>> {
        let mut db = self.reader().await?;
        let found = sqlx::query("SELECT sink, COUNT(*) AS count FROM dead_letters GROUP BY sink ORDER BY sink")
            .fetch_all(&mut *db)
            .await
            .map_err(self.reading())?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok((row.try_get::<String, _>("sink")?, u64::try_from(row.try_get::<i64, _>("count")?).unwrap_or(0)))
        };
        found.iter().map(read).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    /// All sinks that ever were registered, and how far each has come.
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`].
    pub async fn sinks(&self) -> Result<Vec<SinkState>> {
        let mut db = self.reader().await?;
        let found = sqlx::query(
            "SELECT name, settled, attempts, error, (SELECT COUNT(*) FROM outbox WHERE outbox.event > sinks.settled) AS waiting
             FROM sinks ORDER BY name",
        )
        .fetch_all(&mut *db)
        .await
        .map_err(self.reading())?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(SinkState {
                name: row.try_get("name")?,
                settled: EventId::new(row.try_get("settled")?),
                waiting: u64::try_from(row.try_get::<i64, _>("waiting")?).unwrap_or(0),
                attempts: attempts(row)?,
                error: row.try_get("error")?,
            })
        };
        found.iter().map(read).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    async fn settle(&self, sink: &str, event: EventId, dead: Option<(String, Timestamp)>) -> Result<()> {
        let (inner, sink) = (self.inner.clone(), sink.to_owned());
        detached(async move {
            let mut writer = inner.writer().await?;
            let done = settle(&mut writer.db, &sink, event, dead).await;
            let done = match done {
                Ok(true) => Ok(()),
                Ok(false) => Err(Error::UnknownSink { name: sink }),
                Err(error) => Err(Error::database("write to", &inner.file, &error)),
            };
            writer.settle(&inner.published, done).await
        })
        .await
    }
}

/// Moves a sink past an event, in one transaction with the dead letter if there is one. Past it already: nothing. False
/// when there is no such sink.
async fn settle(
    db: &mut SqliteConnection,
    sink: &str,
    event: EventId,
    dead: Option<(String, Timestamp)>,
) -> std::result::Result<bool, sqlx::Error> {
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await?;
    let before = sqlx::query("SELECT settled, attempts FROM sinks WHERE name = $1").bind(sink).fetch_optional(&mut *tx).await?;
    let Some(before) = before else { return Ok(false) };
    if before.try_get::<i64, _>("settled")? >= event.get() {
        return Ok(true);
    }
    if let Some((error, at)) = dead {
        sqlx::query("INSERT INTO dead_letters (sink, event, at, attempts, error) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
            .bind(sink)
            .bind(event.get())
            .bind(at.as_millis())
            .bind(before.try_get::<i64, _>("attempts")?)
            .bind(error)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query("UPDATE sinks SET settled = $2, attempts = 0, error = NULL WHERE name = $1")
        .bind(sink)
        .bind(event.get())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

fn attempts(row: &sqlx::sqlite::SqliteRow) -> std::result::Result<u32, sqlx::Error> {
    Ok(u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX))
}
