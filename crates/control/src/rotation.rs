//! Looks whether secrets that targets take at their newest version have a newer one. Only versions are asked for and written down, never values.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use towpath_engine::{Event, secret_paths};
use towpath_runs::World;

/// How often versions are asked for. Nobody tells when a secret changes.
const EVERY: Duration = Duration::from_secs(60);

/// Looks until `shutdown` turns true; at once when another catalog counts.
pub(crate) async fn keep_looking(world: Arc<World>, mut shutdown: watch::Receiver<bool>) {
    let mut news = world.ledger.subscribe();
    let mut looked_at = None;
    while !*shutdown.borrow() {
        let snapshot = world.current();
        look(&world).await;
        looked_at = snapshot.commit.or(looked_at);
        let pause = tokio::time::sleep(EVERY);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                _ = shutdown.changed() => return,
                _ = news.changed() => {
                    if world.current().commit != looked_at {
                        break;
                    }
                }
            }
        }
    }
}

async fn look(world: &World) {
    let snapshot = world.current();
    for path in secret_paths(&snapshot.catalog) {
        let version = match world.secrets.version(&path, None).await {
            Ok(version) => version,
            Err(error) => {
                // The targets that take it say so themselves when they are deployed.
                tracing::warn!(%error, "the version of a secret is not known");
                continue;
            }
        };
        let known = world.ledger.facts().secrets.get(&path).map(|fact| fact.version.clone());
        if known.as_ref() == Some(&version) {
            continue;
        }
        if let Err(error) = world.ledger.append(None, "towpath", world.clock.now(), vec![Event::SecretSeen { path, version }]).await {
            tracing::warn!(%error, "the version of a secret could not be recorded; it is looked at again");
        }
    }
}
