//! A change where people see it: opened, waited for, and merged once all is there that it needs.
//!
//! No worker waits for people. The run that opens a change ends when it is open; what people and checks say is looked at by others, and the
//! run that merges it begins when the facts say that it may be.

use serde::{Deserialize, Serialize};
use towpath_domain::{CommitId, FailureClass};
use towpath_engine::{ChangeSpec, OpenChange, Outcome};
use towpath_forge::{CloseOutcome, MergeOrder, Number, PullState};

use super::change::{Ended, Found, Proposed, ROUNDS, check, git, land, propose, restless, taken_over};
use super::edits;
use crate::journal::{Journal, Stop};
use crate::world::World;

/// Where a change is for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shown {
    number: u64,
    url: String,
}

/// Opens a change, or merges it when everything is there.
pub(super) async fn run(world: &World, journal: &Journal, spec: &ChangeSpec) -> Result<Outcome, Stop> {
    // A conflict is ended by a branch from where the config repository is now; else people's approvals stay with the commit they gave them to.
    let asked = |open: OpenChange| open.rebase;
    let mut anew = world.ledger.facts().changes.get(&spec.id).and_then(|fact| fact.open.clone()).is_some_and(asked);
    for round in 1..=ROUNDS {
        let name = |step: &str| if round == 1 { step.to_owned() } else { format!("{step}-{round}") };
        let mut seat = None;
        let found = match &spec.pull {
            Some(pull) => Proposed::Open(pull.head),
            None => journal.step(&name("propose"), || found_or_opened(world, journal, spec, anew)).await?,
        };
        let head = match found {
            Proposed::Open(head) => head,
            Proposed::Nothing(commit) => return Ok(Outcome::Merged { commit }),
        };
        if round == 1 {
            close_replaced(world, journal, spec).await?;
        }
        let open = world.ledger.facts().changes.get(&spec.id).and_then(|fact| fact.open.clone());
        let Some(open) = open.filter(|open| open.ready && open.head == head) else {
            return opened(world, journal, spec, head, "its checks, and whoever has to approve it").await;
        };
        let (base, merge) = match journal.step(&name("check"), || check(world, journal, spec, head, &mut seat)).await? {
            Found::Passed { base, merge } => (base, merge),
            Found::Merged(commit) => return Ok(Outcome::Merged { commit }),
            Found::Conflict if spec.pull.is_some() => {
                return waits(open, "it conflicts with the config repository: its author must rebase it");
            }
            Found::Conflict => {
                journal.note("the config repository moved, and this change does not merge with it: it is made anew");
                anew = true;
                continue;
            }
        };
        if open.again {
            journal.step(&name("queue-again"), || queue_again(world, journal, Number(open.number), head)).await?;
        }
        let order = MergeOrder { id: spec.id.clone(), base, head, commit: merge };
        let number = spec.pull.as_ref().map(|pull| Number(pull.number));
        match journal.step(&name("merge"), || land(world, journal, &order, number, seat)).await? {
            Ended::Merged(commit) => return Ok(Outcome::Merged { commit }),
            Ended::Waits(why) => return waits(open, &why),
            Ended::Moved => journal.note("the config repository moved meanwhile: checking again"),
        }
    }
    Err(restless())
}

/// Puts what the forge's queue threw out there once more, for somebody asked for that.
async fn queue_again(world: &World, journal: &Journal, number: Number, head: CommitId) -> Result<(), Stop> {
    world.config.forge.queue_again(number, head).await.map_err(git)?;
    journal.note("put into the forge's queue once more");
    Ok(())
}

/// The open change as it is, where it is Towpath's own and still says what is wanted; else a new one.
async fn found_or_opened(world: &World, journal: &Journal, spec: &ChangeSpec, anew: bool) -> Result<Proposed, Stop> {
    let forge = &world.config.forge;
    let Some(there) = forge.find(&spec.id).await.map_err(git)? else { return propose(world, journal, spec).await };
    if !there.by_towpath {
        step_back(world, spec).await?;
        return Err(taken_over(Some(there.head)));
    }
    match still_wanted(world, spec).await {
        Ok(true) if anew || !is_open(world, spec).await? => propose(world, journal, spec).await,
        Ok(true) => Ok(Proposed::Open(there.head)),
        Ok(false) => {
            close(world, journal, spec, there.head, "the config repository says so already").await?;
            propose(world, journal, spec).await
        }
        Err(Stop::Superseded { by }) => {
            close(world, journal, spec, there.head, &by).await?;
            Err(Stop::Superseded { by })
        }
        Err(other) => Err(other),
    }
}

/// Whether people see it as open: its branch stays where somebody closes it.
async fn is_open(world: &World, spec: &ChangeSpec) -> Result<bool, Stop> {
    let pull = world.config.forge.pull_of(&spec.id).await.map_err(git)?;
    Ok(pull.is_some_and(|pull| pull.state == PullState::Open))
}

/// Whether the config repository does not say already what the change wants.
async fn still_wanted(world: &World, spec: &ChangeSpec) -> Result<bool, Stop> {
    let mirror = world.mirrors.get(&world.config.url).await.map_err(git)?;
    mirror.fetch().await.map_err(git)?;
    let Some(base) = mirror.resolve(&world.config.branch).await.map_err(git)? else {
        return Err(Stop::failed(FailureClass::Environment, format!("{} has no branch {}", world.config.url, world.config.branch)));
    };
    let snapshot = world.catalogs.at(&mirror, base).await.map_err(|e| Stop::failed(e.source.class(), e))?;
    Ok(!edits::files(&mirror, base, &snapshot, spec).await?.is_empty())
}

/// Closes what this change takes the place of; one that people took over is theirs.
pub(super) async fn close_replaced(world: &World, journal: &Journal, spec: &ChangeSpec) -> Result<(), Stop> {
    for replaced in &spec.replaces {
        let Some(there) = world.config.forge.find(replaced).await.map_err(git)? else { continue };
        if there.by_towpath {
            let refused = world.ledger.facts().changes.get(replaced).and_then(|fact| fact.refused.clone());
            let why = match refused {
                Some(refused) => format!("it did not pass, and goes in parts: {refused}"),
                None => format!("a newer version takes its place: {}", spec.title),
            };
            let closed = world.config.forge.close(replaced, there.head, &why).await.map_err(git)?;
            tell_closed(journal, replaced.as_str(), &why, closed);
        }
    }
    Ok(())
}

async fn close(world: &World, journal: &Journal, spec: &ChangeSpec, head: CommitId, why: &str) -> Result<(), Stop> {
    let closed = world.config.forge.close(&spec.id, head, why).await.map_err(git)?;
    tell_closed(journal, spec.id.as_str(), why, closed);
    Ok(())
}

fn tell_closed(journal: &Journal, id: &str, why: &str, closed: CloseOutcome) {
    match closed {
        CloseOutcome::Closed => journal.note(format!("closed {id}: {why}")),
        CloseOutcome::HeadMoved { now } => journal.note(format!("{id} is at {} now, which is somebody else's and stays", now.short(12))),
    }
}

/// Says on the change itself that it is people's now.
async fn step_back(world: &World, spec: &ChangeSpec) -> Result<(), Stop> {
    let forge = &world.config.forge;
    let Some(pull) = forge.pull_of(&spec.id).await.map_err(git)? else { return Ok(()) };
    let text = "Somebody pushed to this branch, so it is theirs now: Towpath changes it no more. It is merged as a change of a person's is, \
                once it is checked and approved. To have Towpath's own back, delete the branch and retry.";
    forge.comment(pull.number, "stepped-back", text).await.map_err(git)
}

/// It is open, and nobody works on it until the facts say more.
async fn opened(world: &World, journal: &Journal, spec: &ChangeSpec, head: CommitId, waits: &str) -> Result<Outcome, Stop> {
    let shown = journal.step("show", || show(world, spec)).await?;
    journal.note(format!("open at {}, waiting for {waits}", shown.url));
    Ok(Outcome::Opened { number: shown.number, url: shown.url, head, waits: waits.to_owned() })
}

async fn show(world: &World, spec: &ChangeSpec) -> Result<Shown, Stop> {
    let pull = world.config.forge.pull_of(&spec.id).await.map_err(git)?;
    let pull = pull.ok_or_else(|| {
        Stop::failed(FailureClass::Environment, format!("{} does not show the change that was just opened", world.config.forge.name()))
    })?;
    Ok(Shown { number: pull.number.0, url: pull.url })
}

fn waits(open: OpenChange, why: &str) -> Result<Outcome, Stop> {
    Ok(Outcome::Opened { number: open.number, url: open.url, head: open.head, waits: why.to_owned() })
}
