//! What becomes of changes: queued by Towpath, seen on a forge, ended by somebody else.

use towpath_domain::{ChangeId, CommitId, RunId, Timestamp};

use crate::event::{ChangeSpec, OpenChange};
use crate::facts::{ChangeFact, FactKey, Facts};

/// Ended changes kept per kind, merged ones and failed ones each.
const CHANGES_MAX: usize = 200;

impl Facts {
    pub(super) fn change_queued(&mut self, at: Timestamp, run: &RunId, change: &ChangeSpec) {
        let fact = self.changes.entry(change.id.clone()).or_insert_with(|| new(change, at));
        if fact.merged.take().is_some() {
            // The same change once more, after a person undid it in Git.
            fact.opened_at = at;
        }
        fact.spec = change.clone();
        fact.superseded = None;
        (fact.closed, fact.replaced) = (false, false);
        fact.runs += 1;
        fact.active = Some(run.clone());
        for replaced in &change.replaces {
            if let Some(fact) = self.changes.get_mut(replaced) {
                (fact.open, fact.replaced) = (None, true);
            }
        }
    }

    /// A change as its forge has it now.
    pub(super) fn change_seen(&mut self, at: Timestamp, spec: &ChangeSpec, open: &OpenChange) -> Vec<FactKey> {
        let fact = self.changes.entry(spec.id.clone()).or_insert_with(|| new(spec, at));
        if fact.merged.is_some() || fact.replaced {
            // It was merged, or a newer one took its place, while somebody looked.
            return Vec::new();
        }
        fact.spec = spec.clone();
        fact.open = Some(open.clone());
        fact.closed = false;
        fact.refused = red(&open.failed);
        vec![FactKey::Change(spec.id.clone())]
    }

    /// A change that somebody else merged or closed.
    pub(super) fn change_ended(&mut self, at: Timestamp, change: &ChangeId, merged: Option<CommitId>) -> Vec<FactKey> {
        let Some(fact) = self.changes.get_mut(change) else { return Vec::new() };
        let was_open = fact.open.take().is_some();
        match merged {
            Some(commit) => (fact.merged, fact.refused) = (Some((commit, at)), None),
            // What Towpath itself closed is open no more when that is seen.
            None => fact.closed |= was_open,
        }
        let spec = fact.spec.clone();
        let mut touched = vec![FactKey::Change(change.clone())];
        touched.extend(self.cut_changes(&spec));
        touched
    }

    pub(super) fn cut_changes(&mut self, ended: &ChangeSpec) -> Vec<FactKey> {
        let merged = self.changes.get(&ended.id).is_some_and(|fact| fact.merged.is_some());
        let alike = |fact: &&ChangeFact| {
            fact.kind() == ended.kind && fact.active.is_none() && fact.open.is_none() && fact.merged.is_some() == merged
        };
        let mut ends: Vec<_> = self
            .changes
            .values()
            .filter(alike)
            .map(|fact| (fact.merged.map(|(_, at)| at).or(fact.failure.as_ref().map(|f| f.at)).unwrap_or(fact.opened_at), &fact.spec.id))
            .collect();
        let surplus = ends.len().saturating_sub(CHANGES_MAX);
        if surplus == 0 {
            return Vec::new();
        }
        ends.sort();
        let cut: Vec<_> = ends.into_iter().take(surplus).map(|(_, id)| id.clone()).collect();
        for id in &cut {
            self.changes.remove(id);
        }
        cut.into_iter().map(FactKey::Change).collect()
    }
}

/// What checks that failed on the forge say against a change.
fn red(failed: &[String]) -> Option<String> {
    match failed {
        [] => None,
        [one] => Some(format!("the check {one} failed")),
        many => Some(format!("the checks {} failed", many.join(", "))),
    }
}

fn new(spec: &ChangeSpec, at: Timestamp) -> ChangeFact {
    ChangeFact {
        spec: spec.clone(),
        runs: 0,
        active: None,
        merged: None,
        failure: None,
        superseded: None,
        opened_at: at,
        open: None,
        closed: false,
        replaced: false,
        refused: None,
    }
}
