//! With whom a promotion goes: with those of the same channels and commit, with a batch, or with what is left of a batch that did not pass.
//!
//! A batch that its checks refused is split into halves, by the order of its targets, what must move together kept together; each half that is
//! refused is split again, until whoever it is about stands alone. Nothing is remembered but the changes themselves: who was in one that was
//! refused, with the very same move, goes only with others of the same half of the smallest such change, and never again with anybody else.

use towpath_domain::{ChangeId, CommitId, TargetId};

use crate::batch::{BatchRule, Waiting};
use crate::change::makes;
use crate::facts::ChangeFact;
use crate::index::TargetView;
use crate::world::World;

/// With whom a promotion goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Company {
    /// With those that must move together with it, and nobody else.
    Alike,
    /// With whoever else is ready when the batch closes.
    Batch { rule: BatchRule, waiting: Waiting },
    /// With those that it was in a change with: that one is to be merged, or tried again.
    Again(ChangeId),
    /// With those in the same half of a batch that was refused.
    Half { of: ChangeId, second: bool, why: String },
}

/// With whom `view` goes to `to`, when nothing holds it. `batch` says how it would wait for others, where it would.
pub(crate) fn company(world: &World<'_>, view: &TargetView, to: CommitId, batch: impl FnOnce() -> Option<Company>) -> Company {
    let target = &view.target.id;
    let known = world.changes.of(target).iter().filter_map(|id| world.facts.changes.get(id));
    // The smallest says most of who it was; one that people see is what they talk about.
    let last = known.filter(|fact| tells(fact) && makes(&fact.spec, view, to)).min_by_key(|fact| {
        let replaced = fact.open.is_none();
        (replaced, fact.spec.edits.len(), &fact.spec.id)
    });
    match last {
        Some(fact) if fact.is_split() => half(fact, target),
        Some(fact) if fact.refused.is_some() => Company::Alike,
        Some(fact) if fact.spec.parts.len() > 1 || view.batching.is_some() => Company::Again(fact.spec.id.clone()),
        _ => batch().unwrap_or(Company::Alike),
    }
}

/// Whether a change says anything of whom its targets go with.
fn tells(fact: &ChangeFact) -> bool {
    let alive = fact.merged.is_none() && !fact.closed;
    alive && (fact.refused.is_some() || (!fact.replaced && (fact.open.is_some() || fact.failure.is_some())))
}

fn half(fact: &ChangeFact, target: &TargetId) -> Company {
    let parts = &fact.spec.parts;
    let at = parts.iter().position(|part| part.contains(target)).unwrap_or(0);
    let why = fact.refused.clone().unwrap_or_default();
    Company::Half { of: fact.spec.id.clone(), second: at >= parts.len().div_ceil(2), why }
}
