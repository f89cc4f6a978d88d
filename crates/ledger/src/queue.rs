//! The queue of runs: taken up by one worker at a time, and never lost with one.
//!
//! A worker holds a run by a lease, which it prolongs while it lives, and by an epoch, which grows each time the run is
//! taken up. The lease only decides when another worker may come; the epoch decides whose writes count. A worker that
//! slept through its lease finds itself fenced at its next write, whatever its clock says.

use sqlx::Row;
use towpath_domain::{RunId, Span, Timestamp};
use towpath_engine::{Event, Outcome, RunSpec};

use crate::error::{Error, Result};
use crate::ledger::{Ledger, detached};
use crate::record::{EventId, Recorded};
use crate::run::WorkKind;
use crate::writer::{Request, held};

/// A run that a worker has taken up.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// What is to be done.
    pub spec: RunSpec,
    /// The number to show with each write. It grows each time the run is taken up.
    pub epoch: u64,
    /// Another worker had it before and did not finish: see which steps are done.
    pub resumed: bool,
    /// The event by which it was taken up; the cause of all that the worker records.
    pub started: EventId,
    /// Until when the lease lasts without a heartbeat.
    pub lease_until: Timestamp,
    /// Who wants it stopped, when somebody does already.
    pub cancel: Option<String>,
}

impl Ledger {
    /// Takes up the oldest run of these kinds that is in the queue or whose lease ran out, and records that it started,
    /// in one transaction. `None` when there is none; [`Ledger::subscribe`] tells when to look again.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn claim(&self, worker: &str, kinds: &[WorkKind], lease: Span, now: Timestamp) -> Result<Option<Claimed>> {
        let until = now.plus(lease);
        let receipt = self.record(Request::Claim { worker: worker.to_owned(), kinds: kinds.to_vec(), until, now }).await?;
        let (Some(run), Some(started)) = (receipt.claimed, receipt.recorded.first()) else { return Ok(None) };
        Ok(Some(Claimed {
            epoch: run.epoch,
            resumed: run.epoch > 1,
            started: started.id,
            lease_until: until,
            cancel: run.cancel,
            spec: run.spec,
        }))
    }

    /// Prolongs a lease, and tells who wants the run stopped, if anybody does.
    ///
    /// # Errors
    /// [`Error::Fenced`] or [`Error::RunOver`] when the run is no longer this worker's; then it must let go at once.
    pub async fn heartbeat(&self, run: &RunId, epoch: u64, until: Timestamp) -> Result<Option<String>> {
        let (inner, run) = (self.inner.clone(), run.clone());
        detached(async move {
            let failed = |error: sqlx::Error| Error::database("write to", &inner.file, &error);
            let mut writer = inner.writer().await?;
            let row = sqlx::query("UPDATE runs SET lease_until = $3 WHERE id = $1 AND epoch = $2 AND state = 'running' RETURNING cancel")
                .bind(run.as_str())
                .bind(i64::try_from(epoch).unwrap_or(i64::MAX))
                .bind(until.as_millis())
                .fetch_optional(&mut writer.db)
                .await
                .map_err(failed)?;
            match row {
                Some(row) => row.try_get("cancel").map_err(failed),
                // Says why not.
                None => held(&mut writer.db, &run, epoch, &failed).await.map(|row| row.cancel),
            }
        })
        .await
    }

    /// Records events of a run, from the worker that holds it. Their cause is the event by which it was taken up.
    ///
    /// # Errors
    /// [`Error::Fenced`] or [`Error::RunOver`] when the run is no longer this worker's; then nothing was recorded and the
    /// worker must let go. Else as [`Ledger::append`].
    pub async fn run_append(&self, run: &RunId, epoch: u64, at: Timestamp, events: Vec<Event>) -> Result<Vec<Recorded>> {
        Ok(self.record(Request::Run { run: run.clone(), epoch, at, events }).await?.recorded)
    }

    /// Ends a run that is in the queue and that nobody has taken up: superseded, or cancelled.
    ///
    /// # Errors
    /// [`Error::NotQueued`] when a worker was faster; [`Error::UnknownRun`], [`Error::Environment`].
    pub async fn withdraw(
        &self,
        run: &RunId,
        outcome: Outcome,
        cause: Option<EventId>,
        actor: &str,
        at: Timestamp,
    ) -> Result<Vec<Recorded>> {
        Ok(self.record(Request::Withdraw { run: run.clone(), cause, actor: actor.to_owned(), at, outcome }).await?.recorded)
    }

    /// Gives a run back unfinished, so that the next worker need not wait for the lease to run out.
    ///
    /// # Errors
    /// [`Error::Fenced`] or [`Error::RunOver`] when the run is no longer this worker's.
    pub async fn release(&self, run: &RunId, epoch: u64) -> Result<()> {
        self.heartbeat(run, epoch, Timestamp::from_millis(0)).await.map(|_| ())
    }

    /// Lets all leases run out. For the start of the only process of a ledger: whoever held them is dead. Tells how
    /// many runs may be taken up again by that.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn release_leases(&self) -> Result<u64> {
        let inner = self.inner.clone();
        detached(async move {
            let mut writer = inner.writer().await?;
            let done = sqlx::query("UPDATE runs SET lease_until = 0 WHERE state = 'running'").execute(&mut writer.db).await;
            done.map(|done| done.rows_affected()).map_err(|error| Error::database("write to", &inner.file, &error))
        })
        .await
    }
}
