//! Takes runs from the queue and carries them out, several at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use towpath_domain::{FailureClass, RunId, Span};
use towpath_engine::{Event, Outcome, RunSpec, Subject, Work};
use towpath_ledger::{Claimed, WorkKind, outcome_kind};
use tracing::Instrument as _;

use crate::journal::{Journal, Stop};
use crate::train;
use crate::work;
use crate::world::{LogSink, World};

/// How long a claim holds without a sign of life. Long against a slow disk, short against a night.
const LEASE: Span = Span::from_secs(60);

/// How long a drain waits for runs before it leaves them to the next start.
const DRAIN: Duration = Duration::from_secs(20);

/// How many runs other than builds are carried out at a time. They mostly wait, and a test that takes an hour must not keep a deploy from
/// being made.
const LANES: usize = 64;

/// How many changes are carried out at a time: those wait for each other, and all that are on the train are merged together.
const CHANGE_LANES: usize = 256;

/// How many checks of pull requests are carried out at a time: they mostly wait, for builds, namespaces and tests. How many of one source go on,
/// its own file says.
const CHECK_LANES: usize = 256;

/// How often the queue is looked at when nothing is said of it: a run whose worker elsewhere died shows only by its lease.
const LOOK: Duration = Duration::from_secs(5);

/// The workers of this process.
pub struct Workers {
    world: Arc<World>,
    name: String,
}

impl Workers {
    /// Workers that claim runs under `name`.
    pub fn new(world: Arc<World>, name: String) -> Self {
        Self { world, name }
    }

    /// Works until `shutdown` turns true, then waits a while for runs under way; what is left is taken up at the next start.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        let mut groups = JoinSet::new();
        let lanes: [(&[WorkKind], usize); 4] = [
            (&[WorkKind::Build], self.world.builders.lanes()),
            (&[WorkKind::Deploy, WorkKind::Delete], LANES),
            (&[WorkKind::Change], CHANGE_LANES),
            (&[WorkKind::Check], CHECK_LANES),
        ];
        let train = tokio::spawn(train::conduct(Arc::clone(&self.world)));
        for (kinds, lanes) in lanes {
            let (world, name) = (Arc::clone(&self.world), self.name.clone());
            groups.spawn(
                Group { world, name, kinds, lanes: Arc::new(Semaphore::new(lanes)), under_way: HashSet::new() }.run(shutdown.clone()),
            );
        }
        while let Some(ended) = groups.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a group of workers ended badly");
            }
        }
        train.abort();
    }
}

/// The workers for some kinds of work.
struct Group {
    world: Arc<World>,
    name: String,
    kinds: &'static [WorkKind],
    lanes: Arc<Semaphore>,
    under_way: HashSet<RunId>,
}

impl Group {
    async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut tasks: JoinSet<RunId> = JoinSet::new();
        // Ask to be woken before looking: what is queued between the two is not missed.
        let mut news = self.world.ledger.subscribe();
        let mut look = true;
        while !*shutdown.borrow() {
            while let Some(ended) = tasks.try_join_next() {
                self.forget(ended);
            }
            if (look || self.is_waited_for())
                && let Some(claimed) = self.claim().await
            {
                let (world, run) = (Arc::clone(&self.world), claimed.spec.id.clone());
                self.under_way.insert(run.clone());
                let lane = Arc::clone(&self.lanes).acquire_owned().await;
                let span = span_of(&claimed);
                tasks.spawn(
                    async move {
                        carry_out(world, claimed).await;
                        drop(lane);
                        run
                    }
                    .instrument(span),
                );
                continue;
            }
            look = tokio::select! {
                _ = news.changed() => false,
                _ = shutdown.changed() => false,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    self.forget(ended);
                    false
                }
                () = tokio::time::sleep(LOOK) => true,
            };
        }
        let drained = tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(left = tasks.len(), "runs are left to the next start");
        }
    }

    fn forget(&mut self, ended: Result<RunId, JoinError>) {
        match ended {
            Ok(run) => {
                self.under_way.remove(&run);
            }
            Err(error) => tracing::error!(%error, "a worker ended badly; its run is taken up again when its lease has run out"),
        }
    }

    /// Whether a lane is free and the facts know of a run that nobody here has: looking there costs nothing, claiming is a write.
    fn is_waited_for(&self) -> bool {
        let facts = self.world.ledger.facts();
        let wanted = |id: &RunId, spec: &RunSpec| self.kinds.contains(&WorkKind::of(&spec.work)) && !self.under_way.contains(id);
        self.lanes.available_permits() > 0 && facts.open_runs.iter().any(|(id, open)| wanted(id, &open.spec))
    }

    async fn claim(&self) -> Option<Claimed> {
        if self.lanes.available_permits() == 0 {
            return None;
        }
        match self.world.ledger.claim(&self.name, self.kinds, LEASE, self.world.clock.now()).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!(%error, "no run can be claimed; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
                None
            }
        }
    }
}

/// What every line says that is logged while a run is carried out.
fn span_of(claimed: &Claimed) -> tracing::Span {
    let work = &claimed.spec.work;
    let subject = match work.subject() {
        Subject::Source(source) => source.to_string(),
        Subject::Target(target) => target.to_string(),
        Subject::Change(change) => change.to_string(),
        Subject::Check(check) => check.to_string(),
    };
    let span = tracing::info_span!(
        "run",
        run = %claimed.spec.id,
        kind = WorkKind::of(work).as_str(),
        subject,
        release = tracing::field::Empty,
        attempt = claimed.spec.attempt,
    );
    if let Some(commit) = work.commit() {
        span.record("release", tracing::field::display(commit));
    }
    span
}

/// How a run ended, in the log.
fn told(outcome: &Outcome) {
    let how = outcome_kind(outcome);
    match outcome {
        Outcome::Failed { class, step, message, .. } => {
            tracing::warn!(outcome = how, class = %class, step, "a run failed: {message}");
        }
        _ => tracing::info!(outcome = how, "a run ended"),
    }
}

/// Carries one run out and writes down how it ended.
async fn carry_out(world: Arc<World>, claimed: Claimed) {
    let run = claimed.spec.id.clone();
    let log = LogSink::open(&world.logs, &run, &world.clock);
    let journal = Journal::new(world.ledger.clone(), world.clock.clone(), run.clone(), claimed.epoch, log);
    if claimed.resumed {
        journal.note("taken up again where it stopped");
        tracing::info!("a run is taken up again where it stopped");
    } else {
        tracing::info!("a run begins");
    }
    let result = tokio::select! {
        result = dispatch(&world, &journal, &claimed.spec.work) => result,
        by = cancelled(&world, &run) => Err(Stop::Cancelled { by }),
        never = keep_lease(&world, &run, claimed.epoch) => never,
    };
    let outcome = match result {
        Ok(outcome) => outcome,
        // The message goes into the ledger and to people: no secret of the run goes with it.
        Err(Stop::Failed { class, message }) => {
            Outcome::Failed { class, step: journal.current_step(), message: journal.sink().masked(&message), refused: false, blame: None }
        }
        Err(Stop::Blamed { blame, class, message }) => {
            let (step, message) = (journal.current_step(), journal.sink().masked(&message));
            Outcome::Failed { class, step, message, refused: false, blame: Some(blame) }
        }
        Err(Stop::Refused { why }) => {
            let (step, message) = (journal.current_step(), journal.sink().masked(&why));
            Outcome::Failed { class: FailureClass::Own, step, message, refused: true, blame: None }
        }
        Err(Stop::Superseded { by }) => Outcome::Superseded { by },
        Err(Stop::Cancelled { by }) => {
            if let Work::Deploy(deploy) = &claimed.spec.work {
                work::deploy::give_up(&world, &journal, deploy).await;
            }
            Outcome::Cancelled { by }
        }
        Err(Stop::Ledger(error)) => {
            tracing::error!(%run, %error, "this worker leaves the run");
            return;
        }
    };
    // What is cut short here must not go on elsewhere.
    if matches!(claimed.spec.work, Work::Build { .. }) && !matches!(outcome, Outcome::Built { .. }) {
        work::build::give_up(&world, &journal).await;
    }
    if let Work::Check(check) = &claimed.spec.work {
        work::check::tidy(&world, &journal, check, &outcome).await;
    }
    journal.note(match &outcome {
        Outcome::Failed { class, message, .. } => format!("failed ({class}): {message}"),
        Outcome::Superseded { by } => format!("superseded: {by}"),
        Outcome::Cancelled { by } => format!("cancelled by {by}"),
        _ => "done".to_owned(),
    });
    journal.sink().finish();
    told(&outcome);
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
        Work::Check(check) => work::check::run(world, journal, check).await,
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
