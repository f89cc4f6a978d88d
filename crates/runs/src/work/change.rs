//! Carries a change into the config repository: propose, check on the merged result, merge.

use serde::{Deserialize, Serialize};
use towpath_domain::{CommitId, FailureClass};
use towpath_engine::{ChangeSpec, Outcome};
use towpath_forge::{MergeOrder, MergeOutcome, Number, Proposal, Proposed as Answer};

use super::{edits, page};
use crate::journal::{Journal, Stop};
use crate::train::{Checked, Passenger, Seat};
use crate::world::World;

/// How often a config repository that moves meanwhile is followed before the change waits for a calmer moment.
pub(super) const ROUNDS: u32 = 20;

/// What proposing came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Proposed {
    /// The branch stands at this commit.
    Open(CommitId),
    /// The config repository, at this commit, says all of it already.
    Nothing(CommitId),
}

/// What checking came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Found {
    /// All passed on this merge of base and branch.
    Passed { base: CommitId, merge: CommitId },
    /// It does not merge with where the config repository is by then.
    Conflict,
    /// It is merged already, by a worker that died or by another Towpath.
    Merged(CommitId),
}

/// What merging came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Ended {
    Merged(CommitId),
    Moved,
    /// For the forge, which merges it once all is there that it wants.
    Waits(String),
}

/// Carries a change out.
pub(crate) async fn run(world: &World, journal: &Journal, spec: &ChangeSpec) -> Result<Outcome, Stop> {
    if world.config.forge.abilities().comments {
        return super::reviewed::run(world, journal, spec).await;
    }
    for round in 1..=ROUNDS {
        let name = |step: &str| if round == 1 { step.to_owned() } else { format!("{step}-{round}") };
        let mut seat = None;
        let head = match journal.step(&name("propose"), || propose(world, journal, spec)).await? {
            Proposed::Open(head) => head,
            Proposed::Nothing(commit) => return Ok(Outcome::Merged { commit }),
        };
        if round == 1 {
            super::reviewed::close_replaced(world, journal, spec).await?;
        }
        let (base, merge) = match journal.step(&name("check"), || check(world, journal, spec, head, &mut seat)).await? {
            Found::Passed { base, merge } => (base, merge),
            Found::Merged(commit) => return Ok(Outcome::Merged { commit }),
            Found::Conflict => {
                journal.note("the config repository moved, and this change does not merge with it: it is made anew");
                continue;
            }
        };
        let order = MergeOrder { id: spec.id.clone(), base, head, commit: merge };
        match journal.step(&name("merge"), || land(world, journal, &order, None, seat)).await? {
            Ended::Merged(commit) => return Ok(Outcome::Merged { commit }),
            Ended::Moved => journal.note("the config repository moved meanwhile: checking again"),
            Ended::Waits(why) => return Err(Stop::failed(FailureClass::Environment, why)),
        }
    }
    Err(restless())
}

/// The config repository does not hold still.
pub(super) fn restless() -> Stop {
    Stop::failed(
        FailureClass::Environment,
        format!("the config repository moved {ROUNDS} times while this change was checked; it is tried again"),
    )
}

pub(crate) fn git(error: impl Into<towpath_forge::ForgeError>) -> Stop {
    match error.into() {
        towpath_forge::ForgeError::Git(error) => Stop::git(&error),
        other => Stop::failed(other.class(), other),
    }
}

/// Makes the branch, from the config repository's head as it is now.
pub(super) async fn propose(world: &World, journal: &Journal, spec: &ChangeSpec) -> Result<Proposed, Stop> {
    let mirror = world.mirrors.get(&world.config.url).await.map_err(git)?;
    mirror.fetch().await.map_err(git)?;
    let Some(base) = mirror.resolve(&world.config.branch).await.map_err(git)? else {
        return Err(Stop::failed(FailureClass::Environment, format!("{} has no branch {}", world.config.url, world.config.branch)));
    };
    let snapshot = world.catalogs.at(&mirror, base).await.map_err(|e| Stop::failed(e.source.class(), e))?;
    let edits = edits::files(&mirror, base, &snapshot, spec).await?;
    if edits.is_empty() {
        journal.note("the config repository says so already");
        return Ok(Proposed::Nothing(base));
    }
    let proposal = Proposal {
        id: spec.id.clone(),
        base,
        edits,
        title: spec.title.clone(),
        description: spec.description.clone(),
        page: Some(page::of(spec, world.pages.as_ref(), &world.config.commits)),
        labels: Vec::new(),
        author: edits::author(world, spec),
        at: world.queued_at(journal.run()).await?,
    };
    match world.config.forge.propose(&proposal).await.map_err(git)? {
        Answer::Open { head } => {
            journal.note(format!("proposed {} on {}", head.short(12), base.short(12)));
            Ok(Proposed::Open(head))
        }
        Answer::Merged { .. } => Ok(Proposed::Nothing(base)),
        Answer::TakenOver { head } => Err(taken_over(Some(head))),
    }
}

/// Commits of people on a change's branch are never overwritten.
pub(super) fn taken_over(now: Option<CommitId>) -> Stop {
    Stop::own(format!(
        "somebody pushed to this change's branch (it is at {} now), so Towpath steps back; merge it yourself, or delete the branch and retry",
        now.map_or_else(|| "nothing".to_owned(), |now| now.short(12))
    ))
}

/// Validation and the promotion gate, on what the config repository would be once those before it are merged.
pub(super) async fn check(
    world: &World,
    journal: &Journal,
    spec: &ChangeSpec,
    head: CommitId,
    seat: &mut Option<Seat>,
) -> Result<Found, Stop> {
    let pull = spec.pull.as_ref().map(|pull| Number(pull.number));
    let passenger = Passenger { spec: spec.clone(), head, pull, log: journal.sink() };
    match world.train.check(passenger).await? {
        Checked::Passed { order, seat: taken } => {
            *seat = Some(taken);
            Ok(Found::Passed { base: order.base, merge: order.commit })
        }
        Checked::Conflict { base, paths } => {
            journal.note(format!("conflict with {} in {}", base.short(12), paths.join(", ")));
            Ok(Found::Conflict)
        }
        Checked::Merged(base) => Ok(Found::Merged(base)),
        Checked::HeadMoved(now) => Err(taken_over(now)),
        Checked::Refused(why) => Err(Stop::Refused { why: why.join("; ") }),
    }
}

/// Merges with the others on the train; what was checked by a worker that died is merged alone.
pub(super) async fn land(
    world: &World,
    journal: &Journal,
    order: &MergeOrder,
    pull: Option<Number>,
    seat: Option<Seat>,
) -> Result<Ended, Stop> {
    let outcome = match seat {
        Some(seat) => seat.land().await?,
        None => match pull {
            Some(number) => world.config.forge.merge_pull(number, order).await.map_err(git)?,
            None => world.config.forge.merge(order).await.map_err(git)?,
        },
    };
    match outcome {
        MergeOutcome::Merged { commit } => {
            journal.note(format!("merged as {}", commit.short(12)));
            Ok(Ended::Merged(commit))
        }
        MergeOutcome::Moved { .. } => Ok(Ended::Moved),
        MergeOutcome::HeadMoved { now } => Err(taken_over(now)),
        MergeOutcome::Waits { why } => Ok(Ended::Waits(why)),
        MergeOutcome::Refused { why } => Err(Stop::own(why)),
    }
}
