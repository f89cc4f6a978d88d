//! Takes runs from the queue and carries them out, several at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use towpath_domain::{FailureClass, RunId, Span};
use towpath_engine::{Event, Outcome, Work};
use towpath_ledger::{Claimed, WorkKind};

use crate::journal::{Journal, Stop};
use crate::work;
use crate::world::{LogSink, World};

/// How long a claim holds without a sign of life. Long against a slow disk, short against a night.
const LEASE: Span = Span::from_secs(60);

/// How long a drain waits for runs before it leaves them to the next start.
const DRAIN: Duration = Duration::from_secs(20);

/// The workers of this process.
pub struct Workers {
    world: Arc<World>,
    name: String,
    lanes: usize,
}

impl Workers {
    /// `lanes` runs at a time, claimed under `name`.
    pub fn new(world: Arc<World>, name: String, lanes: usize) -> Self {
        Self { world, name, lanes }
    }

    /// Works until `shutdown` turns true, then waits a while for runs under way; what is left is taken up at the next start.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let lanes = Arc::new(Semaphore::new(self.lanes));
        let mut under_way = JoinSet::new();
        // Ask to be woken before looking: what is queued between the two is not missed.
        let mut news = self.world.ledger.subscribe();
        while !*shutdown.borrow() {
            let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else { break };
            match self.world.ledger.claim(&self.name, &WorkKind::ALL, LEASE, self.world.clock.now()).await {
                Ok(Some(claimed)) => {
                    let world = Arc::clone(&self.world);
                    under_way.spawn(async move {
                        carry_out(world, claimed).await;
                        drop(lane);
                    });
                }
                Ok(None) => {
                    drop(lane);
                    tokio::select! {
                        _ = news.changed() => {}
                        _ = shutdown.changed() => {}
                        () = tokio::time::sleep(Duration::from_secs(5)) => {}
                    }
                }
                Err(error) => {
                    drop(lane);
                    tracing::error!(%error, "no run can be claimed; trying again in a second");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            while under_way.try_join_next().is_some() {}
        }
        let drained = tokio::time::timeout(DRAIN, async { while under_way.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(left = under_way.len(), "runs are left to the next start");
        }
    }
}

/// Carries one run out and writes down how it ended.
async fn carry_out(world: Arc<World>, claimed: Claimed) {
    let run = claimed.spec.id.clone();
    let log = LogSink::open(&world.logs, &run, &world.clock);
    let journal = Journal::new(world.ledger.clone(), world.clock.clone(), run.clone(), claimed.epoch, log);
    if claimed.resumed {
        journal.note("taken up again where it stopped");
    }
    let result = tokio::select! {
        result = dispatch(&world, &journal, &claimed.spec.work) => result,
        by = cancelled(&world, &run) => Err(Stop::Cancelled { by }),
        never = keep_lease(&world, &run, claimed.epoch) => never,
    };
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(Stop::Failed { class, message }) => Outcome::Failed { class, step: journal.current_step(), message },
        Err(Stop::Superseded { by }) => Outcome::Superseded { by },
        Err(Stop::Cancelled { by }) => Outcome::Cancelled { by },
        Err(Stop::Ledger(error)) => {
            tracing::error!(%run, %error, "this worker leaves the run");
            return;
        }
    };
    journal.note(match &outcome {
        Outcome::Failed { class, message, .. } => format!("failed ({class}): {message}"),
        Outcome::Superseded { by } => format!("superseded: {by}"),
        Outcome::Cancelled { by } => format!("cancelled by {by}"),
        _ => "done".to_owned(),
    });
    journal.sink().finish();
    if let Err(error) = journal.write(Event::RunFinished { run: run.clone(), outcome }).await {
        tracing::error!(%run, %error, "how the run ended could not be written; it will be taken up again");
    }
}

async fn dispatch(world: &World, journal: &Journal, work: &Work) -> Result<Outcome, Stop> {
    match work {
        Work::Build { source, commit, .. } => work::build::run(world, journal, source, *commit).await,
        Work::Deploy(deploy) => work::deploy::run(world, journal, deploy).await,
        Work::Delete { target } => work::delete::run(world, journal, target).await,
        Work::Change(change) => work::change::run(world, journal, change).await,
    }
}

/// Ends when a person asks that the run be stopped, with who it was.
async fn cancelled(world: &World, run: &RunId) -> String {
    let mut news = world.ledger.subscribe();
    loop {
        if let Some(by) = world.ledger.facts().open_runs.get(run).and_then(|open| open.cancel.clone()) {
            return by;
        }
        if news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Keeps the lease, and ends when it is lost.
async fn keep_lease(world: &World, run: &RunId, epoch: u64) -> Result<Outcome, Stop> {
    loop {
        tokio::time::sleep(LEASE.to_std() / 3).await;
        if let Err(error) = world.ledger.heartbeat(run, epoch, world.clock.now().plus(LEASE)).await {
            if error.class() == FailureClass::Environment {
                tracing::warn!(%run, %error, "no sign of life could be written");
                continue;
            }
            return Err(Stop::Ledger(error));
        }
    }
}
