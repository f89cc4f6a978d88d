//! Verification: everything counted anew from the events, and compared with what is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use towpath_domain::RunId;
use towpath_engine::{FactKey, Facts};

use crate::db::rows::{self, Head};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::record::{EventId, Recorded, event_kind, event_run, own_subject, subject_key};
use crate::run::{Projection, Run, WorkKind, outcome_kind};

/// Events read at a time.
const BATCH: i64 = 1000;

/// What verification found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "an unread report says nothing"]
pub struct Report {
    /// Events that were replayed.
    pub events: u64,
    /// Facts that they add up to.
    pub facts: u64,
    /// Runs.
    pub runs: u64,
    /// Steps.
    pub steps: u64,
    /// All that does not add up.
    pub differences: Vec<Difference>,
}

impl Report {
    /// Everything adds up.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }
}

/// One thing that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "kebab-case")]
pub enum Difference {
    /// The database's own check of its pages, indexes and references.
    Database {
        /// What it says.
        message: String,
    },
    /// Events are missing.
    Gap {
        /// The number that should come next.
        expected: EventId,
        /// The number that does.
        found: EventId,
    },
    /// Events at the end are missing, or there are more than were recorded.
    End {
        /// The last that was recorded.
        recorded: EventId,
        /// The last that is there.
        found: EventId,
    },
    /// An event is not the one that was recorded, or one before it is not.
    Changed {
        /// The event.
        event: EventId,
    },
    /// An event cannot be read.
    Unreadable {
        /// The event.
        event: EventId,
        /// Why.
        why: String,
    },
    /// An event's cause is not an earlier event.
    Cause {
        /// The event.
        event: EventId,
        /// The cause.
        cause: EventId,
    },
    /// An event cannot have happened after those before it.
    Impossible {
        /// The event.
        event: EventId,
        /// Why.
        why: String,
    },
    /// A column that repeats a part of an event, for searching, says something else.
    Column {
        /// The event.
        event: EventId,
        /// The column.
        column: &'static str,
    },
    /// A row is not what the events add up to.
    Row {
        /// Of which kind: `fact`, `run`, `step`, `outbox` or `commit`.
        table: &'static str,
        /// Which.
        key: String,
        /// What is kept.
        kept: Option<String>,
        /// What the events add up to.
        counted: Option<String>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { message } => write!(f, "the database's own check says: {message}"),
            Self::Gap { expected, found } => write!(f, "event {expected} should come next, but event {found} does"),
            Self::End { recorded, found } => write!(f, "event {recorded} was recorded last, but the last one there is {found}"),
            Self::Changed { event } => write!(f, "event {event} is not as it was recorded, or the one before it is not"),
            Self::Unreadable { event, why } => write!(f, "event {event} cannot be read: {why}"),
            Self::Cause { event, cause } => write!(f, "event {event} names event {cause} as its cause, which is no earlier event"),
            Self::Impossible { event, why } => write!(f, "event {event} cannot follow those before it: {why}"),
            Self::Column { event, column } => write!(f, "column {column} of event {event} says something else than the event"),
            Self::Row { table, key, kept: Some(kept), counted: Some(counted) } => {
                write!(f, "{table} {key} is kept as {kept}, but the events add up to {counted}")
            }
            Self::Row { table, key, kept: None, .. } => write!(f, "{table} {key} is missing"),
            Self::Row { table, key, .. } => write!(f, "{table} {key} is there, but no event says so"),
        }
    }
}

/// What all events add up to.
#[derive(Default)]
pub(crate) struct Replay {
    pub(crate) facts: Facts,
    pub(crate) projection: Projection,
    pub(crate) events: u64,
}

impl Ledger {
    /// Replays all events from the first, and compares what they add up to with what is kept. Works on one snapshot
    /// while others go on writing; costs as much as the ledger is long.
    ///
    /// # Errors
    /// [`Error::Environment`](crate::Error::Environment) when the file cannot be read at all. What can be read and is
    /// wrong is in the report.
    pub async fn verify(&self) -> Result<Report> {
        let mut tx = self.inner.readers.begin().await.map_err(self.reading())?;
        let mut differences = Vec::new();
        check_database(&mut tx, &mut differences).await.map_err(self.reading())?;
        let replay = replay(&mut tx, &mut differences).await.map_err(self.reading())?;
        compare_facts(&mut tx, &replay.facts, &mut differences).await.map_err(self.reading())?;
        compare_runs(&mut tx, &replay.projection, &mut differences).await.map_err(self.reading())?;
        compare_steps(&mut tx, &replay.projection, &mut differences).await.map_err(self.reading())?;
        compare_outbox(&mut tx, &replay.projection, &mut differences).await.map_err(self.reading())?;
        compare_commits(&mut tx, &replay.projection, &mut differences).await.map_err(self.reading())?;
        let number = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Ok(Report {
            events: replay.events,
            facts: number(replay.facts.keys().len()),
            runs: number(replay.projection.runs.len()),
            steps: number(replay.projection.steps.len()),
            differences,
        })
    }
}

type Checked = std::result::Result<(), sqlx::Error>;

async fn check_database(db: &mut SqliteConnection, differences: &mut Vec<Difference>) -> Checked {
    for row in sqlx::query("PRAGMA integrity_check").fetch_all(&mut *db).await? {
        let message: String = row.try_get(0)?;
        if message != "ok" {
            differences.push(Difference::Database { message });
        }
    }
    for row in sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *db).await? {
        let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
        let message = format!("a row of {table} refers to a row of {parent} that is not there");
        differences.push(Difference::Database { message });
    }
    Ok(())
}

/// Replays all events; what is wrong with them is noted, and the rest replayed all the same.
pub(crate) async fn replay(db: &mut SqliteConnection, differences: &mut Vec<Difference>) -> std::result::Result<Replay, sqlx::Error> {
    let mut all = Replay::default();
    let mut head = Head { event: EventId::NONE, chain: String::new() };
    loop {
        let batch = sqlx::query("SELECT * FROM events WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(head.event.get())
            .bind(BATCH)
            .fetch_all(&mut *db)
            .await?;
        if batch.is_empty() {
            break;
        }
        for row in &batch {
            replay_one(row, &mut head, &mut all, differences)?;
        }
    }
    let kept = rows::head(db).await?;
    if kept.event != head.event {
        differences.push(Difference::End { recorded: kept.event, found: head.event });
    } else if kept.chain != head.chain {
        differences.push(Difference::Changed { event: head.event });
    }
    Ok(all)
}

fn replay_one(row: &SqliteRow, head: &mut Head, all: &mut Replay, differences: &mut Vec<Difference>) -> Checked {
    let id = EventId::new(row.try_get("id")?);
    if id != head.event.next() {
        differences.push(Difference::Gap { expected: head.event.next(), found: id });
    }
    let cause = row.try_get::<Option<i64>, _>("cause")?.map(EventId::new);
    if let Some(cause) = cause.filter(|cause| *cause >= id || *cause <= EventId::NONE) {
        differences.push(Difference::Cause { event: id, cause });
    }
    let at = towpath_domain::Timestamp::from_millis(row.try_get("at")?);
    let (actor, body, kept): (String, String, String) = (row.try_get("actor")?, row.try_get("body")?, row.try_get("chain")?);
    if rows::chain(&head.chain, id, cause, at, &actor, &body) != kept {
        differences.push(Difference::Changed { event: id });
    }
    // Goes on from the kept hash, so that one changed event is one difference.
    *head = Head { event: id, chain: kept };
    all.events += 1;
    match serde_json::from_str(&body) {
        Ok(event) => {
            let recorded = Recorded { id, cause, at, actor, event };
            all.facts.apply(recorded.at, &recorded.event);
            if let Err(error) = all.projection.apply(&recorded) {
                differences.push(Difference::Impossible { event: id, why: error.to_string() });
            }
            compare_columns(row, &recorded, &all.projection, differences)
        }
        Err(error) => {
            differences.push(Difference::Unreadable { event: id, why: error.to_string() });
            Ok(())
        }
    }
}

fn compare_columns(row: &SqliteRow, recorded: &Recorded, projection: &Projection, differences: &mut Vec<Difference>) -> Checked {
    let run = event_run(&recorded.event);
    let subject = own_subject(&recorded.event).or_else(|| run.and_then(|run| projection.runs.get(run)).map(Run::subject));
    let wanted = [
        ("kind", Some(event_kind(&recorded.event).to_owned())),
        ("run", run.map(|run| run.as_str().to_owned())),
        ("subject", subject.as_ref().map(subject_key)),
    ];
    for (column, wanted) in wanted {
        if row.try_get::<Option<String>, _>(column)? != wanted {
            differences.push(Difference::Column { event: recorded.id, column });
        }
    }
    Ok(())
}

async fn compare_facts(db: &mut SqliteConnection, facts: &Facts, differences: &mut Vec<Difference>) -> Checked {
    let mut counted = BTreeMap::new();
    for key in facts.keys() {
        if let Some(value) = facts.get(&key) {
            counted.insert(rows::json::<FactKey>(&key)?, value.to_string());
        }
    }
    let mut kept = BTreeMap::new();
    for row in sqlx::query("SELECT key, value FROM facts").fetch_all(db).await? {
        let value: String = row.try_get("value")?;
        // Read and written again: only what it says counts, not how it is spaced.
        let value = serde_json::from_str::<serde_json::Value>(&value).map_or(value, |value| value.to_string());
        kept.insert(row.try_get::<String, _>("key")?, value);
    }
    compare("fact", &kept, &counted, differences);
    Ok(())
}

async fn compare_runs(db: &mut SqliteConnection, projection: &Projection, differences: &mut Vec<Difference>) -> Checked {
    let mut counted = BTreeMap::new();
    for (id, run) in &projection.runs {
        counted.insert(id.as_str().to_owned(), run_text(run, &columns_of(run))?);
    }
    let mut kept = BTreeMap::new();
    for row in sqlx::query("SELECT * FROM runs").fetch_all(db).await? {
        let text = match rows::run_of(&row) {
            Ok(run) => {
                let columns = (row.try_get("kind")?, row.try_get("subject")?, row.try_get("outcome_kind")?);
                run_text(&Run { lease_until: None, ..run }, &columns)?
            }
            Err(error) => error.to_string(),
        };
        kept.insert(row.try_get::<String, _>("id")?, text);
    }
    compare("run", &kept, &counted, differences);
    Ok(())
}

type RunColumns = (String, String, Option<String>);

fn columns_of(run: &Run) -> RunColumns {
    (
        WorkKind::of(&run.spec.work).as_str().to_owned(),
        subject_key(&run.subject()),
        run.outcome.as_ref().map(|outcome| outcome_kind(outcome).to_owned()),
    )
}

fn run_text(run: &Run, columns: &RunColumns) -> std::result::Result<String, sqlx::Error> {
    Ok(format!("{} {}", rows::json(run)?, rows::json(columns)?))
}

async fn compare_steps(db: &mut SqliteConnection, projection: &Projection, differences: &mut Vec<Difference>) -> Checked {
    let name = |run: &str, step: &str| format!("{run}/{step}");
    let mut counted = BTreeMap::new();
    for ((run, step), row) in &projection.steps {
        counted.insert(name(RunId::as_str(run), step), rows::json(row)?);
    }
    let mut kept = BTreeMap::new();
    for row in sqlx::query("SELECT * FROM steps").fetch_all(db).await? {
        let text = rows::step_of(&row).and_then(|step| rows::json(&step)).unwrap_or_else(|error| error.to_string());
        kept.insert(name(&row.try_get::<String, _>("run")?, &row.try_get::<String, _>("name")?), text);
    }
    compare("step", &kept, &counted, differences);
    Ok(())
}

async fn compare_outbox(db: &mut SqliteConnection, projection: &Projection, differences: &mut Vec<Difference>) -> Checked {
    let entry = |event: i64| (format!("{event:020}"), String::new());
    let counted = projection.outbox.iter().map(|event| entry(event.get())).collect();
    let mut kept = BTreeMap::new();
    for row in sqlx::query("SELECT event FROM outbox").fetch_all(db).await? {
        kept.extend([entry(row.try_get("event")?)]);
    }
    compare("outbox", &kept, &counted, differences);
    Ok(())
}

async fn compare_commits(db: &mut SqliteConnection, projection: &Projection, differences: &mut Vec<Difference>) -> Checked {
    let entry = |commit: &str, event: i64| (format!("{commit} {event:020}"), String::new());
    let counted = projection.commits.iter().map(|(commit, event)| entry(&commit.to_string(), event.get())).collect();
    let mut kept = BTreeMap::new();
    for row in sqlx::query("SELECT commit_id, event FROM commits").fetch_all(db).await? {
        kept.extend([entry(row.try_get("commit_id")?, row.try_get("event")?)]);
    }
    compare("commit", &kept, &counted, differences);
    Ok(())
}

fn compare(table: &'static str, kept: &BTreeMap<String, String>, counted: &BTreeMap<String, String>, differences: &mut Vec<Difference>) {
    let keys: BTreeSet<&String> = kept.keys().chain(counted.keys()).collect();
    for key in keys {
        let (kept, counted) = (kept.get(key), counted.get(key));
        if kept != counted {
            differences.push(Difference::Row { table, key: key.clone(), kept: kept.cloned(), counted: counted.cloned() });
        }
    }
}
