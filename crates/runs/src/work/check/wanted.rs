//! Whether the check is still wanted, all the while it goes on.

use std::sync::Arc;

use towpath_catalog::Catalog;
use towpath_domain::{ReservationId, RunId};
use towpath_engine::check::{CheckWork, Unwanted, is_wanted};

use super::{blame, place};
use crate::journal::Stop;
use crate::world::World;

/// Ends as soon as the check is not wanted any more, or its namespace is not its own any more, with what it ends by.
pub(super) async fn until_unwanted(world: &World, run: &RunId, work: &CheckWork) -> Stop {
    // Asked to be woken before looking: what comes between the two is not missed.
    let mut news = world.ledger.subscribe();
    let mut catalogs = world.watch_current();
    let reservation = place::reservation(run, work);
    let mut catalog: Option<Arc<Catalog>> = None;
    loop {
        let current = world.current();
        if current.commit.is_some() {
            catalog = Some(Arc::clone(&current.catalog));
        } else if catalog.is_none() {
            // Of a start that has read nothing yet, an empty catalog says nothing. One that cannot be read now comes.
            catalog = world.snapshot().await.ok().map(|snapshot| Arc::clone(&snapshot.catalog));
        }
        if let Some(stop) = catalog.as_ref().and_then(|catalog| unwanted(world, catalog, work)) {
            return stop;
        }
        if let Some(stop) = lost(world, &reservation, work) {
            return stop;
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { std::future::pending::<()>().await },
            changed = catalogs.changed() => if changed.is_err() { std::future::pending::<()>().await },
        }
    }
}

fn unwanted(world: &World, catalog: &Catalog, work: &CheckWork) -> Option<Stop> {
    match is_wanted(catalog, &world.ledger.facts(), work) {
        Ok(()) => None,
        Err(Unwanted::Superseded(by)) => Some(Stop::Superseded { by }),
        Err(Unwanted::Cancelled(by)) => Some(Stop::Cancelled { by }),
    }
}

fn lost(world: &World, reservation: &ReservationId, work: &CheckWork) -> Option<Stop> {
    let facts = world.ledger.facts();
    if let Some(namespace) = &work.overrides.namespace {
        return place::held(&facts, namespace, &work.overrides.by).err().map(blame::said);
    }
    place::over(facts.reservations.get(reservation)?)
}
