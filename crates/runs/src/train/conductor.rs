//! Takes changes along in order, and merges what passed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use towpath_domain::CommitId;
use towpath_engine::merge_order;
use towpath_forge::{CloseOutcome, Forge, ForgeError, MergeOrder, MergeOutcome, MergeResult, Number};
use towpath_git::Mirror;

use super::{Boarding, Checked, Landed, Passenger, Seat};
use crate::checks;
use crate::journal::Stop;
use crate::work::change::git;
use crate::work::edits;
use crate::world::{LogSink, Snapshot, World};

/// How long one that passed may take to write that down before the train leaves without it.
const READY: Duration = Duration::from_secs(20);

/// The step that the lines of its log belong to.
const STEP: &str = "check";

/// Carries changes for as long as anybody can board.
pub(crate) async fn conduct(world: Arc<World>) {
    let Some(mut platform) = world.train.platform() else { return };
    let mut waiting: Vec<Boarding> = Vec::new();
    loop {
        if waiting.is_empty() {
            match platform.recv().await {
                Some(first) => waiting.push(first),
                None => return,
            }
        }
        while let Ok(next) = platform.try_recv() {
            waiting.push(next);
        }
        // Who boarded first says nothing: all that wait are put in order for each tour.
        {
            let (current, facts) = (world.current(), world.ledger.facts());
            waiting.sort_by_cached_key(|boarding| merge_order(&current.catalog, &facts, &boarding.passenger.spec));
        }
        let later = waiting.split_off(waiting.len().min(world.train.together()));
        let ready = Tour::new(&world).check(std::mem::replace(&mut waiting, later)).await;
        land(&world, ready).await;
    }
}

/// One that passed, until it is ready to be merged.
struct Ready {
    order: MergeOrder,
    pull: Option<Number>,
    go: oneshot::Receiver<oneshot::Sender<Landed>>,
}

/// One tour of the train: where it is by now.
struct Tour<'a> {
    world: &'a World,
    /// The mirror, and the last merge that passed.
    at: Option<(Mirror, Arc<Snapshot>, CommitId)>,
}

impl<'a> Tour<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, at: None }
    }

    async fn check(mut self, waiting: Vec<Boarding>) -> Vec<Ready> {
        let mut ready = Vec::with_capacity(waiting.len());
        for Boarding { passenger, answer } in waiting {
            // Whoever waits no more was cancelled.
            if answer.is_closed() {
                continue;
            }
            let checked = match self.one(&passenger).await {
                Ok(Found::Passed { order, after }) => {
                    let (send, go) = oneshot::channel();
                    if let Some(at) = &mut self.at {
                        (at.1, at.2) = (after, order.commit);
                    }
                    ready.push(Ready { order: order.clone(), pull: passenger.pull, go });
                    Ok(Checked::Passed { order, seat: Seat { go: send } })
                }
                Ok(Found::Not(checked)) => Ok(checked),
                Err(stop) => Err(stop),
            };
            // One that is gone by now shows when it does not get ready.
            let _ = answer.send(checked);
        }
        ready
    }

    /// Checks one change on the last merge that passed.
    async fn one(&mut self, passenger: &Passenger) -> Result<Found, Stop> {
        let (world, spec) = (self.world, &passenger.spec);
        let forge = &world.config.forge;
        let merged = match (&self.at, passenger.pull) {
            (at, Some(number)) => forge.merged_pull(number, passenger.head, at.as_ref().map(|(.., tip)| *tip)).await,
            (None, None) => forge.merged_result(&spec.id, passenger.head).await,
            (Some((.., tip)), None) => match forge.merged_onto(&spec.id, passenger.head, *tip).await {
                // Such a forge is asked for one at a time; those behind the first wait for the next tour.
                Err(ForgeError::Unable { .. }) => forge.merged_result(&spec.id, passenger.head).await,
                merged => merged,
            },
        };
        let (base, merge) = match merged.map_err(git)? {
            MergeResult::Clean { base, commit } => (base, commit),
            MergeResult::Conflict { base, paths } => return Ok(Found::Not(Checked::Conflict { base, paths })),
            MergeResult::Merged { base } => return Ok(Found::Not(Checked::Merged(base))),
            MergeResult::HeadMoved { now } => return Ok(Found::Not(Checked::HeadMoved(now))),
        };
        let (mirror, before) = self.at(base).await?;
        if passenger.pull.is_none() && edits::files(&mirror, base, &before, spec).await?.is_empty() {
            note(&passenger.log, "somebody else merged the same meanwhile: there is nothing left to merge");
            let closed = forge.close(&spec.id, passenger.head, "the config repository says so already").await.map_err(git)?;
            if let CloseOutcome::HeadMoved { now } = closed {
                note(&passenger.log, &format!("its branch is at {} now, which is somebody else's and stays", now.short(12)));
            }
            return Ok(Found::Not(Checked::Merged(base)));
        }
        let after = world.catalogs.at(&mirror, merge).await.map_err(|e| Stop::failed(e.source.class(), e))?;
        let refused = checks::refusals(&world.ledger.facts(), world.clock.now(), &before, &after, spec);
        if !refused.is_empty() {
            return Ok(Found::Not(Checked::Refused(refused)));
        }
        note(&passenger.log, &format!("checks passed on {} merged with {}", passenger.head.short(12), base.short(12)));
        Ok(Found::Passed { order: MergeOrder { id: spec.id.clone(), base, head: passenger.head, commit: merge }, after })
    }

    /// The mirror, and what the config repository says at `base`.
    async fn at(&mut self, base: CommitId) -> Result<(Mirror, Arc<Snapshot>), Stop> {
        if let Some((mirror, snapshot, tip)) = &self.at
            && *tip == base
        {
            return Ok((mirror.clone(), Arc::clone(snapshot)));
        }
        let mirror = self.world.mirrors.get(&self.world.config.url).await.map_err(git)?;
        let snapshot = self.world.catalogs.at(&mirror, base).await.map_err(|e| Stop::failed(e.source.class(), e))?;
        self.at = Some(((*mirror).clone(), Arc::clone(&snapshot), base));
        Ok(((*mirror).clone(), snapshot))
    }
}

/// What checking one came to.
enum Found {
    Passed { order: MergeOrder, after: Arc<Snapshot> },
    Not(Checked),
}

fn note(log: &LogSink, text: &str) {
    log.line(STEP, "towpath", text);
}

/// Merges all in turn, Towpath's own that follow each other in one push; nothing any more behind one that was not merged.
async fn merge(forge: &dyn Forge, orders: &[(Option<Number>, MergeOrder)]) -> Result<Vec<MergeOutcome>, ForgeError> {
    let mut outcomes = Vec::with_capacity(orders.len());
    for alike in orders.chunk_by(|(one, _), (next, _)| one.is_none() && next.is_none()) {
        if outcomes.last().is_some_and(|last| !matches!(last, MergeOutcome::Merged { .. })) {
            outcomes.extend(alike.iter().map(|_| MergeOutcome::Moved { now: None }));
            continue;
        }
        match alike {
            [(Some(number), order)] => outcomes.push(forge.merge_pull(*number, order).await?),
            own => {
                let own: Vec<MergeOrder> = own.iter().map(|(_, order)| order.clone()).collect();
                outcomes.extend(forge.merge_all(&own).await?);
            }
        }
    }
    Ok(outcomes)
}

/// Merges those that are ready, up to the first that is not: the ones behind it were checked on top of it.
async fn land(world: &World, ready: Vec<Ready>) {
    let (mut orders, mut answers, mut left) = (Vec::new(), Vec::new(), Vec::new());
    let mut broken = false;
    for Ready { order, pull, go } in ready {
        match tokio::time::timeout(READY, go).await {
            Ok(Ok(answer)) if !broken => {
                orders.push((pull, order));
                answers.push(answer);
            }
            Ok(Ok(answer)) => left.push(answer),
            Ok(Err(_)) | Err(_) => broken = true,
        }
    }
    for answer in left {
        let _ = answer.send(Ok(MergeOutcome::Moved { now: None }));
    }
    if orders.is_empty() {
        return;
    }
    match merge(&*world.config.forge, &orders).await {
        Ok(outcomes) => {
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                let _ = answer.send(Ok(outcome));
            }
        }
        Err(error) => {
            let Stop::Failed { class, message } = git(error) else { return };
            for answer in answers {
                let _ = answer.send(Err((class, message.clone())));
            }
        }
    }
}
