//! Requests that are to be done once: what came of each is remembered by the key that its sender gave it.
//!
//! A key is taken before anything is done, and its answer is added after. Whoever dies in between leaves a key without an answer: then nobody can
//! say whether it was done, and it is not done again.

use towpath_domain::{Span, Timestamp};

use crate::error::{Error, Result};
use crate::ledger::{Ledger, detached};

/// How long a key is remembered: longer than any program tries again.
const REMEMBERED: Span = Span::from_secs(24 * 3600);

/// How many keys are remembered; beyond it, the oldest are forgotten.
const KEYS_MAX: i64 = 100_000;

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: its key is taken now.
    New,
    /// Another request took the key.
    Other,
    /// It was begun, and nobody said how it ended.
    Unended,
    /// It came to this answer.
    Done(String),
}

impl Ledger {
    /// Takes `key` for a request, or says what is known of it. `request` tells it from others; `now` forgets what is older than a day.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn begin_once(&self, key: &str, request: &str, now: Timestamp) -> Result<Begun> {
        let (inner, key, request) = (self.inner.clone(), key.to_owned(), request.to_owned());
        let oldest = now.as_millis().saturating_sub(i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX));
        detached(async move {
            let mut writer = inner.writer().await?;
            let failed = |error: sqlx::Error| Error::database("write to", &inner.file, &error);
            let db = &mut writer.db;
            sqlx::query("DELETE FROM once WHERE begun < $1").bind(oldest).execute(&mut *db).await.map_err(failed)?;
            let taken = sqlx::query("INSERT INTO once (key, request, begun) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING")
                .bind(&key)
                .bind(&request)
                .bind(now.as_millis())
                .execute(&mut *db)
                .await
                .map_err(failed)?;
            if taken.rows_affected() > 0 {
                sqlx::query("DELETE FROM once WHERE rowid <= (SELECT MAX(rowid) FROM once) - $1")
                    .bind(KEYS_MAX)
                    .execute(&mut *db)
                    .await
                    .map_err(failed)?;
                return Ok(Begun::New);
            }
            let (known, answer): (String, Option<String>) =
                sqlx::query_as("SELECT request, answer FROM once WHERE key = $1").bind(&key).fetch_one(&mut *db).await.map_err(failed)?;
            Ok(match answer {
                _ if known != request => Begun::Other,
                Some(answer) => Begun::Done(answer),
                None => Begun::Unended,
            })
        })
        .await
    }

    /// Remembers what the request with `key` came to; with none, nothing was done, and the key is free again.
    ///
    /// # Errors
    /// As [`Self::begin_once`].
    pub async fn end_once(&self, key: &str, answer: Option<&str>) -> Result<()> {
        let (inner, key, answer) = (self.inner.clone(), key.to_owned(), answer.map(str::to_owned));
        detached(async move {
            let mut writer = inner.writer().await?;
            let ended = match answer {
                Some(answer) => {
                    sqlx::query("UPDATE once SET answer = $2 WHERE key = $1").bind(key).bind(answer).execute(&mut writer.db).await
                }
                None => sqlx::query("DELETE FROM once WHERE key = $1 AND answer IS NULL").bind(key).execute(&mut writer.db).await,
            };
            ended.map(|_| ()).map_err(|error| Error::database("write to", &inner.file, &error))
        })
        .await
    }
}
