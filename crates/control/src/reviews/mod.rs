//! Changes on a hosted forge: what people and checks say of each open one, what Towpath says there, and when it may be merged.
//!
//! Level-triggered: each look goes over all open changes and finds said what was said before. Nothing here merges anything: that a change may
//! be merged is recorded as a fact, and the planner makes a run of it.

mod checks;
mod look;
mod plan;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use towpath_domain::{CommitId, Span};
use towpath_engine::{ChangeFact, Event, OpenChange};
use towpath_forge::{ForgeError, Number, Pull, PullState};
use towpath_runs::World;

use crate::steer::Control;
use look::Look;

/// The shortest pause between two looks, however much happens.
const PAUSE: Duration = Duration::from_secs(1);

/// For how long a plan that is shown on a change is taken to be the same while neither the change nor the config repository moved.
const PLAN_IS_GOOD_FOR: Duration = Duration::from_secs(60);

/// Looks at open changes until `shutdown` turns true. On plain Git there is nothing to look at.
pub(crate) async fn keep_reviewing(control: Arc<Control>, pace: Span, mut shutdown: watch::Receiver<bool>) {
    let world = &control.world;
    if !world.config.forge.abilities().comments {
        return;
    }
    let mut reviews = Reviews { control: Arc::clone(&control), plans: BTreeMap::new() };
    let mut news = world.ledger.subscribe();
    let mut seen = None;
    let mut next = Instant::now();
    while !*shutdown.borrow() {
        let interest = interest(world);
        if Instant::now() >= next || seen.as_ref() != Some(&interest) {
            if let Err(error) = reviews.look().await {
                tracing::warn!(%error, "open changes cannot be looked at; they are looked at again");
            }
            seen = Some(interest);
            next = Instant::now() + pace.to_std();
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = shutdown.changed() => return,
            }
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = control.reviewed.notified() => seen = None,
            _ = news.changed() => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// What makes a look worth while before its time: another head of the config repository, or changes that were just opened or begun anew.
type Interest = (Option<CommitId>, BTreeSet<String>);

fn interest(world: &World) -> Interest {
    let facts = world.ledger.facts();
    // A retry that somebody asked for, too, is seen to where the forge's queue is looked at.
    let news = |open: &OpenChange| open.stamp.is_empty() || (open.again && !open.ready);
    let fresh = |fact: &&ChangeFact| fact.active.is_none() && fact.open.as_ref().is_some_and(news);
    (facts.config, facts.changes.values().filter(fresh).map(|fact| fact.spec.id.to_string()).collect())
}

/// Why a look did not come to an end. Nothing is lost: the next one goes over everything again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewError {
    /// The forge or its repository.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The config repository.
    #[error("{0}")]
    Config(String),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] towpath_ledger::Error),
}

impl From<towpath_git::GitError> for ReviewError {
    fn from(error: towpath_git::GitError) -> Self {
        Self::Forge(error.into())
    }
}

/// The looks at open changes.
struct Reviews {
    control: Arc<Control>,
    /// Plans that are shown, by change.
    plans: BTreeMap<Number, Shown>,
}

/// A plan that is shown on a change.
struct Shown {
    /// Of this head, onto this base.
    of: (CommitId, CommitId),
    since: Instant,
    plan: plan::Difference,
}

impl Reviews {
    /// One look at all open changes. What stands in the way of one stands in the way of no other.
    async fn look(&mut self) -> Result<(), ReviewError> {
        let forge = Arc::clone(&self.control.world.config.forge);
        let pulls = forge.open_pulls().await?;
        self.plans.retain(|number, _| pulls.iter().any(|pull| pull.number == *number));
        let around = Look::begin(&self.control.world).await?;
        for pull in &pulls {
            if let Err(error) = self.one(&around, pull).await {
                tracing::warn!(change = pull.number.0, url = pull.url, %error, "this change cannot be looked at; it is looked at again");
            }
        }
        self.ended(&pulls).await
    }

    /// What is over without a run of Towpath's having ended it.
    async fn ended(&self, pulls: &[Pull]) -> Result<(), ReviewError> {
        let world = &self.control.world;
        let open: Vec<(towpath_domain::ChangeId, Number)> = {
            let facts = world.ledger.facts();
            let gone = |fact: &&ChangeFact| fact.active.is_none() && fact.merged.is_none();
            let numbered =
                facts.changes.values().filter(gone).filter_map(|fact| Some((fact.spec.id.clone(), Number(fact.open.as_ref()?.number))));
            numbered.filter(|(_, number)| pulls.iter().all(|pull| pull.number != *number)).collect()
        };
        for (change, number) in open {
            let Some(pull) = world.config.forge.pull(number).await? else { continue };
            let merged = match pull.state {
                // It was opened a moment ago.
                PullState::Open => continue,
                PullState::Merged { commit } => Some(commit.unwrap_or(pull.head)),
                PullState::Closed => None,
            };
            // A run may have begun, or ended it, meanwhile.
            let still = world.ledger.facts().changes.get(&change).is_some_and(|fact| fact.active.is_none() && fact.open.is_some());
            if still {
                let ended = Event::ChangeEnded { change, merged };
                world.ledger.append(None, "towpath", world.clock.now(), vec![ended]).await?;
            }
        }
        Ok(())
    }
}
