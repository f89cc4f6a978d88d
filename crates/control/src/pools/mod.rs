//! Pools of ephemeral namespaces: what follows is written down, what people ask for is taken, and how all stands is told.

mod ask;
mod doctor;
mod shown;

pub(crate) use ask::lease_within;
pub(crate) use shown::{end_text, scope};

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use towpath_domain::Timestamp;
use towpath_engine::pool::{PoolEvent, PoolPlan, plan_pools};
use towpath_engine::{Event, FactKey};
use towpath_runs::World;

use crate::news::News;

/// The longest pause: clocks jump.
const PAUSE: Duration = Duration::from_secs(60);

/// How often in a row something may follow from what was just written down; a pool of the greatest size needs a handful.
const ROUNDS: usize = 100;

/// Writes down what follows for pools, whenever something of them is otherwise, until `shutdown` turns true. Nothing follows before the config
/// repository was read: which pools there are is not known yet, and what belongs to one is not to go.
pub(crate) async fn keep_deciding(world: Arc<World>, mut shutdown: watch::Receiver<bool>) {
    let mut news = world.ledger.subscribe();
    let mut catalogs = world.watch_current();
    let mut seen = News::of(is_ours);
    let mut until = None;
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
    matches!(key, FactKey::Pool(_) | FactKey::Namespace(_) | FactKey::Reservation(_) | FactKey::Installation | FactKey::OpenRun(_))
}

/// Decides until nothing follows. Answers with when time alone may change that.
async fn decide(world: &World) -> Option<Timestamp> {
    for _ in 0..ROUNDS {
        let now = world.clock.now();
        let plan = planned(world, now);
        let name = unnamed(world).then(random_name).flatten();
        let events: Vec<Event> = name.map(|name| PoolEvent::Named { name }).into_iter().chain(plan.events).map(Event::Pool).collect();
        if events.is_empty() {
            return plan.valid_until;
        }
        if let Err(error) = world.ledger.append(None, "towpath", now, events).await {
            tracing::error!(%error, "what follows for pools could not be recorded; trying again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    tracing::warn!("deciding on pools does not settle; going on at the next event");
    None
}

/// What follows for pools now, by the catalog that counts.
pub(crate) fn planned(world: &World, now: Timestamp) -> PoolPlan {
    let catalog = Arc::clone(&world.current().catalog);
    plan_pools(&catalog, &world.ledger.facts(), now)
}

/// Whether there is a pool, and no name yet for what is made for it.
fn unnamed(world: &World) -> bool {
    !world.current().catalog.pools.is_empty() && world.ledger.facts().installation.is_none()
}

/// Nobody else's, ever.
fn random_name() -> Option<String> {
    let mut bytes = [0_u8; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Some(bytes.iter().fold(String::from("towpath-"), |name, byte| format!("{name}{byte:02x}"))),
        Err(error) => {
            tracing::error!(%error, "this machine gives no random numbers: no namespace can be made");
            None
        }
    }
}
