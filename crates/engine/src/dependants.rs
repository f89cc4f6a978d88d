//! Who looks at what: which verdicts a fact or a target can change.

use rustc_hash::FxHashSet;
use towpath_domain::{ChangeId, TargetId};

use crate::change::ChangeIndex;
use crate::event::Subject;
use crate::facts::{FactKey, Facts};
use crate::index::{Index, TargetView};
use crate::planner::Slot;

/// A growing set of those who must be planned again.
#[derive(Debug, Default)]
pub(crate) struct Dependants {
    targets: FxHashSet<TargetId>,
    sources: FxHashSet<u32>,
    changes: FxHashSet<ChangeId>,
}

impl Dependants {
    /// Adds who looks at a fact. Config, changes and images are the planner's own business; nothing is planned from memory.
    pub(crate) fn of_fact(&mut self, index: &Index, facts: &Facts, key: &FactKey) {
        match key {
            FactKey::Config | FactKey::Change(_) | FactKey::Image(_) | FactKey::Memory(_) => {}
            // Planned by themselves, pool by pool and source by source.
            FactKey::Installation | FactKey::Pool(_) | FactKey::Namespace(_) | FactKey::Reservation(_) => {}
            FactKey::Check(_) | FactKey::CheckedTrees(_) => {}
            FactKey::Secret(path) => {
                for at in index.secret_users.get(path).into_iter().flatten() {
                    self.of_target_and_tested(index, index.view(*at));
                }
            }
            FactKey::Branch(url, branch) => {
                if let Some(followers) = index.branch_followers.get(&(url.clone(), branch.clone())) {
                    self.sources.extend(&followers.sources);
                    for at in &followers.targets {
                        self.of_target_and_tested(index, index.view(*at));
                    }
                }
            }
            FactKey::Build(source, _) => {
                if let Some(at) = index.source_ids.get(source) {
                    self.sources.insert(*at);
                    for at in &index.source(*at).targets {
                        self.of_target_and_tested(index, index.view(*at));
                    }
                }
            }
            FactKey::Renders(target) => {
                if let Some(view) = index.target(target) {
                    self.of_target_and_tested(index, view);
                }
            }
            FactKey::Target(target) | FactKey::Evidence(_, target) => self.of_target(index, target),
            FactKey::OpenRun(run) => match facts.open_runs.get(run).map(|open| &open.subject) {
                Some(Subject::Target(target)) => self.of_target(index, target),
                Some(Subject::Source(source)) => self.sources.extend(index.source_ids.get(source)),
                Some(Subject::Change(change)) => {
                    self.changes.insert(change.clone());
                }
                Some(Subject::Check(_)) | None => {}
            },
        }
    }

    /// Adds a target, and all whose verdict looks at its deploys.
    pub(crate) fn of_target(&mut self, index: &Index, target: &TargetId) {
        if let Some(view) = index.target(target) {
            self.around(index, view);
        }
    }

    /// Adds all whose verdict looks at what the catalog says of a target.
    pub(crate) fn of_view(&mut self, index: &Index, view: &TargetView, changes: &ChangeIndex) {
        self.around(index, view);
        self.changes.extend(changes.of(&view.target.id).iter().cloned());
    }

    /// The target; those it tests or rests on; those that rest on it or test it; and those that these rest on together with it,
    /// since a test waits until all that it tests runs the same.
    fn around(&mut self, index: &Index, view: &TargetView) {
        self.of_target_and_tested(index, view);
        for subscriber in &view.subscribers {
            self.of_target_and_tested(index, index.view(*subscriber));
        }
    }

    fn of_target_and_tested(&mut self, index: &Index, view: &TargetView) {
        self.targets.insert(view.target.id.clone());
        self.targets.extend(view.publishers.iter().map(|at| index.view(*at).target.id.clone()));
    }

    /// All that were added and are still there.
    pub(crate) fn slots(self, index: &Index) -> impl Iterator<Item = Slot> {
        let targets = self.targets.into_iter().filter_map(|id| index.target_ids.get(&id).copied());
        let sources = self.sources.into_iter().filter(|at| (*at as usize) < index.sources.len());
        targets.map(Slot::Target).chain(sources.map(Slot::Source)).chain(self.changes.into_iter().map(Slot::Change))
    }
}
