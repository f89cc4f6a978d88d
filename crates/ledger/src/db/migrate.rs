//! The tables' format, brought up to date when a ledger is opened for writing.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use crate::error::{Error, Result};

/// One step from a format to the next. Released ones never change.
struct Migration {
    version: i64,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../../migrations/sqlite/0001_events_facts_runs_outbox.sql") },
    Migration { version: 2, sql: include_str!("../../migrations/sqlite/0002_threads.sql") },
    Migration { version: 3, sql: include_str!("../../migrations/sqlite/0003_ended.sql") },
    Migration { version: 5, sql: include_str!("../../migrations/sqlite/0005_once.sql") },
    Migration { version: 6, sql: include_str!("../../migrations/sqlite/0006_commits.sql") },
    Migration { version: 7, sql: include_str!("../../migrations/sqlite/0007_access.sql") },
    Migration { version: 8, sql: include_str!("../../migrations/sqlite/0008_tested.sql") },
];

/// The newest format known here.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Brings the tables to the newest format. Each step is one transaction, so a process that dies in between goes on
/// from where it was.
pub(crate) async fn run(connection: &mut SqliteConnection, file: &Path) -> Result<()> {
    let found = check(connection, file).await?;
    let failed = |error: sqlx::Error| Error::database("bring up to date", file, &error);
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS ledger_format (version INTEGER PRIMARY KEY) STRICT")
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        sqlx::raw_sql(migration.sql).execute(&mut *tx).await.map_err(failed)?;
        sqlx::query("INSERT INTO ledger_format (version) VALUES ($1)").bind(migration.version).execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        tracing::info!(version = migration.version, path = %file.display(), "The ledger's format was brought up to date.");
    }
    Ok(())
}

/// The format found; 0 for an empty file.
///
/// # Errors
/// [`Error::TooNew`], [`Error::NotALedger`].
pub(crate) async fn check(connection: &mut SqliteConnection, file: &Path) -> Result<i64> {
    let failed = |error: sqlx::Error| Error::database("read", file, &error);
    let tables = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    if tables.is_empty() {
        return Ok(0);
    }
    let mut ours = false;
    for table in &tables {
        ours |= table.try_get::<String, _>("name").map_err(failed)? == "ledger_format";
    }
    if !ours {
        return Err(Error::NotALedger { path: file.to_path_buf() });
    }
    let found: i64 =
        sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM ledger_format").fetch_one(&mut *connection).await.map_err(failed)?;
    if found > newest() {
        return Err(Error::TooNew { path: file.to_path_buf(), found, known: newest() });
    }
    Ok(found)
}
