//! Looks at the pull requests of sources and writes down what is new. A webhook only makes it look sooner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use towpath_catalog::Source;
use towpath_domain::{CheckId, SourceName};
use towpath_engine::Event;
use towpath_engine::check::{CheckEvent, PullRequest};
use towpath_forge::{Forge, ForgeError, Number, Pull, PullState};
use towpath_runs::World;

use super::heard;
use crate::observe::{Pace, may_be_called};
use crate::steer::Control;

/// How many sources are looked at at the same time: more than one forge that does not answer has, as a rule.
const AT_ONCE: usize = 32;

/// The shortest pause between two looks, however much happens.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a repository on this machine is asked whether it changed: a few stat calls.
const LOCAL: Duration = Duration::from_millis(200);

/// How many repositories are remembered by name that are to be looked at; with more, all are.
const NAMES_MAX: usize = 1000;

/// Sources whose pull requests may be new, as somebody said.
#[derive(Default)]
pub(crate) struct Announced {
    said: Mutex<Said>,
    notify: Notify,
}

#[derive(Default)]
struct Said {
    all: bool,
    /// As forges call them.
    names: BTreeSet<String>,
}

impl Announced {
    /// All of them.
    pub(crate) fn all(&self) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).all = true;
        self.notify.notify_one();
    }

    /// Those that a forge may call so.
    pub(crate) fn named(&self, name: &str) {
        {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.names.len() < NAMES_MAX {
                said.names.insert(name.to_owned());
            } else {
                said.all = true;
            }
        }
        self.notify.notify_one();
    }

    fn take(&self) -> Said {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What came of a look.
type Looked = Result<(), LookError>;

/// When a source's turn is.
struct Turn {
    next: Instant,
    /// The look that goes on.
    looking: Option<Id>,
    /// What a repository on this machine looked like when it was last looked at.
    signature: Option<u64>,
}

impl Turn {
    fn new() -> Self {
        Self { next: Instant::now(), looking: None, signature: None }
    }
}

/// Why a look at a source did not come to an end. Nothing is lost: the next one goes over everything again.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    /// The forge or its repository.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] towpath_ledger::Error),
}

/// Looks at the pull requests of all sources that check theirs, until `shutdown` turns true. A forge that does not answer keeps only its own
/// sources waiting.
pub(crate) async fn keep_looking(control: Arc<Control>, pace: Pace, mut shutdown: watch::Receiver<bool>) {
    let world = Arc::clone(&control.world);
    let mut catalogs = world.watch_current();
    let mut turns: BTreeMap<SourceName, Turn> = BTreeMap::new();
    let mut looks: JoinSet<Looked> = JoinSet::new();
    while !*shutdown.borrow() {
        let sources = checked(&world);
        turns.retain(|name, turn| turn.looking.is_some() || sources.iter().any(|source| source.name == *name));
        control.troubled.retain(|name| turns.contains_key(name));
        for source in &sources {
            turns.entry(source.name.clone()).or_insert_with(Turn::new);
        }
        let is_local = hurry_changed(&world, &sources, &mut turns).await;
        begin(&world, &sources, &mut turns, &mut looks, pace);
        tokio::time::sleep(PAUSE).await;
        let idle = turns.values().filter(|turn| turn.looking.is_none()).map(|turn| turn.next).min();
        let mut until = idle.unwrap_or_else(|| Instant::now() + pace.remote.to_std());
        if is_local {
            until = until.min(Instant::now() + LOCAL.max(pace.local.to_std()));
        }
        tokio::select! {
            () = tokio::time::sleep_until(until), if looks.len() < AT_ONCE => {}
            Some(ended) = looks.join_next_with_id() => over(ended, &mut turns, &control),
            () = control.pulled.notify.notified() => {
                let said = control.pulled.take();
                for source in &sources {
                    let is_meant = said.all || said.names.iter().any(|name| may_be_called(&source.url, name));
                    if let Some(turn) = turns.get_mut(&source.name).filter(|_| is_meant) {
                        turn.next = Instant::now();
                    }
                }
            }
            _ = catalogs.changed() => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// Begins the looks that are due: one at a time for each source.
fn begin(world: &Arc<World>, sources: &[Arc<Source>], turns: &mut BTreeMap<SourceName, Turn>, looks: &mut JoinSet<Looked>, pace: Pace) {
    let now = Instant::now();
    for source in sources {
        if looks.len() >= AT_ONCE {
            return;
        }
        if let Some(turn) = turns.get_mut(&source.name).filter(|turn| turn.looking.is_none() && turn.next <= now) {
            turn.next = now + pace.remote.to_std();
            let (world, source) = (Arc::clone(world), Arc::clone(source));
            turn.looking = Some(looks.spawn(async move { look_at(&world, &source).await }).id());
        }
    }
}

/// A look has come to its end.
fn over(ended: Result<(Id, Looked), JoinError>, turns: &mut BTreeMap<SourceName, Turn>, control: &Control) {
    let (id, looked) = match ended {
        Ok((id, looked)) => (id, looked.map_err(|error| error.to_string())),
        Err(error) => (error.id(), Err(format!("the look ended badly: {error}"))),
    };
    let Some((name, turn)) = turns.iter_mut().find(|(_, turn)| turn.looking == Some(id)) else { return };
    turn.looking = None;
    control.troubled.note(name, control.world.clock.now(), looked);
}

/// Has those on this machine looked at that changed. Whether there are any on this machine.
async fn hurry_changed(world: &World, sources: &[Arc<Source>], turns: &mut BTreeMap<SourceName, Turn>) -> bool {
    let git = world.mirrors.git();
    let mut any = false;
    for source in sources {
        if !git.is_local(&source.url).await {
            continue;
        }
        any = true;
        let signature = git.change_signature(&source.url).await;
        if let Some(turn) = turns.get_mut(&source.name).filter(|turn| turn.signature != signature) {
            (turn.signature, turn.next) = (signature, Instant::now());
        }
    }
    any
}

/// Sources whose pull requests are checked.
fn checked(world: &World) -> Vec<Arc<Source>> {
    world.current().catalog.sources.values().filter(|source| source.check.is_some()).cloned().collect()
}

async fn look_at(world: &Arc<World>, source: &Arc<Source>) -> Looked {
    let forge = world.forges.of(&source.url, &source.branch).await?;
    let pulls = forge.open_pulls().await?;
    let first_seen = note(world, source, &pulls).await?;
    ended(world, source, &*forge, &pulls).await?;
    if forge.abilities().comments {
        heard::hear(world, source, &*forge, &pulls, &first_seen).await?;
    }
    Ok(())
}

/// Writes down those that are new or otherwise than before. Answers with those that were never seen before.
async fn note(world: &World, source: &Source, pulls: &[Pull]) -> Result<BTreeSet<CheckId>, LookError> {
    let Some(check) = &source.check else { return Ok(BTreeSet::new()) };
    let (mut events, mut new) = (Vec::new(), BTreeSet::new());
    {
        let facts = world.ledger.facts();
        for pull in pulls.iter().filter(|pull| pull.into == source.branch.as_str() && pull.state == PullState::Open) {
            let is_urgent = |label: &String| check.urgent.iter().any(|urgent| urgent.eq_ignore_ascii_case(label));
            let seen = PullRequest {
                source: source.name.clone(),
                number: pull.number.0,
                url: pull.url.clone(),
                title: pull.title.clone(),
                author: pull.author.clone(),
                branch: pull.branch.clone(),
                from_fork: pull.from_fork,
                head: pull.head,
                urgent: pull.labels.iter().any(is_urgent),
                opened_at: pull.opened_at,
            };
            let known = facts.checks.get(&seen.id());
            if known.is_none() {
                new.insert(seen.id());
            }
            if known.is_none_or(|known| known.pull != seen) {
                events.push(Event::Check(CheckEvent::Seen { pull: seen }));
            }
        }
    }
    if !events.is_empty() {
        world.ledger.append(None, "towpath", world.clock.now(), events).await?;
    }
    Ok(new)
}

/// Writes down those that are no longer open.
async fn ended(world: &World, source: &Source, forge: &dyn Forge, pulls: &[Pull]) -> Result<(), LookError> {
    let gone: Vec<(CheckId, Number)> = {
        let facts = world.ledger.facts();
        let own = facts.checks.iter().filter(|(_, fact)| fact.pull.source == source.name);
        let numbered = own.map(|(id, fact)| (id.clone(), Number(fact.pull.number)));
        numbered.filter(|(_, number)| pulls.iter().all(|pull| pull.number != *number || pull.into != source.branch.as_str())).collect()
    };
    for (check, number) in gone {
        let merged = match forge.pull(number).await? {
            // It was opened, or opened again, a moment ago; or it is for another branch now, which is no business of this source.
            Some(pull) if pull.state == PullState::Open && pull.into == source.branch.as_str() => continue,
            Some(pull) => matches!(pull.state, PullState::Merged { .. }),
            None => false,
        };
        world.ledger.append(None, "towpath", world.clock.now(), vec![Event::Check(CheckEvent::Ended { check, merged })]).await?;
    }
    Ok(())
}
