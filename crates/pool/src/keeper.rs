//! The loop: whatever is written of a namespace and not yet so is somebody's task, one each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use towpath_domain::{NamespaceName, ReservationId, Timestamp};
use towpath_engine::pool::{NamespaceState, PoolEvent, ReservationFact, ReservationState};
use towpath_engine::{Event, Facts};
use towpath_ledger::Error as LedgerError;
use towpath_runs::World;

use crate::{leases, strays, tend};

/// How often clusters are looked at for what nobody knows of, and for what is not there any more.
const LOOK: Duration = Duration::from_secs(120);

/// Sees to it that namespaces are as it is written.
pub struct Keeper {
    world: Arc<World>,
    /// Reservations of which nothing is left at an operator, as long as they are known: asked about once while this runs.
    given_back: HashSet<ReservationId>,
    /// The ends of leases that operators were told of.
    extended: HashMap<ReservationId, Timestamp>,
}

/// What a task is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Task {
    Namespace(NamespaceName),
    /// A reservation that an operator is asked to fulfil, or was and nobody wants any more.
    Lease(ReservationId),
    /// A lease from an operator, which ends at another moment than before.
    Extend(ReservationId, Timestamp),
    /// The look at all clusters.
    Look,
}

impl Keeper {
    /// A keeper of all pools of `world`.
    #[must_use]
    pub fn new(world: Arc<World>) -> Self {
        Self { world, given_back: HashSet::new(), extended: HashMap::new() }
    }

    /// Works until `shutdown` turns true. What is under way then is taken up at the next start. Nothing is done before the config repository was
    /// read: a pool that is not known yet is not one that is gone.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        tokio::select! {
            () = self.world.config_read() => {}
            _ = shutdown.wait_for(|is_over| *is_over) => return,
        }
        let mut news = self.world.ledger.subscribe();
        let mut catalogs = self.world.watch_current();
        let mut tasks: JoinSet<Task> = JoinSet::new();
        let mut busy: HashSet<Task> = HashSet::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_look_due = false;
        while !*shutdown.borrow() {
            let mut wanted = self.due();
            if is_look_due && self.world.ledger.facts().installation.is_some() {
                wanted.push(Task::Look);
                is_look_due = false;
            }
            for task in wanted {
                if busy.insert(task.clone()) {
                    tasks.spawn(work(Arc::clone(&self.world), task));
                }
            }
            tokio::select! {
                _ = news.changed() => {}
                _ = catalogs.changed() => {}
                _ = look.tick() => is_look_due = true,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => match ended {
                    Ok(task) => {
                        busy.remove(&task);
                        self.done(task);
                    }
                    Err(error) => {
                        tracing::error!(%error, "the task of a namespace ended badly; it is begun again");
                        // Which one it was, nobody can tell: all are begun anew, and each finds done what was done.
                        tasks.shutdown().await;
                        busy.clear();
                    }
                },
                _ = shutdown.changed() => {}
            }
        }
        tasks.shutdown().await;
    }

    /// Remembers what nothing in the ledger tells.
    fn done(&mut self, task: Task) {
        let facts = self.world.ledger.facts();
        match task {
            Task::Lease(id) => {
                self.given_back.retain(|known| facts.reservations.contains_key(known));
                self.given_back.insert(id);
            }
            Task::Extend(id, until) => {
                self.extended.retain(|known, _| facts.reservations.contains_key(known));
                self.extended.insert(id, until);
            }
            Task::Namespace(_) | Task::Look => {}
        }
    }

    /// What is written and not yet so.
    fn due(&self) -> Vec<Task> {
        let catalog = Arc::clone(&self.world.current().catalog);
        let facts = self.world.ledger.facts();
        let unsettled = |state: &NamespaceState| {
            matches!(state, NamespaceState::Making | NamespaceState::Assigned { .. } | NamespaceState::Ending { .. })
        };
        let namespaces = facts.namespaces.iter().filter(|(_, fact)| unsettled(&fact.state)).map(|(name, _)| Task::Namespace(name.clone()));
        let wanted = |fact: &ReservationFact| {
            fact.state == ReservationState::Waiting && catalog.pools.get(&fact.spec.pool).is_some_and(|pool| pool.operator.is_some())
        };
        let asked = facts.reservations.iter().filter(|(id, fact)| wanted(fact) || fact.asked.is_some() && !self.given_back.contains(*id));
        let leases = asked.map(|(id, _)| Task::Lease(id.clone()));
        let moved = leases::ends(&facts).filter(|(id, until)| self.extended.get(*id) != Some(until));
        let moved = moved.map(|(id, until)| Task::Extend(id.clone(), until));
        namespaces.chain(leases).chain(moved).collect()
    }
}

async fn work(world: Arc<World>, task: Task) -> Task {
    match &task {
        Task::Namespace(name) => tend::namespace(&world, name).await,
        Task::Lease(id) => leases::take(&world, id).await,
        Task::Extend(id, _) => leases::extend(&world, id).await,
        Task::Look => {
            strays::look(&world).await;
            leases::look(&world).await;
        }
    }
    task
}

/// Writes down what happened. One that cannot be written is written when it is found again.
pub(crate) async fn record(world: &World, event: PoolEvent) -> Result<(), LedgerError> {
    let written = world.ledger.append(None, "towpath", world.clock.now(), vec![Event::Pool(event)]).await;
    if let Err(error) = &written {
        tracing::error!(%error, "what happened to a namespace could not be recorded; it is looked at again");
    }
    written.map(|_| ())
}

/// The name that this installation's namespaces carry.
pub(crate) fn installation(facts: &Facts) -> String {
    facts.installation.clone().unwrap_or_default()
}
