//! The one place where something is recorded: each request is one transaction, and memory follows only what was
//! committed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use towpath_domain::{RunId, Timestamp};
use towpath_engine::{Event, Facts, Outcome};

use crate::db::rows::{self, Head};
use crate::error::{Error, Result};
use crate::ledger::Published;
use crate::record::{EventId, Recorded, event_run, own_subject, subject_key};
use crate::run::{Projection, Run, RunState, WorkKind};

/// What is asked to be recorded.
pub(crate) enum Request {
    /// Events from anywhere.
    Append { cause: Option<EventId>, actor: String, at: Timestamp, events: Vec<Event> },
    /// Events of a run, from the worker that holds it.
    Run { run: RunId, epoch: u64, at: Timestamp, events: Vec<Event> },
    /// The end of a run that nobody has taken up.
    Withdraw { run: RunId, cause: Option<EventId>, actor: String, at: Timestamp, outcome: Outcome },
    /// A worker takes up a run.
    Claim { worker: String, kinds: Vec<WorkKind>, until: Timestamp, now: Timestamp },
}

/// What was recorded, with the run as it was when it was claimed.
pub(crate) struct Receipt {
    pub(crate) recorded: Vec<Recorded>,
    pub(crate) claimed: Option<Run>,
}

/// A request after it was held against the tables.
struct Batch {
    cause: Option<EventId>,
    actor: String,
    at: Timestamp,
    events: Vec<Event>,
    claim: Option<(Run, Timestamp)>,
}

/// The connection that writes, and a second copy of the facts that it works on.
///
/// Two copies, because events are applied before the commit (the changed rows are part of the transaction) and must
/// not show before it. After a commit the copies change places and the other one catches up; readers wait for
/// neither the disk nor the applying.
pub(crate) struct Writer {
    file: PathBuf,
    pub(crate) db: SqliteConnection,
    facts: Facts,
    head: Head,
    /// `facts` and `head` are what the database holds. Not so after an error in mid-air: then they are read again.
    clean: bool,
}

impl Writer {
    pub(crate) fn new(file: PathBuf, db: SqliteConnection, facts: Facts, head: Head) -> Self {
        Self { file, db, facts, head, clean: true }
    }

    pub(crate) async fn record(&mut self, published: &Published, request: Request) -> Result<Receipt> {
        if !self.clean {
            self.reload(published).await?;
        }
        match self.transact(request).await {
            Ok(receipt) => {
                self.publish(published, &receipt.recorded);
                Ok(receipt)
            }
            Err(error) => {
                if !self.clean
                    && let Err(again) = self.reload(published).await
                {
                    tracing::warn!(error = %again, "The ledger's facts could not be read again after a failed write; the next write tries first.");
                }
                Err(error)
            }
        }
    }

    async fn transact(&mut self, request: Request) -> Result<Receipt> {
        let Self { file, db, facts, head, clean } = self;
        let failed = |error: sqlx::Error| Error::database("write to", file, &error);
        let mut tx = db.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let Some(batch) = resolve(&mut tx, head, request, &failed).await? else {
            return Ok(Receipt { recorded: Vec::new(), claimed: None });
        };
        let mut new_head = head.clone();
        let recorded = stage(&mut tx, &mut new_head, &batch, &failed).await?;
        let claimed = match batch.claim {
            Some((before, until)) => {
                set_lease(&mut tx, &before.spec.id, until).await.map_err(failed)?;
                rows::run(&mut tx, &before.spec.id).await.map_err(failed)?
            }
            None => None,
        };
        *clean = false;
        let touched: BTreeSet<_> = recorded.iter().flat_map(|recorded| facts.apply(recorded.at, &recorded.event)).collect();
        for key in &touched {
            rows::put_fact(&mut tx, key, facts.get(key).as_ref()).await.map_err(failed)?;
        }
        rows::set_head(&mut tx, &new_head).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        *head = new_head;
        Ok(Receipt { recorded, claimed })
    }

    fn publish(&mut self, published: &Published, recorded: &[Recorded]) {
        if recorded.is_empty() {
            return;
        }
        published.swap(&mut self.facts);
        for recorded in recorded {
            self.facts.apply(recorded.at, &recorded.event);
        }
        self.clean = true;
        published.announce(self.head.event);
    }

    /// Takes over what the database holds: after a failed commit nobody else can tell whether it took place.
    pub(crate) async fn reload(&mut self, published: &Published) -> Result<()> {
        let failed = |error: sqlx::Error| Error::database("read", &self.file, &error);
        let mut tx = self.db.begin().await.map_err(failed)?;
        let head = rows::head(&mut tx).await.map_err(failed)?;
        let facts = rows::load_facts(&mut tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        published.replace(facts.clone());
        published.announce(head.event);
        self.facts = facts;
        self.head = head;
        self.clean = true;
        Ok(())
    }
}

/// Holds a request against the tables: is the worker still the one, is the run still in the queue? `None` when there
/// is nothing to record.
async fn resolve(
    db: &mut SqliteConnection,
    head: &Head,
    request: Request,
    failed: &impl Fn(sqlx::Error) -> Error,
) -> Result<Option<Batch>> {
    let batch = match request {
        Request::Append { cause, actor, at, events } => Batch { cause, actor, at, events, claim: None },
        Request::Run { run, epoch, at, events } => {
            let row = held(db, &run, epoch, failed).await?;
            Batch { cause: row.started, actor: row.worker.unwrap_or_default(), at, events, claim: None }
        }
        Request::Withdraw { run, cause, actor, at, outcome } => {
            let row = rows::run(db, &run).await.map_err(failed)?.ok_or_else(|| Error::UnknownRun { run: run.clone() })?;
            if row.state != RunState::Queued {
                return Err(Error::NotQueued { run });
            }
            Batch { cause, actor, at, events: vec![Event::RunFinished { run, outcome }], claim: None }
        }
        Request::Claim { worker, kinds, until, now } => {
            let Some(row) = claimable(db, &kinds, now).await.map_err(failed)? else { return Ok(None) };
            let events = vec![Event::RunStarted { run: row.spec.id.clone() }];
            Batch { cause: Some(row.queued), actor: worker, at: now, events, claim: Some((row, until)) }
        }
    };
    if let Some(id) = batch.cause.filter(|cause| *cause > head.event || *cause <= EventId::NONE) {
        return Err(Error::UnknownEvent { id });
    }
    Ok((!batch.events.is_empty()).then_some(batch))
}

/// The run, if `epoch` still holds it.
pub(crate) async fn held(db: &mut SqliteConnection, run: &RunId, epoch: u64, failed: &impl Fn(sqlx::Error) -> Error) -> Result<Run> {
    let row = rows::run(db, run).await.map_err(failed)?.ok_or_else(|| Error::UnknownRun { run: run.clone() })?;
    if let Some(event) = row.finished {
        return Err(Error::RunOver { run: run.clone(), event });
    }
    if row.state != RunState::Running || row.epoch != epoch {
        return Err(Error::Fenced { run: run.clone(), epoch, current: row.epoch });
    }
    Ok(row)
}

/// The oldest run that is in the queue, or whose worker has not been heard of for too long.
async fn claimable(db: &mut SqliteConnection, kinds: &[WorkKind], now: Timestamp) -> std::result::Result<Option<Run>, sqlx::Error> {
    let wanted = |kind: WorkKind| kinds.contains(&kind).then(|| kind.as_str());
    let row = sqlx::query(
        "SELECT * FROM runs
         WHERE (state = 'queued' OR (state = 'running' AND (lease_until IS NULL OR lease_until <= $1))) AND kind IN ($2, $3, $4, $5)
         ORDER BY queued LIMIT 1",
    )
    .bind(now.as_millis())
    .bind(wanted(WorkKind::Build))
    .bind(wanted(WorkKind::Deploy))
    .bind(wanted(WorkKind::Delete))
    .bind(wanted(WorkKind::Change))
    .fetch_optional(db)
    .await?;
    row.as_ref().map(rows::run_of).transpose()
}

async fn set_lease(db: &mut SqliteConnection, run: &RunId, until: Timestamp) -> std::result::Result<(), sqlx::Error> {
    sqlx::query("UPDATE runs SET lease_until = $2 WHERE id = $1").bind(run.as_str()).bind(until.as_millis()).execute(db).await?;
    Ok(())
}

/// Writes the events with their runs, steps and outbox rows. All refusals come from here or before.
async fn stage(db: &mut SqliteConnection, head: &mut Head, batch: &Batch, failed: &impl Fn(sqlx::Error) -> Error) -> Result<Vec<Recorded>> {
    let mut projection = load(db, &batch.events).await.map_err(failed)?;
    let mut all = Vec::with_capacity(batch.events.len());
    for event in &batch.events {
        let recorded =
            Recorded { id: head.event.next(), cause: batch.cause, at: batch.at, actor: batch.actor.clone(), event: event.clone() };
        projection.apply(&recorded)?;
        let subject = own_subject(event)
            .or_else(|| event_run(event).and_then(|run| projection.runs.get(run)).map(Run::subject))
            .map(|subject| subject_key(&subject));
        rows::insert_event(db, head, &recorded, subject.as_deref()).await.map_err(failed)?;
        all.push(recorded);
    }
    for run in projection.runs.values() {
        rows::put_run(db, run).await.map_err(failed)?;
    }
    for ((run, _), step) in &projection.steps {
        rows::put_step(db, run, step).await.map_err(failed)?;
    }
    for event in &projection.outbox {
        sqlx::query("INSERT INTO outbox (event) VALUES ($1)").bind(event.get()).execute(&mut *db).await.map_err(failed)?;
    }
    Ok(all)
}

/// The rows that these events speak of, as they are.
async fn load(db: &mut SqliteConnection, events: &[Event]) -> std::result::Result<Projection, sqlx::Error> {
    let mut projection = Projection::default();
    for event in events {
        let Some(id) = event_run(event) else { continue };
        if !projection.runs.contains_key(id)
            && let Some(run) = rows::run(db, id).await?
        {
            projection.runs.insert(id.clone(), run);
        }
        if let Event::StepStarted { run, step } | Event::StepDone { run, step, .. } = event
            && let Some(row) = rows::step(db, run, step).await?
        {
            projection.steps.insert((run.clone(), step.clone()), row);
        }
    }
    Ok(projection)
}
