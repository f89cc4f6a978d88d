//! Pull requests of sources: they are looked at, what follows for them is queued, what people ask for there is heard, and how they stand is told.

mod ask;
mod heard;
mod look;
mod shown;
mod told;
mod troubled;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use towpath_domain::Timestamp;
use towpath_engine::check::{ChecksPlan, plan_checks};
use towpath_engine::{Event, FactKey};
use towpath_ledger::Error as LedgerError;
use towpath_runs::World;

use crate::news::News;

pub(crate) use look::{Announced, keep_looking};
pub(crate) use told::keep_telling;
pub(crate) use troubled::Troubled;

/// The longest pause: clocks jump.
const PAUSE: Duration = Duration::from_secs(60);

/// How often in a row something may follow from what was just written down.
const ROUNDS: usize = 100;

/// Queues what follows for pull requests, whenever something of them is otherwise, until `shutdown` turns true.
pub(crate) async fn keep_deciding(world: Arc<World>, mut shutdown: watch::Receiver<bool>) {
    let mut news = world.ledger.subscribe();
    let mut catalogs = world.watch_current();
    let mut seen = News::of(is_ours);
    let mut until = None;
    // Nothing is decided by the empty catalog of a start.
    tokio::select! {
        () = world.config_read() => {}
        _ = shutdown.wait_for(|is_over| *is_over) => return,
    }
    while !*shutdown.borrow() {
        if seen.is_new(&world) {
            until = decide(&world).await;
        }
        let now = world.clock.now();
        let pause = until.map_or(PAUSE, |at: Timestamp| at.since(now).to_std().clamp(Duration::from_millis(5), PAUSE));
        tokio::select! {
            _ = news.changed() => {}
            _ = catalogs.changed() => {}
            () = tokio::time::sleep(pause) => seen.forget(),
            _ = shutdown.changed() => {}
        }
    }
}

fn is_ours(key: &FactKey) -> bool {
    matches!(key, FactKey::Check(_) | FactKey::OpenRun(_))
}

/// Queues until nothing follows. Answers with when time alone may change that.
async fn decide(world: &World) -> Option<Timestamp> {
    for _ in 0..ROUNDS {
        let now = world.clock.now();
        let plan = planned(world, now);
        if plan.runs.is_empty() {
            return plan.valid_until;
        }
        for spec in plan.runs {
            let id = spec.id.clone();
            match world.ledger.append(None, "towpath", now, vec![Event::RunQueued(spec)]).await {
                // Decided on facts that are outdated by now: the run is there.
                Ok(_) | Err(LedgerError::AlreadyQueued { .. }) => {}
                Err(error) => {
                    tracing::error!(run = %id, %error, "a check could not be queued; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
    tracing::warn!("deciding on pull requests does not settle; going on at the next event");
    None
}

/// What follows for pull requests now, by the catalog that counts.
pub(super) fn planned(world: &World, now: Timestamp) -> ChecksPlan {
    let catalog = Arc::clone(&world.current().catalog);
    plan_checks(&catalog, &world.ledger.facts(), now)
}
