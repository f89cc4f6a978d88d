//! The loop: what is new goes to the planner, and what the planner says is queued, rendered or withdrawn.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use towpath_catalog::Catalog;
use towpath_domain::{CommitId, Timestamp};
use towpath_engine::{Action, Event, FactKey, Outcome, Planner};
use towpath_ledger::{Error as LedgerError, EventId};
use towpath_runs::world::{Snapshot, World};

use crate::checks::{Announced, Troubled};
use crate::looking::Looking;
use crate::looks::Pictures;
use crate::observe::{self, Observer, Pace};
use crate::rendering::Rendering;

/// How many repositories are remembered that are to be looked at; with more, all are.
const ANNOUNCED_MAX: usize = 1000;

/// The control part of a server: its loop, and what people ask of it.
pub struct Control {
    pub(crate) world: Arc<World>,
    planner: Mutex<Planner>,
    /// Counts on whenever a verdict is another one.
    plans: AtomicU64,
    seen: Mutex<EventId>,
    wake: Notify,
    /// Repositories of which somebody said that they are new, as forges call them.
    announced: Mutex<BTreeSet<String>>,
    /// There are some.
    announcing: Notify,
    /// A change was merged: the config repository has a new head.
    merged: Notify,
    /// Another catalog counts.
    adopted: Notify,
    /// Something of a change may be new on its forge.
    pub(crate) reviewed: Notify,
    /// Sources whose pull requests may be new on their forge.
    pub(crate) pulled: Announced,
    /// Those whose pull requests cannot be looked at.
    pub(crate) troubled: Troubled,
    rendering: Rendering,
    looking: Looking,
    pace: Pace,
    /// What pages were last shown.
    pub(crate) pictures: Pictures,
}

impl Control {
    /// A loop over `world`, with nothing read yet.
    #[must_use]
    pub fn new(world: Arc<World>, pace: Pace) -> Arc<Self> {
        let planner = Planner::new(Arc::new(Catalog::default()), &world.ledger.facts(), world.clock.now());
        let seen = Mutex::new(world.ledger.latest());
        let planner = Mutex::new(planner);
        Arc::new(Self {
            world,
            planner,
            plans: AtomicU64::new(0),
            seen,
            wake: Notify::new(),
            announced: Mutex::default(),
            announcing: Notify::new(),
            merged: Notify::new(),
            adopted: Notify::new(),
            reviewed: Notify::new(),
            pulled: Announced::default(),
            troubled: Troubled::default(),
            rendering: Rendering::new(),
            looking: Looking::new(),
            pace,
            pictures: Pictures::default(),
        })
    }

    /// Something outside may be new: look at every repository now. All that a webhook does.
    pub fn wake(&self) {
        self.pulled.all();
        self.wake.notify_one();
    }

    /// Something of a change may be new on its forge: look at the open ones now. All that a webhook about changes does.
    pub fn wake_for_changes(&self) {
        self.reviewed.notify_one();
    }

    /// A repository may be new, which a forge calls `name`: `organisation/name`, the end of its URL's path. Of those that are watched, the ones
    /// that may be meant are looked at now; where none is, nothing is.
    pub fn wake_for_repository(&self, name: &str) {
        self.pulled.named(name);
        {
            let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
            if announced.len() < ANNOUNCED_MAX {
                announced.insert(name.to_owned());
            } else {
                self.wake.notify_one();
            }
        }
        self.announcing.notify_one();
    }

    /// An image may have been pushed: those that were looked for in vain are due at once. All that a registry's webhook does.
    pub fn wake_for_images(self: &Arc<Self>) {
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let missed: Vec<Event> = {
                let facts = own.world.ledger.facts();
                let missed = facts.images.iter().filter(|(_, fact)| fact.looks > 0 && !fact.announced);
                missed.map(|(image, _)| Event::ImageAnnounced { image: image.clone() }).collect()
            };
            if missed.is_empty() {
                return;
            }
            if let Err(error) = own.world.ledger.append(None, "towpath", own.world.clock.now(), missed).await {
                tracing::warn!(%error, "that images may be new could not be recorded; they are looked for at their usual times");
            }
        });
    }

    /// Runs until `shutdown` turns true.
    pub async fn keep_going(self: Arc<Self>, shutdown: watch::Receiver<bool>) {
        let observing = tokio::spawn(Arc::clone(&self).observe(shutdown.clone()));
        let reviewing = tokio::spawn(crate::reviews::keep_reviewing(Arc::clone(&self), self.pace.remote, shutdown.clone()));
        let rotation = tokio::spawn(crate::rotation::keep_looking(Arc::clone(&self.world), shutdown.clone()));
        let deciding = tokio::spawn(crate::pools::keep_deciding(Arc::clone(&self.world), shutdown.clone()));
        let checks = [
            tokio::spawn(crate::checks::keep_looking(Arc::clone(&self), self.pace, shutdown.clone())),
            tokio::spawn(crate::checks::keep_deciding(Arc::clone(&self.world), shutdown.clone())),
            tokio::spawn(crate::checks::keep_telling(Arc::clone(&self.world), shutdown.clone())),
        ];
        let own = Arc::clone(&self);
        let remembering = tokio::spawn(async move { own.remember().await });
        self.steer(shutdown).await;
        remembering.abort();
        if reviewing.await.is_err() {
            tracing::error!("the task that looks at changes on their forge ended badly");
        }
        if rotation.await.is_err() {
            tracing::error!("the task that looks at versions of secrets ended badly");
        }
        if deciding.await.is_err() {
            tracing::error!("the task that looks after pools ended badly");
        }
        for task in checks {
            if task.await.is_err() {
                tracing::error!("a task that looks after pull requests ended badly");
            }
        }
        if observing.await.is_err() {
            tracing::error!("the task that looks at repositories ended badly");
        }
    }

    /// Serves what people try by hand, and nothing else, until `shutdown` turns true: the config repository is read once, and nothing is built,
    /// deployed or moved because of it.
    pub async fn keep_trying(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let deciding = tokio::spawn(crate::pools::keep_deciding(Arc::clone(&self.world), shutdown.clone()));
        let config = &self.world.config;
        while self.world.current().commit.is_none() && !*shutdown.borrow() {
            let looked_at = self.world.clock.now();
            match self.world.mirrors.head(&config.url, &config.branch).await {
                Ok(Some(head)) => self.load(head, looked_at).await,
                Ok(None) => _ = observe::missing(&self.world, &config.url, &config.branch).await,
                Err(error) => _ = observe::unreachable(&self.world, &config.url, &config.branch, &error.to_string()).await,
            }
            if self.world.current().commit.is_none() {
                let _again = tokio::time::timeout(Duration::from_secs(1), shutdown.changed()).await;
            }
        }
        drop(shutdown.wait_for(|shutdown| *shutdown).await);
        if deciding.await.is_err() {
            tracing::error!("the task that looks after pools ended badly");
        }
    }

    async fn observe(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let mut observer = Observer::new(Arc::clone(&self.world), self.pace);
        while !*shutdown.borrow() {
            observer.follow_catalog();
            observer.begin_looks().await;
            tokio::select! {
                () = observer.wait() => {}
                () = self.wake.notified() => observer.hurry_all(),
                () = self.announcing.notified() => {
                    let names = std::mem::take(&mut *self.announced.lock().unwrap_or_else(PoisonError::into_inner));
                    observer.hurry_named(&names);
                }
                () = self.merged.notified() => observer.hurry_config(),
                // New repositories are looked at without waiting for their turn.
                () = self.adopted.notified() => {}
                _ = shutdown.changed() => {}
            }
        }
    }

    async fn steer(&self, mut shutdown: watch::Receiver<bool>) {
        let mut news = self.world.ledger.subscribe();
        // What was read before the last stop counts until the config repository says otherwise.
        let known = {
            let facts = self.world.ledger.facts();
            facts.config.zip(facts.config_at)
        };
        if let Some((commit, at)) = known {
            self.load(commit, at).await;
        }
        while !*shutdown.borrow() {
            self.follow_config().await;
            self.settle().await;
            let deadline = self.pause();
            tokio::select! {
                _ = news.changed() => {}
                () = tokio::time::sleep(deadline) => {}
                _ = shutdown.changed() => {}
            }
        }
    }

    /// The planner as it was told last. Whoever wants the facts, too, takes them first: everywhere in the same order, so that nobody waits
    /// for a writer who waits for them.
    pub(crate) fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until time alone may change a verdict; a minute at most, since clocks jump.
    fn pause(&self) -> Duration {
        let now = self.world.clock.now();
        let next = self.planner().next_deadline();
        next.map_or(Duration::from_secs(60), |at| at.since(now).to_std().clamp(Duration::from_millis(5), Duration::from_secs(60)))
    }

    /// Takes over the config repository's head, when it is a new one.
    async fn follow_config(&self) {
        let found = {
            let facts = self.world.ledger.facts();
            let branch = facts.branches.get(&(self.world.config.url.clone(), self.world.config.branch.clone()));
            branch.and_then(|branch| Some((branch.commits.first()?.id, branch.looked_at)))
        };
        if let Some((head, looked_at)) = found
            && self.world.current().commit != Some(head)
        {
            self.load(head, looked_at).await;
        }
    }

    /// Reads the config repository at `commit`, which a look found that began at `looked_at`.
    async fn load(&self, commit: CommitId, looked_at: Timestamp) {
        let read = async {
            let mirror = self.world.mirrors.with_commit(&self.world.config.url, commit).await.map_err(|e| e.to_string())?;
            self.world.catalogs.at(&mirror, commit).await.map_err(|e| e.to_string())
        };
        match read.await {
            Ok(snapshot) => self.adopt(snapshot, looked_at).await,
            // What was read before goes on counting.
            Err(error) => tracing::error!(%commit, %error, "the config repository cannot be read"),
        }
    }

    async fn adopt(&self, snapshot: Arc<Snapshot>, looked_at: Timestamp) {
        let Some(commit) = snapshot.commit else { return };
        let errors = u32::try_from(snapshot.errors()).unwrap_or(u32::MAX);
        let is_new = self.world.ledger.facts().config != Some(commit);
        if is_new {
            let event = Event::ConfigSeen { commit, errors };
            // Reading takes a while, and a change may be merged meanwhile: what is read counts from the look that found it.
            if let Err(error) = self.world.ledger.append(None, "towpath", looked_at, vec![event]).await {
                tracing::error!(%commit, %error, "the new head of the config repository could not be recorded; trying again");
                return;
            }
        }
        observe::catch_up(&self.world, &self.world.current().catalog, &snapshot.catalog).await;
        let now = self.world.clock.now();
        {
            let facts = self.world.ledger.facts();
            let mut planner = self.planner();
            planner.set_catalog(Arc::clone(&snapshot.catalog), &facts, now);
            self.plans.fetch_add(1, Ordering::SeqCst);
            // Before anybody else plans: never by the one catalog what is shown with the other.
            self.world.set_current(snapshot);
        }
        self.adopted.notify_one();
    }

    /// Plans and acts until there is nothing to act on.
    async fn settle(&self) {
        // Each round either leaves a fact behind or ends the loop; the bound is for the case that neither happens.
        for _ in 0..1000 {
            let actions = self.replan();
            if actions.is_empty() {
                return;
            }
            let mut progress = false;
            for action in actions {
                progress |= self.act(action).await;
            }
            if !progress {
                return;
            }
        }
        tracing::warn!("planning does not settle; going on at the next event");
    }

    fn replan(&self) -> Vec<Action> {
        self.follow();
        self.planner().actions()
    }

    /// Tells the planner of everything that is recorded by now, and of the time. Pages do so before they look: what they show is never older
    /// than the newest event. Answers with the number of its plans, which is another one once a verdict is another one.
    ///
    /// Not to be called by who holds the facts or the planner.
    pub(crate) fn follow(&self) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = self.world.ledger.facts();
        let now = self.world.clock.now();
        let mut planner = self.planner();
        let mut is_new = match self.world.ledger.touched_since(*seen) {
            Some((latest, keys)) => {
                let is_merged =
                    |key: &FactKey| matches!(key, FactKey::Change(id) if facts.changes.get(id).is_some_and(|c| c.merged.is_some()));
                if keys.iter().any(is_merged) {
                    self.merged.notify_one();
                }
                *seen = latest;
                !planner.touch(&facts, &keys, now).is_empty()
            }
            None => {
                let catalog = Arc::clone(&self.world.current().catalog);
                *planner = Planner::new(catalog, &facts, now);
                *seen = self.world.ledger.latest();
                true
            }
        };
        is_new |= !planner.tick(&facts, now).is_empty();
        self.plans.fetch_add(u64::from(is_new), Ordering::SeqCst) + u64::from(is_new)
    }

    /// Does one thing. Answers whether a fact came of it.
    async fn act(&self, action: Action) -> bool {
        match action {
            Action::Render { target, commit } => {
                if let Some(target) = self.world.current().catalog.targets.get(&target).cloned() {
                    self.rendering.begin(&self.world, target, commit);
                }
                // The fact comes later, and wakes the loop.
                false
            }
            Action::LookAtImage { image, requirements, .. } => {
                self.looking.begin(&self.world, *image, requirements);
                false
            }
            Action::Run { spec } => {
                let id = spec.id.clone();
                match self.append(Event::RunQueued(*spec)).await {
                    Ok(()) => true,
                    // Decided on facts that are outdated by now: the run is there.
                    Err(LedgerError::AlreadyQueued { .. }) => false,
                    Err(error) => {
                        tracing::error!(run = %id, %error, "the run could not be queued; trying again");
                        false
                    }
                }
            }
            Action::Supersede { run, by } => {
                let outcome = Outcome::Superseded { by };
                match self.world.ledger.withdraw(&run, outcome, None, "towpath", self.world.clock.now()).await {
                    Ok(_) => true,
                    // A worker was faster.
                    Err(LedgerError::NotQueued { .. } | LedgerError::RunOver { .. }) => false,
                    Err(error) => {
                        tracing::error!(%run, %error, "the run could not be withdrawn; trying again");
                        false
                    }
                }
            }
            // Grouped into runs by the planner; nothing is left to do.
            Action::Promote { .. } => false,
        }
    }

    async fn append(&self, event: Event) -> Result<(), LedgerError> {
        self.world.ledger.append(None, "towpath", self.world.clock.now(), vec![event]).await.map(|_| ())
    }
}
