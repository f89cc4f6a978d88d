//! Renders targets beside the loop: a repository that answers slowly holds up its own targets and nobody else's.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use towpath_catalog::Target;
use towpath_domain::{CommitId, TargetId};
use towpath_engine::{Event, Render, RenderOutcome, secret_versions};
use towpath_runs::{World, render};

/// How many targets are rendered at the same time.
const AT_ONCE: usize = 8;

/// What is rendered: a target at a commit with the input that it had.
type Key = (TargetId, CommitId, Arc<str>);

/// The renderings that are under way.
#[derive(Clone)]
pub(crate) struct Rendering {
    under_way: Arc<Mutex<HashSet<Key>>>,
    turns: Arc<Semaphore>,
}

impl Rendering {
    pub(crate) fn new() -> Self {
        Self { under_way: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Begins to render a target, unless that is under way. What comes of it is recorded, which wakes the loop.
    pub(crate) fn begin(&self, world: &Arc<World>, target: Arc<Target>, commit: CommitId) {
        let key = (target.id.clone(), commit, Arc::from(&*target.input_hash));
        if !self.lock().insert(key.clone()) {
            return;
        }
        let (own, world) = (self.clone(), Arc::clone(world));
        tokio::spawn(async move {
            let _turn = own.turns.acquire().await;
            let rendered = look(&world, &target, commit).await;
            // Before it is recorded: whoever is woken by that may have to ask again.
            own.lock().remove(&key);
            let recorded = world.ledger.append(None, "towpath", world.clock.now(), vec![Event::Rendered(rendered)]).await;
            if let Err(error) = recorded {
                tracing::warn!(target = %target.title(), %commit, %error, "what would be deployed could not be recorded; it is rendered again");
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the target comes to. What the environment stands in the way of is a fact, too: the planner says when it is tried again.
async fn look(world: &World, target: &Target, commit: CommitId) -> Render {
    match render::known(world, target, commit).await {
        Ok(rendered) => rendered,
        Err(error) => {
            tracing::warn!(target = %target.title(), %commit, %error, "what would be deployed is not known yet");
            let outcome = RenderOutcome::Failed { class: error.class, message: error.message };
            let secrets = secret_versions(target, &world.ledger.facts());
            Render { target: target.id.clone(), commit, input_hash: target.input_hash.to_string(), secrets, outcome }
        }
    }
}
