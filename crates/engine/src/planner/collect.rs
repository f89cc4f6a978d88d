//! Verdicts that depend on who else waits: batches, decided once all of their members are planned, and the changes that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use towpath_domain::{ChangeId, TargetId, Timestamp};

use super::{Planned, Planner, Slot};
use crate::batch::{BatchRule, Turn, Waiting, turns};
use crate::change::moved;
use crate::event::ChangeSpec;
use crate::group::{self, Bundle, Member};
use crate::split::Company;
use crate::target::collecting;
use crate::verdict::{Action, Hold, State, Verdict};

/// Both verdicts on a target whose promotion may have to wait for others.
#[derive(Debug)]
pub(super) struct Batched {
    /// When it goes.
    goes: Verdict,
    /// What is said of all else meanwhile.
    apart: Verdict,
    /// With which of the batches of its rule it goes.
    number: Option<u32>,
}

impl Batched {
    pub(super) fn new(goes: Verdict, apart: Verdict) -> Self {
        Self { goes, apart, number: None }
    }
}

/// Who waits for others, by the policy that says so, and of which policies that is not decided yet.
#[derive(Debug, Default)]
pub(super) struct Batches {
    members: BTreeMap<Arc<str>, BTreeSet<Slot>>,
    open: BTreeSet<Arc<str>>,
}

impl Batches {
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.open.clear();
    }

    pub(super) fn add(&mut self, slot: &Slot, planned: &Planned) {
        if let Some((rule, _)) = waiting(planned) {
            self.members.entry(rule.policy.clone()).or_default().insert(slot.clone());
            self.open.insert(rule.policy.clone());
        }
    }

    pub(super) fn remove(&mut self, slot: &Slot, planned: &Planned) {
        let Some((rule, _)) = waiting(planned) else { return };
        if let Some(members) = self.members.get_mut(&rule.policy) {
            members.remove(slot);
            if members.is_empty() {
                self.members.remove(&rule.policy);
            }
        }
        self.open.insert(rule.policy.clone());
    }
}

fn waiting(planned: &Planned) -> Option<(&BatchRule, &Waiting)> {
    match planned.note.as_ref().filter(|_| planned.batched.is_some()).map(|note| &note.company)? {
        Company::Batch { rule, waiting } => Some((rule, waiting)),
        Company::Alike | Company::Again(_) | Company::Half { .. } => None,
    }
}

impl Planner {
    /// Decides whose turn it is in all batches of which a member was planned. What was said of the others goes to `before`, if it is not there.
    pub(super) fn collect(&mut self, now: Timestamp, before: &mut BTreeMap<Slot, Option<Verdict>>) {
        for policy in std::mem::take(&mut self.batches.open) {
            let slots: Vec<Slot> = self.batches.members.get(&policy).into_iter().flatten().cloned().collect();
            let members: Vec<_> = slots.iter().filter_map(|slot| waiting(self.planned(slot)?)).collect();
            let Some((rule, _)) = members.first().copied() else { continue };
            let rule = rule.clone();
            let waiting: Vec<Waiting> = members.into_iter().map(|(_, waiting)| waiting.clone()).collect();
            let turns = turns(&rule.batching, &waiting, now);
            for (slot, Waiting { target, .. }) in slots.into_iter().zip(waiting) {
                let Some(turn) = turns.get(&target) else { continue };
                let Some(mut planned) = self.forget(&slot) else { continue };
                let verdict = take_turn(&mut planned, &rule, *turn);
                let old = std::mem::replace(&mut planned.verdict, verdict);
                before.entry(slot.clone()).or_insert(Some(old));
                self.keep(slot, Some(planned));
            }
        }
        // What was put back is decided.
        self.batches.open.clear();
    }

    /// The runs that carry out the promotions of `slots`.
    pub(super) fn changes_of(&self, slots: &[&Slot]) -> Vec<Action> {
        let mut bundles: BTreeMap<Bundle<'_>, Vec<Member<'_>>> = BTreeMap::new();
        for (slot, planned) in slots.iter().filter_map(|slot| Some((*slot, self.planned(slot)?))) {
            let (Some(note), Some(target)) = (&planned.note, self.target_of(slot)) else { continue };
            let bundle = match &note.company {
                Company::Alike => Bundle::Alike(&note.together),
                Company::Again(change) => Bundle::Again(change),
                Company::Half { of, second, .. } => Bundle::Half(of, *second),
                Company::Batch { rule, .. } => {
                    Bundle::Batch(&rule.policy, planned.batched.as_ref().and_then(|batched| batched.number).unwrap_or_default())
                }
            };
            bundles.entry(bundle).or_default().push(Member { target, note });
        }
        let mut taken: BTreeSet<&TargetId> = BTreeSet::new();
        let mut changes = Vec::with_capacity(bundles.len());
        for mut members in bundles.into_values() {
            if let Some(Company::Batch { rule, .. }) = members.first().map(|member| &member.note.company) {
                self.take_along(&mut members, rule.batching.limit as usize, &mut taken);
            }
            changes.extend(group::run(members, &self.changes, &self.config));
        }
        changes
    }

    /// A newer version of one target closes the open batch that the older one was in: the others of that go along, rather than each for itself
    /// behind it. Where there is no room for all of them, they are a batch of their own.
    fn take_along<'a>(&'a self, members: &mut Vec<Member<'a>>, limit: usize, taken: &mut BTreeSet<&'a TargetId>) {
        let Some(change) = group::change(members) else { return };
        for replaced in self.changes.replaced_by(&change) {
            let others = self.changes.targets(&replaced).iter().filter(|target| !moves(&change, target) && !taken.contains(target));
            let others: Vec<Member<'a>> = others.filter_map(|target| self.along(target, &replaced)).collect();
            if members.len() + others.len() <= limit {
                taken.extend(others.iter().map(|member| member.target));
                members.extend(others);
            }
        }
    }

    /// A target that waits for the open change `replaced`, and goes along with who replaces it.
    fn along<'a>(&'a self, target: &'a TargetId, replaced: &ChangeId) -> Option<Member<'a>> {
        let planned = self.planned(&Slot::Target(*self.index.target_ids.get(target)?))?;
        let State::Held { holds } = &planned.verdict.state else { return None };
        let waits = holds.iter().any(|hold| matches!(hold, Hold::ChangeOpen { change, .. } if change == replaced));
        let note = planned.note.as_deref().filter(|_| waits)?;
        Some(Member { target, note })
    }

    fn target_of(&self, slot: &Slot) -> Option<&TargetId> {
        match slot {
            Slot::Target(at) => Some(&self.index.view(*at).target.id),
            Slot::Source(_) | Slot::Change(_) => None,
        }
    }
}

fn moves(change: &ChangeSpec, target: &TargetId) -> bool {
    moved(change).any(|(moved, ..)| moved == target)
}

/// The verdict that follows for one whose turn it is, or is not.
fn take_turn(planned: &mut Planned, rule: &BatchRule, turn: Turn) -> Verdict {
    let (Some(batched), Some(note)) = (&mut planned.batched, &planned.note) else { return planned.verdict.clone() };
    match turn {
        Turn::Goes(number) => {
            batched.number = Some(number);
            batched.goes.clone()
        }
        Turn::Waits(until) => {
            batched.number = None;
            let hold = Hold::Batching {
                commit: note.to,
                until,
                limit: rule.batching.limit,
                policy: rule.policy.to_string(),
                place: rule.batching.place.clone(),
            };
            let mut verdict = collecting(batched.apart.clone(), note.to, hold);
            verdict.valid_until = Some(verdict.valid_until.map_or(until, |valid| valid.min(until)));
            verdict
        }
    }
}
