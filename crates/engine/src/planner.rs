//! Planning: from scratch, and again only where something changed.

mod collect;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use towpath_catalog::Catalog;
use towpath_domain::{ChangeId, Timestamp};

use crate::change::ChangeIndex;
use crate::dependants::Dependants;
use crate::event::Subject;
use crate::facts::{FactKey, Facts};
use crate::ids;
use crate::index::Index;
use crate::promotion::Note;
use crate::target::Said;
use crate::verdict::{Action, State, Verdict};
use crate::world::{Notes, Watched, World};
use crate::{build, change, parallel, target};
use collect::{Batched, Batches};

/// What the planner says of everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The verdict on each subject.
    pub verdicts: BTreeMap<Subject, Verdict>,
    /// What follows from them, promotions that belong together in one change.
    pub actions: Vec<Action>,
}

/// Plans everything from scratch: a pure function of what it is given.
#[must_use]
pub fn plan(catalog: &Catalog, facts: &Facts, now: Timestamp) -> Plan {
    let planner = Planner::from_catalog(catalog, facts, now);
    let actions = planner.actions();
    let Planner { index, sources, targets, change_plans, .. } = planner;
    let sources = index.sources.iter().zip(sources).map(|(view, planned)| (Subject::Source(view.source.name.clone()), planned));
    let targets = index.targets.iter().zip(targets).map(|(view, planned)| (Subject::Target(view.target.id.clone()), planned));
    let changes = change_plans.into_iter().map(|(id, planned)| (Subject::Change(id), Some(planned)));
    let verdicts = sources.chain(targets).chain(changes).filter_map(|(subject, planned)| Some((subject, planned?.verdict))).collect();
    Plan { verdicts, actions }
}

/// Which subject, densely. Ordered as [`Subject`] is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Slot {
    Source(u32),
    Target(u32),
    Change(ChangeId),
}

/// A verdict, and what it takes to keep it true.
#[derive(Debug)]
struct Planned {
    verdict: Verdict,
    note: Option<Box<Note>>,
    /// Its promotion waits for others, or would if they were not complete.
    batched: Option<Box<Batched>>,
    read_config: bool,
    watched: Vec<Watched>,
}

/// The same as [`plan`], kept true from one moment to the next at a cost that grows with what changed.
///
/// After each call, all verdicts are those that [`plan`] gives for the same catalog, facts and moment. The order of
/// calls is up to the caller, but for one: a new config head is applied to the facts together with its catalog, and
/// [`Planner::set_catalog`] comes before any look at the actions.
#[derive(Debug, Default)]
pub struct Planner {
    /// What the index was built of.
    catalog: Option<Arc<Catalog>>,
    index: Index,
    changes: ChangeIndex,
    config: String,
    targets: Vec<Option<Planned>>,
    sources: Vec<Option<Planned>>,
    change_plans: BTreeMap<ChangeId, Planned>,
    deadlines: BTreeSet<(Timestamp, Slot)>,
    acting: BTreeSet<Slot>,
    config_readers: FxHashSet<Slot>,
    watchers: FxHashMap<Watched, BTreeSet<Slot>>,
    batches: Batches,
    /// The moment of the last call.
    last: Timestamp,
}

impl Planner {
    /// Plans everything.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, facts: &Facts, now: Timestamp) -> Self {
        let planner = Self::from_catalog(&catalog, facts, now);
        Self { catalog: Some(catalog), ..planner }
    }

    fn from_catalog(catalog: &Catalog, facts: &Facts, now: Timestamp) -> Self {
        let mut planner = Self { changes: ChangeIndex::new(facts), config: ids::change_tried(facts.config, None), ..Self::default() };
        planner.use_index(Index::new(catalog, facts));
        planner.plan_all(facts, now);
        planner
    }

    /// Takes up another catalog, replans what it says something else of, and what is due at `now`. Returns the subjects
    /// of which the catalog says something else, and those whose verdict is another one now; such as are gone are not
    /// among them.
    pub fn set_catalog(&mut self, catalog: Arc<Catalog>, facts: &Facts, now: Timestamp) -> Vec<Subject> {
        let old = self.catalog.replace(Arc::clone(&catalog));
        self.config = ids::change_tried(facts.config, None);
        if let Some(changed) = old.and_then(|old| self.index.refresh(&old, &catalog)) {
            let mut dependants = Dependants::default();
            changed.into_iter().for_each(|at| dependants.of_view(&self.index, self.index.view(at), &self.changes));
            let mut slots = self.due(facts, now);
            slots.extend(self.config_readers.iter().cloned());
            slots.extend(dependants.slots(&self.index));
            return self.replan(slots, facts, now);
        }
        self.rebuild(&catalog, facts, now)
    }

    /// Builds the index anew, and keeps what is planned of all that the catalog says the same of.
    fn rebuild(&mut self, catalog: &Catalog, facts: &Facts, now: Timestamp) -> Vec<Subject> {
        let old_index = std::mem::take(&mut self.index);
        let (old_targets, old_sources) = (std::mem::take(&mut self.targets), std::mem::take(&mut self.sources));
        self.clear();
        self.use_index(Index::new(catalog, facts));

        let mut differing = BTreeSet::new();
        let mut dependants = Dependants::default();
        for (old, planned) in old_index.targets.iter().zip(old_targets) {
            match self.index.target_ids.get(&old.target.id) {
                Some(at) if self.index.view(*at).same(old) => self.keep(Slot::Target(*at), planned),
                // Who looked at the target before looks elsewhere now.
                _ => dependants.of_view(&old_index, old, &self.changes),
            }
        }
        for (old, planned) in old_index.sources.iter().zip(old_sources) {
            match self.index.source_ids.get(&old.source.name) {
                Some(at) if self.index.source(*at).same(old) => self.keep(Slot::Source(*at), planned),
                _ => old.targets.iter().for_each(|at| dependants.of_view(&old_index, old_index.view(*at), &self.changes)),
            }
        }
        let before: Vec<ChangeId> = self.change_plans.keys().cloned().collect();
        for id in before {
            let planned = self.change_plans.remove(&id);
            self.keep(Slot::Change(id), planned);
        }
        for (view, at) in self.index.targets.iter().zip(0_u32..) {
            if self.targets.get(at as usize).is_none_or(Option::is_none) {
                differing.insert(Slot::Target(at));
                dependants.of_view(&self.index, view, &self.changes);
            }
        }
        for (view, at) in self.index.sources.iter().zip(0_u32..) {
            if self.sources.get(at as usize).is_none_or(Option::is_none) {
                differing.insert(Slot::Source(at));
                view.targets.iter().for_each(|at| dependants.of_view(&self.index, self.index.view(*at), &self.changes));
            }
        }
        differing.extend(self.config_readers.iter().cloned());
        // Which images a source builds may be another question now.
        let of_image = |(watched, slots)| matches!(watched, &Watched::Image(_)).then_some(slots);
        differing.extend(self.watchers.iter().filter_map(of_image).flat_map(|slots: &BTreeSet<Slot>| slots.iter().cloned()));
        differing.extend(dependants.slots(&self.index));
        differing.extend(self.due(facts, now));
        self.replan(differing, facts, now)
    }

    /// Takes up the facts named by `keys`, as [`Facts::apply`] returned them; replans who depends on them, and what is due
    /// at `now`. Returns the subjects whose verdict is another one now.
    pub fn touch(&mut self, facts: &Facts, keys: &[FactKey], now: Timestamp) -> Vec<Subject> {
        let mut dependants = Dependants::default();
        let mut slots = self.due(facts, now);
        for key in keys {
            match key {
                FactKey::Config => {
                    self.config = ids::change_tried(facts.config, None);
                    slots.extend(self.config_readers.iter().cloned());
                }
                FactKey::Change(id) => {
                    slots.insert(Slot::Change(id.clone()));
                    slots.extend(self.watchers.get(&Watched::Change(id.clone())).into_iter().flatten().cloned());
                    for target in self.changes.update(id, facts) {
                        dependants.of_target(&self.index, &target);
                    }
                }
                FactKey::Image(image) => slots.extend(self.watchers.get(&Watched::Image(image.clone())).into_iter().flatten().cloned()),
                // A target that no file names, while one is broken: it closes gates, and who is behind them must be found first.
                FactKey::Evidence(channel, target) if self.index.add_lost(channel, target) => slots.extend(Self::all(&self.index, facts)),
                other => dependants.of_fact(&self.index, facts, other),
            }
        }
        slots.extend(dependants.slots(&self.index));
        self.replan(slots, facts, now)
    }

    /// Replans what is due at `now`. Returns the subjects whose verdict is another one now.
    pub fn tick(&mut self, facts: &Facts, now: Timestamp) -> Vec<Subject> {
        let due = self.due(facts, now);
        self.replan(due, facts, now)
    }

    /// Plans everything anew, with the catalog as it was prepared: what [`Planner::new`] does, without preparing the catalog.
    ///
    /// `facts` are those that this planner was told of by [`Planner::touch`].
    pub fn plan_again(&mut self, facts: &Facts, now: Timestamp) {
        self.config = ids::change_tried(facts.config, None);
        self.changes = ChangeIndex::new(facts);
        self.clear();
        self.change_plans.clear();
        self.plan_all(facts, now);
    }

    /// The verdict on a subject, if there is such a subject.
    #[must_use]
    pub fn verdict(&self, subject: &Subject) -> Option<&Verdict> {
        let planned = match subject {
            Subject::Source(name) => self.sources.get(*self.index.source_ids.get(name)? as usize)?.as_ref(),
            Subject::Target(id) => self.targets.get(*self.index.target_ids.get(id)? as usize)?.as_ref(),
            Subject::Change(id) => self.change_plans.get(id),
            // Pull requests have a plan of their own: [`plan_checks`](crate::check::plan_checks).
            Subject::Check(_) => None,
        };
        planned.map(|planned| &planned.verdict)
    }

    /// All verdicts, in the order of their subjects.
    pub fn verdicts(&self) -> impl Iterator<Item = (Subject, &Verdict)> {
        let sources =
            self.index.sources.iter().zip(&self.sources).map(|(view, planned)| (Subject::Source(view.source.name.clone()), planned));
        let targets =
            self.index.targets.iter().zip(&self.targets).map(|(view, planned)| (Subject::Target(view.target.id.clone()), planned));
        let changes = self.change_plans.iter().map(|(id, planned)| (Subject::Change(id.clone()), &planned.verdict));
        sources.chain(targets).filter_map(|(subject, planned)| Some((subject, &planned.as_ref()?.verdict))).chain(changes)
    }

    /// What is to be done now, in the order of the subjects: promotions that belong together in one change, at the end.
    ///
    /// Costs as much as there are subjects that act.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut promoted = Vec::new();
        let mut runs = FxHashSet::default();
        for (slot, planned) in self.acting.iter().filter_map(|slot| Some((slot, self.planned(slot)?))) {
            let State::Act { action } = &planned.verdict.state else { continue };
            match action {
                Action::Promote { .. } => promoted.push(slot),
                Action::Run { spec } if !runs.insert(&spec.id) => {}
                action => actions.push(action.clone()),
            }
        }
        actions.extend(self.changes_of(&promoted));
        actions
    }

    /// When time alone may next change a verdict.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn use_index(&mut self, index: Index) {
        self.targets.resize_with(index.targets.len(), || None);
        self.sources.resize_with(index.sources.len(), || None);
        self.index = index;
    }

    /// Clears what was noted of all plans.
    fn clear(&mut self) {
        self.deadlines.clear();
        self.acting.clear();
        self.config_readers.clear();
        self.watchers.clear();
        self.batches.clear();
    }

    fn all(index: &Index, facts: &Facts) -> Vec<Slot> {
        let sources = (0..).zip(&index.sources).map(|(at, _)| Slot::Source(at));
        let targets = (0..).zip(&index.targets).map(|(at, _)| Slot::Target(at));
        sources.chain(targets).chain(facts.changes.keys().cloned().map(Slot::Change)).collect()
    }

    /// What time alone may have changed. When clocks were put back, that is everything: what was reached is not any more.
    fn due(&mut self, facts: &Facts, now: Timestamp) -> BTreeSet<Slot> {
        if std::mem::replace(&mut self.last, now) > now {
            return Self::all(&self.index, facts).into_iter().collect();
        }
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, slot)| slot.clone()).collect()
    }

    fn planned(&self, slot: &Slot) -> Option<&Planned> {
        match slot {
            Slot::Source(at) => self.sources.get(*at as usize)?.as_ref(),
            Slot::Target(at) => self.targets.get(*at as usize)?.as_ref(),
            Slot::Change(id) => self.change_plans.get(id),
        }
    }

    fn subject(&self, slot: &Slot) -> Subject {
        match slot {
            Slot::Source(at) => Subject::Source(self.index.source(*at).source.name.clone()),
            Slot::Target(at) => Subject::Target(self.index.view(*at).target.id.clone()),
            Slot::Change(id) => Subject::Change(id.clone()),
        }
    }

    /// Plans `slots` anew. Returns those whose verdict is another one than before.
    fn replan(&mut self, slots: BTreeSet<Slot>, facts: &Facts, now: Timestamp) -> Vec<Subject> {
        let index = std::mem::take(&mut self.index);
        let changes = std::mem::take(&mut self.changes);
        let mut before: BTreeMap<Slot, Option<Verdict>> = BTreeMap::new();
        {
            let world = World::new(&index, facts, &changes, now);
            for slot in slots {
                let planned = plan_one(&world, &slot);
                let old = self.forget(&slot);
                before.insert(slot.clone(), old.map(|planned| planned.verdict));
                self.keep(slot, planned);
            }
        }
        (self.index, self.changes) = (index, changes);
        self.collect(now, &mut before);
        let differs = |(slot, before): &(Slot, Option<Verdict>)| self.planned(slot).map(|planned| &planned.verdict) != before.as_ref();
        before.into_iter().filter(differs).map(|(slot, _)| self.subject(&slot)).collect()
    }

    /// Plans all that there is, when nothing was planned before.
    fn plan_all(&mut self, facts: &Facts, now: Timestamp) {
        self.last = now;
        let index = std::mem::take(&mut self.index);
        let changes = std::mem::take(&mut self.changes);
        {
            let slots = Self::all(&index, facts);
            let planned = parallel::batches(&slots, |slots| {
                let world = World::new(&index, facts, &changes, now);
                slots.iter().map(|slot| plan_one(&world, slot)).collect()
            });
            slots.into_iter().zip(planned).for_each(|(slot, planned)| self.keep(slot, planned));
        }
        (self.index, self.changes) = (index, changes);
        self.collect(now, &mut BTreeMap::new());
    }

    /// Takes a plan out, and all that was noted of it.
    fn forget(&mut self, slot: &Slot) -> Option<Planned> {
        let planned = match slot {
            Slot::Source(at) => self.sources.get_mut(*at as usize)?.take()?,
            Slot::Target(at) => self.targets.get_mut(*at as usize)?.take()?,
            Slot::Change(id) => self.change_plans.remove(id)?,
        };
        if let Some(at) = planned.verdict.valid_until {
            self.deadlines.remove(&(at, slot.clone()));
        }
        self.acting.remove(slot);
        self.batches.remove(slot, &planned);
        self.config_readers.remove(slot);
        for watched in &planned.watched {
            if let Some(watchers) = self.watchers.get_mut(watched) {
                watchers.remove(slot);
                if watchers.is_empty() {
                    self.watchers.remove(watched);
                }
            }
        }
        Some(planned)
    }

    /// Puts a plan in, and notes what it takes to keep it true.
    fn keep(&mut self, slot: Slot, planned: Option<Planned>) {
        let Some(planned) = planned else { return };
        if let Some(at) = planned.verdict.valid_until {
            self.deadlines.insert((at, slot.clone()));
        }
        if matches!(planned.verdict.state, State::Act { .. }) {
            self.acting.insert(slot.clone());
        }
        self.batches.add(&slot, &planned);
        if planned.read_config {
            self.config_readers.insert(slot.clone());
        }
        for watched in &planned.watched {
            self.watchers.entry(watched.clone()).or_default().insert(slot.clone());
        }
        match slot {
            Slot::Source(at) => {
                if let Some(place) = self.sources.get_mut(at as usize) {
                    *place = Some(planned);
                }
            }
            Slot::Target(at) => {
                if let Some(place) = self.targets.get_mut(at as usize) {
                    *place = Some(planned);
                }
            }
            Slot::Change(id) => {
                self.change_plans.insert(id, planned);
            }
        }
    }
}

/// Plans one subject; `None` when there is no such subject (any more).
fn plan_one(world: &World<'_>, slot: &Slot) -> Option<Planned> {
    let said = match slot {
        Slot::Source(at) => build::plan(world, world.index.source(*at)).into(),
        Slot::Target(at) => target::plan(world, world.index.view(*at)),
        Slot::Change(id) => change::plan(world, world.facts.changes.get(id)?).into(),
    };
    let Notes { valid_until, read_config, watched } = world.take_notes();
    let Said { mut verdict, note, apart } = said;
    verdict.valid_until = valid_until;
    let batched = apart.map(|apart| Box::new(Batched::new(verdict.clone(), Verdict { valid_until, ..*apart })));
    Some(Planned { verdict, note, batched, read_config, watched })
}
