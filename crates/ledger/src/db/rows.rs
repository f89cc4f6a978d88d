//! Rows: written and read here, and nowhere else.
//!
//! Functions return the driver's errors; callers say what they were doing and on which file.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row};
use towpath_domain::{CommitId, RunId, Timestamp};
use towpath_engine::{FactKey, Facts};

use crate::record::{EventId, Recorded, event_kind, event_run, subject_key};
use crate::run::{Run, RunState, Step, StepState, WorkKind, outcome_kind};

type Done = Result<(), sqlx::Error>;

/// The last event, and the hash that stands for it and all before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) event: EventId,
    pub(crate) chain: String,
}

/// The hash of an event's row. It finds accidents and slips; who can write the file could also reckon it anew.
pub(crate) fn chain(before: &str, id: EventId, cause: Option<EventId>, at: Timestamp, actor: &str, body: &str) -> String {
    let mut hash = Sha256::new();
    let cause = cause.map_or(0, EventId::get);
    // Lengths first, so that no two rows read as the same bytes.
    hash.update(format!("{before} {id} {cause} {} {} {}\n", at.as_millis(), actor.len(), body.len()));
    hash.update(actor);
    hash.update(body);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) async fn head(db: &mut SqliteConnection) -> Result<Head, sqlx::Error> {
    let row = sqlx::query("SELECT event, chain FROM head WHERE one = 1").fetch_one(db).await?;
    Ok(Head { event: EventId::new(row.try_get("event")?), chain: row.try_get("chain")? })
}

pub(crate) async fn set_head(db: &mut SqliteConnection, head: &Head) -> Done {
    sqlx::query("UPDATE head SET event = $1, chain = $2 WHERE one = 1").bind(head.event.get()).bind(&head.chain).execute(db).await?;
    Ok(())
}

/// Which version counted the facts, if any did.
pub(crate) async fn counted(db: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT version FROM counted WHERE one = 1").fetch_optional(db).await
}

/// Rows of one statement: far below what SQLite takes, and enough that the way to it no longer counts.
const ROWS: usize = 64;

/// Adds events after `head`, and moves `head` on to the last of them.
pub(crate) async fn insert_events(db: &mut SqliteConnection, head: &mut Head, all: &[Recorded], subjects: &[Option<String>]) -> Done {
    let rows: Vec<_> = all.iter().zip(subjects).collect();
    for some in rows.chunks(ROWS) {
        let mut written = Vec::with_capacity(some.len());
        for (recorded, subject) in some {
            let body = json(&recorded.event)?;
            let chain = chain(&head.chain, recorded.id, recorded.cause, recorded.at, &recorded.actor, &body);
            *head = Head { event: recorded.id, chain: chain.clone() };
            written.push((recorded, subject, body, chain));
        }
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO events (id, cause, at, actor, kind, subject, run, body, chain) ");
        insert.push_values(written, |mut row, (recorded, subject, body, chain)| {
            row.push_bind(recorded.id.get())
                .push_bind(recorded.cause.map(EventId::get))
                .push_bind(recorded.at.as_millis())
                .push_bind(&recorded.actor)
                .push_bind(event_kind(&recorded.event))
                .push_bind(subject.as_deref())
                .push_bind(event_run(&recorded.event).map(RunId::as_str))
                .push_bind(body)
                .push_bind(chain);
        });
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

pub(crate) fn event(row: &SqliteRow) -> Result<Recorded, sqlx::Error> {
    Ok(Recorded {
        id: EventId::new(row.try_get("id")?),
        cause: row.try_get::<Option<i64>, _>("cause")?.map(EventId::new),
        at: Timestamp::from_millis(row.try_get("at")?),
        actor: row.try_get("actor")?,
        event: parse(row, "body")?,
    })
}

pub(crate) async fn put_fact(db: &mut SqliteConnection, key: &FactKey, value: Option<&serde_json::Value>) -> Done {
    let key = json(key)?;
    match value {
        Some(value) => {
            sqlx::query("INSERT INTO facts (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
                .bind(key)
                .bind(json(value)?)
                .execute(db)
                .await?
        }
        None => sqlx::query("DELETE FROM facts WHERE key = $1").bind(key).execute(db).await?,
    };
    Ok(())
}

pub(crate) async fn facts(db: &mut SqliteConnection) -> Result<Vec<(FactKey, serde_json::Value)>, sqlx::Error> {
    let rows = sqlx::query("SELECT key, value FROM facts").fetch_all(db).await?;
    rows.iter().map(|row| Ok((parse(row, "key")?, parse(row, "value")?))).collect()
}

/// All facts, as the planner wants them.
pub(crate) async fn load_facts(db: &mut SqliteConnection) -> Result<Facts, sqlx::Error> {
    let mut all = Facts::default();
    for (key, value) in facts(db).await? {
        all.put(&key, value).map_err(|error| sqlx::Error::Decode(format!("fact {key:?}: {error}").into()))?;
    }
    Ok(all)
}

pub(crate) async fn run(db: &mut SqliteConnection, id: &RunId) -> Result<Option<Run>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM runs WHERE id = $1").bind(id.as_str()).fetch_optional(db).await?;
    row.as_ref().map(run_of).transpose()
}

pub(crate) fn run_of(row: &SqliteRow) -> Result<Run, sqlx::Error> {
    let moment = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis));
    let event = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(EventId::new));
    Ok(Run {
        spec: parse(row, "spec")?,
        state: match row.try_get::<String, _>("state")?.as_str() {
            "queued" => RunState::Queued,
            "running" => RunState::Running,
            _ => RunState::Finished,
        },
        queued: EventId::new(row.try_get("queued")?),
        queued_at: Timestamp::from_millis(row.try_get("queued_at")?),
        started: event("started")?,
        started_at: moment("started_at")?,
        finished: event("finished")?,
        finished_at: moment("finished_at")?,
        outcome: parse_some(row, "outcome")?,
        worker: row.try_get("worker")?,
        epoch: u64::try_from(row.try_get::<i64, _>("epoch")?).unwrap_or(0),
        cancel: row.try_get("cancel")?,
        lease_until: moment("lease_until")?,
    })
}

/// Writes all of runs that comes from events; their leases stay as they are.
pub(crate) async fn put_runs(db: &mut SqliteConnection, runs: &[&Run]) -> Done {
    for some in runs.chunks(ROWS) {
        let mut written = Vec::with_capacity(some.len());
        for run in some {
            written.push((run, json(&run.spec)?, run.outcome.as_ref().map(json).transpose()?));
        }
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO runs (id, kind, subject, state, spec, queued, queued_at, started, started_at, finished, finished_at, outcome, outcome_kind, worker, epoch, cancel) ",
        );
        insert.push_values(written, |mut row, (run, spec, outcome)| {
            row.push_bind(run.spec.id.as_str())
                .push_bind(WorkKind::of(&run.spec.work).as_str())
                .push_bind(subject_key(&run.subject()))
                .push_bind(run.state.as_str())
                .push_bind(spec)
                .push_bind(run.queued.get())
                .push_bind(run.queued_at.as_millis())
                .push_bind(run.started.map(EventId::get))
                .push_bind(run.started_at.as_ref().map(Timestamp::as_millis))
                .push_bind(run.finished.map(EventId::get))
                .push_bind(run.finished_at.as_ref().map(Timestamp::as_millis))
                .push_bind(outcome)
                .push_bind(run.outcome.as_ref().map(outcome_kind))
                .push_bind(&run.worker)
                .push_bind(i64::try_from(run.epoch).unwrap_or(i64::MAX))
                .push_bind(&run.cancel);
        });
        insert.push(
            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, started = excluded.started, started_at = excluded.started_at,
             finished = excluded.finished, finished_at = excluded.finished_at, outcome = excluded.outcome,
             outcome_kind = excluded.outcome_kind, worker = excluded.worker, epoch = excluded.epoch, cancel = excluded.cancel",
        );
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

pub(crate) async fn step(db: &mut SqliteConnection, run: &RunId, name: &str) -> Result<Option<Step>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM steps WHERE run = $1 AND name = $2").bind(run.as_str()).bind(name).fetch_optional(db).await?;
    row.as_ref().map(step_of).transpose()
}

pub(crate) fn step_of(row: &SqliteRow) -> Result<Step, sqlx::Error> {
    Ok(Step {
        name: row.try_get("name")?,
        first: EventId::new(row.try_get("first")?),
        state: if row.try_get::<String, _>("state")? == "done" { StepState::Done } else { StepState::Running },
        started_at: Timestamp::from_millis(row.try_get("started_at")?),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Timestamp::from_millis),
        output: parse_some(row, "output")?,
    })
}

/// A report of tests: its run, its step's first event, and what was found.
pub(crate) fn report(row: &SqliteRow) -> Result<(RunId, EventId, serde_json::Value), sqlx::Error> {
    let run: String = row.try_get("run")?;
    let run = RunId::new(run).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok((run, EventId::new(row.try_get("first")?), parse(row, "output")?))
}

/// Writes steps, each with its run.
pub(crate) async fn put_steps(db: &mut SqliteConnection, steps: &[(&RunId, &Step)]) -> Done {
    for some in steps.chunks(ROWS) {
        let mut written = Vec::with_capacity(some.len());
        for (run, step) in some {
            written.push((run, step, step.output.as_ref().map(json).transpose()?));
        }
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO steps (run, name, first, state, started_at, finished_at, output) ");
        insert.push_values(written, |mut row, (run, step, output)| {
            row.push_bind(run.as_str())
                .push_bind(&step.name)
                .push_bind(step.first.get())
                .push_bind(step.state.as_str())
                .push_bind(step.started_at.as_millis())
                .push_bind(step.finished_at.as_ref().map(Timestamp::as_millis))
                .push_bind(output);
        });
        insert.push(
            " ON CONFLICT (run, name) DO UPDATE SET state = excluded.state, started_at = excluded.started_at,
             finished_at = excluded.finished_at, output = excluded.output",
        );
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// Adds events that people want to hear of.
pub(crate) async fn put_outbox(db: &mut SqliteConnection, events: &[EventId]) -> Done {
    for some in events.chunks(ROWS) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO outbox (event) ");
        insert.push_values(some, |mut row, event| {
            row.push_bind(event.get());
        });
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// Adds which events are about which commits.
pub(crate) async fn put_commits(db: &mut SqliteConnection, commits: &[(CommitId, EventId)]) -> Done {
    for some in commits.chunks(ROWS) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO commits (commit_id, event) ");
        insert.push_values(some, |mut row, (commit, event)| {
            row.push_bind(commit.to_string()).push_bind(event.get());
        });
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn parse<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error> {
    parse_text(&row.try_get::<String, _>(column)?, column)
}

fn parse_some<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<Option<T>, sqlx::Error> {
    row.try_get::<Option<String>, _>(column)?.map(|text| parse_text(&text, column)).transpose()
}

fn parse_text<T: DeserializeOwned>(text: &str, column: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(format!("column {column}: {error}").into()))
}
