//! What sinks keep of things that they tell of in more than one message: where the message of a release stands, and how
//! far it tells.
//!
//! Noted after each message, apart from the sink's position: a sink that tells one event in several places goes on after a
//! crash with those that do not have it yet.

use sqlx::Row;
use towpath_domain::{Span, Timestamp};

use crate::error::{Error, Result};
use crate::ledger::{Ledger, detached};
use crate::record::EventId;

/// Threads that nothing was told in for so long are forgotten: a release that moves again after that gets a new message.
const KEPT_FOR: Span = Span::from_secs(90 * 24 * 3600);

/// What a sink keeps of one thing that it tells of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thread {
    /// The last event that was told here, or given up.
    pub event: EventId,
    /// The sink's own words.
    pub state: String,
    /// Why the event was given up.
    pub error: Option<String>,
}

impl Ledger {
    /// What a sink keeps under `key`.
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`].
    pub async fn thread(&self, sink: &str, key: &str) -> Result<Option<Thread>> {
        let mut db = self.reader().await?;
        let row = sqlx::query("SELECT event, state, error FROM threads WHERE sink = $1 AND key = $2")
            .bind(sink)
            .bind(key)
            .fetch_optional(&mut *db)
            .await
            .map_err(self.reading())?;
        row.map(|row| Ok(Thread { event: EventId::new(row.try_get("event")?), state: row.try_get("state")?, error: row.try_get("error")? }))
            .transpose()
            .map_err(self.reading())
    }

    /// All that a sink keeps under keys that begin with `prefix`, by key.
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`].
    pub async fn threads(&self, sink: &str, prefix: &str) -> Result<Vec<(String, Thread)>> {
        let mut db = self.reader().await?;
        let found =
            sqlx::query("SELECT key, event, state, error FROM threads WHERE sink = $1 AND substr(key, 1, length($2)) = $2 ORDER BY key")
                .bind(sink)
                .bind(prefix)
                .fetch_all(&mut *db)
                .await
                .map_err(self.reading())?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let thread = Thread { event: EventId::new(row.try_get("event")?), state: row.try_get("state")?, error: row.try_get("error")? };
            Ok((row.try_get("key")?, thread))
        };
        found.iter().map(read).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    /// Notes what a sink keeps under `key`, and forgets what it has not touched for ninety days.
    ///
    /// # Errors
    /// [`Error::UnknownSink`], [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn note_thread(&self, sink: &str, key: &str, thread: &Thread, at: Timestamp) -> Result<()> {
        let (inner, sink, key, thread) = (self.inner.clone(), sink.to_owned(), key.to_owned(), thread.clone());
        detached(async move {
            let failed = |error: sqlx::Error| Error::database("write to", &inner.file, &error);
            let mut writer = inner.writer().await?;
            let known = sqlx::query("SELECT name FROM sinks WHERE name = $1").bind(&sink).fetch_optional(&mut writer.db).await;
            known.map_err(failed)?.ok_or_else(|| Error::UnknownSink { name: sink.clone() })?;
            let done = sqlx::query(
                "INSERT INTO threads (sink, key, event, state, error, at) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (sink, key) DO UPDATE SET event = excluded.event, state = excluded.state, error = excluded.error, at = excluded.at",
            )
            .bind(&sink)
            .bind(key)
            .bind(thread.event.get())
            .bind(thread.state)
            .bind(thread.error)
            .bind(at.as_millis())
            .execute(&mut writer.db)
            .await;
            let done = done.map(|_| ()).map_err(failed);
            writer.settle(&inner.published, done).await?;
            let oldest = at.as_millis().saturating_sub(i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX));
            let done = sqlx::query("DELETE FROM threads WHERE sink = $1 AND at < $2").bind(sink).bind(oldest).execute(&mut writer.db).await;
            let done = done.map(|_| ()).map_err(failed);
            writer.settle(&inner.published, done).await
        })
        .await
    }

    /// Forgets what a sink keeps under `key`.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn forget_thread(&self, sink: &str, key: &str) -> Result<()> {
        let (inner, sink, key) = (self.inner.clone(), sink.to_owned(), key.to_owned());
        detached(async move {
            let mut writer = inner.writer().await?;
            let done = sqlx::query("DELETE FROM threads WHERE sink = $1 AND key = $2").bind(sink).bind(key).execute(&mut writer.db).await;
            let done = done.map(|_| ()).map_err(|error| Error::database("write to", &inner.file, &error));
            writer.settle(&inner.published, done).await
        })
        .await
    }
}
