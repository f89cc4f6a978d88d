//! The one place where something is recorded: each request is one transaction, and memory follows only what was
//! committed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use towpath_domain::{RunId, Timestamp};
use towpath_engine::{Event, Facts, Outcome};

use crate::db;
use crate::db::rows::{self, Head};
use crate::error::{Error, Result};
use crate::ledger::Published;
use crate::record::{EventId, Recorded, event_run, own_subject, subject_key};
use crate::run::{Projection, Run, RunState, WorkKind};

/// An event with its own cause, actor and moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The event that caused it: an earlier one, of the same batch or of a former one.
    pub cause: Option<EventId>,
    /// Who or what recorded it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What is asked to be recorded.
pub(crate) enum Request {
    /// Events that each have a cause, an actor and a moment of their own.
    #[cfg(feature = "bulk")]
    Each { entries: Vec<Entry> },
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
    entries: Vec<Entry>,
    claim: Option<(Run, Timestamp)>,
}

impl Batch {
    /// Events that share cause, actor and moment.
    fn shared(cause: Option<EventId>, actor: &str, at: Timestamp, events: Vec<Event>) -> Self {
        let entry = |event| Entry { cause, actor: actor.to_owned(), at, event };
        Self { entries: events.into_iter().map(entry).collect(), claim: None }
    }
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
    /// The connection is sound, and `facts` and `head` are what the database holds. Not so after an error in mid-air.
    clean: bool,
}

impl Writer {
    pub(crate) fn new(file: PathBuf, db: SqliteConnection, facts: Facts, head: Head) -> Self {
        Self { file, db, facts, head, clean: true }
    }

    pub(crate) async fn record(&mut self, published: &Published, request: Request) -> Result<Receipt> {
        let result = self.transact(request).await;
        if let Ok(receipt) = &result {
            self.publish(published, &receipt.recorded);
        }
        self.settle(published, result).await
    }

    /// Makes good what a failed write may have left behind; to be called with the result of each one.
    pub(crate) async fn settle<T>(&mut self, published: &Published, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.clean &= error.is_refusal();
            if let Err(again) = self.ready(published).await {
                tracing::warn!(error = %again, "The ledger could not be read again after a failed write; the next use tries first.");
            }
        }
        result
    }

    /// To be called before each use.
    pub(crate) async fn ready(&mut self, published: &Published) -> Result<()> {
        if self.clean { Ok(()) } else { self.reload(published).await }
    }

    async fn transact(&mut self, request: Request) -> Result<Receipt> {
        let Self { file, db, facts, head, clean } = self;
        let failed = |error: sqlx::Error| Error::database("write to", file, &error);
        let mut tx = db.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let Some(batch) = resolve(&mut tx, head, request, &failed).await? else {
            return Ok(Receipt { recorded: Vec::new(), claimed: None });
        };
        let mut new_head = head.clone();
        let Batch { entries, claim } = batch;
        let recorded = stage(&mut tx, &mut new_head, entries, &failed).await?;
        let claimed = match claim {
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
            let keys = self.facts.apply(recorded.at, &recorded.event);
            published.note(recorded.id, keys);
        }
        self.clean = true;
        published.announce(self.head.event);
    }

    /// Takes over what the database holds, by a new connection: after a failed commit nobody else can tell whether it took
    /// place; and SQLite ends a transaction by itself when the disk is full, of which the driver learns nothing, so that it
    /// would take the next one for a nested one.
    pub(crate) async fn reload(&mut self, published: &Published) -> Result<()> {
        self.clean = false;
        let broken = std::mem::replace(&mut self.db, db::writer(&self.file).await?);
        if let Err(error) = broken.close().await {
            tracing::debug!(%error, "A connection was given up.");
        }
        let failed = |error: sqlx::Error| Error::database("read", &self.file, &error);
        let mut tx = self.db.begin().await.map_err(failed)?;
        let head = rows::head(&mut tx).await.map_err(failed)?;
        let facts = rows::load_facts(&mut tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        published.replace(facts.clone());
        published.forget_touched(head.event);
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
        #[cfg(feature = "bulk")]
        Request::Each { entries } => {
            let mut before = head.event;
            for entry in &entries {
                known(entry.cause, before)?;
                before = before.next();
            }
            Batch { entries, claim: None }
        }
        Request::Append { cause, actor, at, events } => Batch::shared(cause, &actor, at, events),
        Request::Run { run, epoch, at, events } => {
            let row = held(db, &run, epoch, failed).await?;
            Batch::shared(row.started, &row.worker.unwrap_or_default(), at, events)
        }
        Request::Withdraw { run, cause, actor, at, outcome } => {
            let row = rows::run(db, &run).await.map_err(failed)?.ok_or_else(|| Error::UnknownRun { run: run.clone() })?;
            if row.state != RunState::Queued {
                return Err(Error::NotQueued { run });
            }
            Batch::shared(cause, &actor, at, vec![Event::RunFinished { run, outcome }])
        }
        Request::Claim { worker, kinds, until, now } => {
            let Some(row) = claimable(db, &kinds, now).await.map_err(failed)? else { return Ok(None) };
            let events = vec![Event::RunStarted { run: row.spec.id.clone() }];
            Batch { claim: Some((row.clone(), until)), ..Batch::shared(Some(row.queued), &worker, now, events) }
        }
    };
    known(batch.entries.first().and_then(|entry| entry.cause), head.event)?;
    Ok((!batch.entries.is_empty()).then_some(batch))
}

/// Refuses a cause that is not among the events up to `last`.
fn known(cause: Option<EventId>, last: EventId) -> Result<()> {
    cause.filter(|cause| *cause > last || *cause <= EventId::NONE).map_or(Ok(()), |id| Err(Error::UnknownEvent { id }))
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
         WHERE (state = 'queued' OR (state = 'running' AND (lease_until IS NULL OR lease_until <= $1))) AND kind IN ($2, $3, $4, $5, $6)
         ORDER BY queued LIMIT 1",
    )
    .bind(now.as_millis())
    .bind(wanted(WorkKind::Build))
    .bind(wanted(WorkKind::Deploy))
    .bind(wanted(WorkKind::Delete))
    .bind(wanted(WorkKind::Change))
    .bind(wanted(WorkKind::Check))
    .fetch_optional(db)
    .await?;
    row.as_ref().map(rows::run_of).transpose()
}

async fn set_lease(db: &mut SqliteConnection, run: &RunId, until: Timestamp) -> std::result::Result<(), sqlx::Error> {
    sqlx::query("UPDATE runs SET lease_until = $2 WHERE id = $1").bind(run.as_str()).bind(until.as_millis()).execute(db).await?;
    Ok(())
}

/// Writes the events with their runs, steps and outbox rows. All refusals come from here or before.
async fn stage(
    db: &mut SqliteConnection,
    head: &mut Head,
    entries: Vec<Entry>,
    failed: &impl Fn(sqlx::Error) -> Error,
) -> Result<Vec<Recorded>> {
    let mut projection = load(db, &entries).await.map_err(failed)?;
    let mut all = Vec::with_capacity(entries.len());
    let mut subjects = Vec::with_capacity(entries.len());
    let mut id = head.event;
    for Entry { cause, actor, at, event } in entries {
        id = id.next();
        let recorded = Recorded { id, cause, at, actor, event };
        projection.apply(&recorded)?;
        let subject = own_subject(&recorded.event)
            .or_else(|| event_run(&recorded.event).and_then(|run| projection.runs.get(run)).map(Run::subject))
            .map(|subject| subject_key(&subject));
        subjects.push(subject);
        all.push(recorded);
    }
    rows::insert_events(db, head, &all, &subjects).await.map_err(failed)?;
    rows::put_runs(db, &projection.runs.values().collect::<Vec<_>>()).await.map_err(failed)?;
    let steps: Vec<_> = projection.steps.iter().map(|((run, _), step)| (run, step)).collect();
    rows::put_steps(db, &steps).await.map_err(failed)?;
    rows::put_outbox(db, &projection.outbox.iter().copied().collect::<Vec<_>>()).await.map_err(failed)?;
    rows::put_commits(db, &projection.commits.iter().copied().collect::<Vec<_>>()).await.map_err(failed)?;
    Ok(all)
}

/// The rows that these events speak of, as they are. Each is looked for once, and steps only of runs that were there before.
async fn load(db: &mut SqliteConnection, entries: &[Entry]) -> std::result::Result<Projection, sqlx::Error> {
    let mut projection = Projection::default();
    let mut looked = BTreeSet::new();
    for Entry { event, .. } in entries {
        let Some(id) = event_run(event) else { continue };
        if looked.insert(id)
            && let Some(run) = rows::run(db, id).await?
        {
            projection.runs.insert(id.clone(), run);
        }
        if let Event::StepStarted { run, step } | Event::StepDone { run, step, .. } = event
            && projection.runs.contains_key(id)
            && let Some(row) = rows::step(db, run, step).await?
        {
            projection.steps.insert((run.clone(), step.clone()), row);
        }
    }
    Ok(projection)
}

#[cfg(test)]
mod tests {
    use towpath_domain::FailureClass;

    use super::*;
    use crate::Ledger;

    fn seen(number: u32) -> Event {
        Event::ConfigSeen { commit: format!("{number:040x}").parse().unwrap(), errors: 0 }
    }

    fn step(number: u32, bytes: usize) -> Event {
        Event::BranchUnreachable {
            url: towpath_domain::RepoUrl::new("https://git.example.com/api").unwrap(),
            branch: towpath_domain::BranchName::new(format!("b{number}")).unwrap(),
            error: "x".repeat(bytes),
        }
    }

    async fn limit_pages(ledger: &Ledger, pages: &'static str) {
        let mut writer = ledger.inner.writer().await.unwrap();
        sqlx::raw_sql(pages).execute(&mut writer.db).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_changes_neither_memory_nor_file_and_is_the_environments_fault() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path()).await.unwrap();
        let now = Timestamp::from_millis(1);
        ledger.append(None, "c", now, vec![seen(1)]).await.unwrap();
        let before = ledger.facts().clone();
        limit_pages(&ledger, "PRAGMA max_page_count = 1").await;

        let full = ledger.append(None, "c", now, vec![seen(2), step(1, 100_000)]).await.unwrap_err();

        assert!(matches!(&full, Error::Environment { path, .. } if path == ledger.file()), "{full}");
        assert!(full.to_string().contains("full"), "{full}");
        assert_eq!(full.class(), FailureClass::Environment);
        assert_eq!((ledger.facts().clone(), ledger.latest()), (before, EventId::new(1)));
        let recorded = ledger.append(None, "c", now, vec![seen(3)]).await.unwrap();
        assert_eq!(recorded.first().map(|recorded| recorded.id), Some(EventId::new(2)));
        assert_eq!(ledger.facts().config, Some(format!("{:040x}", 3).parse().unwrap()));
        assert!(ledger.verify().await.unwrap().is_clean());
    }

    #[tokio::test]
    async fn a_commit_of_which_nobody_can_tell_is_settled_by_what_the_file_holds() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path()).await.unwrap();
        let now = Timestamp::from_millis(1);
        ledger.append(None, "c", now, vec![seen(1)]).await.unwrap();
        {
            // As if the commit of event 2 had reached the disk, and its answer had not reached us.
            let mut writer = ledger.inner.writer().await.unwrap();
            writer.transact(Request::Append { cause: None, actor: "c".into(), at: now, events: vec![seen(2)] }).await.unwrap();
            assert!(!writer.clean);
        }
        assert_eq!(ledger.latest(), EventId::new(1));
        let next = ledger.append(None, "c", now, vec![step(1, 10)]).await.unwrap();
        assert_eq!(next.first().map(|recorded| recorded.id), Some(EventId::new(3)));
        assert_eq!(ledger.facts().config, Some(format!("{:040x}", 2).parse().unwrap()));
        assert!(ledger.verify().await.unwrap().is_clean());
    }
}
