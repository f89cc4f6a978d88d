//! All that one planning looks at, and what it notes while looking.

use std::cell::{Cell, RefCell};

use towpath_domain::{ChangeId, CommitId, ImageRef, TargetId, Timestamp};

use crate::change::ChangeIndex;
use crate::clock::Clock;
use crate::event::{Render, RenderOutcome};
use crate::facts::{BranchFact, ChangeFact, Facts, TargetFact};
use crate::gate::{self, Passed};
use crate::ids;
use crate::index::{Index, TargetView};
use crate::order::Order;
use crate::policy::{Times, Urgency};
use crate::secrets;
use crate::verdict::Hold;

/// All that planning looks at. What depends on time goes through `clock`, what depends on the config repository's head
/// through [`World::config_tried`], so that both are noted.
pub(crate) struct World<'a> {
    pub(crate) index: &'a Index,
    pub(crate) facts: &'a Facts,
    pub(crate) changes: &'a ChangeIndex,
    pub(crate) clock: Clock,
    times: Times,
    read_config: Cell<bool>,
    watched: RefCell<Vec<Watched>>,
    unknown: TargetFact,
    focus: Cell<Option<Focus<'a>>>,
}

/// What is asked again and again while one target is planned, looked up once.
#[derive(Clone, Copy)]
struct Focus<'a> {
    /// Which view that is, told by where it lies.
    view: *const TargetView,
    order: Option<Order<'a>>,
    renders: &'a [Render],
}

/// A fact that a verdict depends on, and that nothing in the catalog ties to its subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Watched {
    Change(ChangeId),
    Image(ImageRef),
}

/// What planning one subject noted.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// When time alone may change the verdict.
    pub(crate) valid_until: Option<Timestamp>,
    /// The config repository's head was asked for.
    pub(crate) read_config: bool,
    /// Facts that were looked up by their name.
    pub(crate) watched: Vec<Watched>,
}

impl<'a> World<'a> {
    pub(crate) fn new(index: &'a Index, facts: &'a Facts, changes: &'a ChangeIndex, now: Timestamp) -> Self {
        Self {
            index,
            facts,
            changes,
            clock: Clock::new(now),
            times: Times::default(),
            read_config: Cell::new(false),
            watched: RefCell::default(),
            unknown: TargetFact::default(),
            focus: Cell::new(None),
        }
    }

    /// What was noted since the last call.
    pub(crate) fn take_notes(&self) -> Notes {
        Notes { valid_until: self.clock.take_next(), read_config: self.read_config.take(), watched: self.watched.take() }
    }

    /// What is known of a target's deploys; nothing, if there were none.
    pub(crate) fn fact(&self, target: &TargetId) -> &TargetFact {
        self.facts.targets.get(target).unwrap_or(&self.unknown)
    }

    /// Looks up what planning `view` asks again and again.
    pub(crate) fn focus(&self, view: &TargetView) {
        self.focus.set(None);
        self.focus.set(Some(Focus { view, order: self.order(view), renders: self.renders(view) }));
    }

    fn focused(&self, view: &TargetView) -> Option<Focus<'a>> {
        self.focus.get().filter(|focus| std::ptr::eq(focus.view, view))
    }

    pub(crate) fn order(&self, view: &TargetView) -> Option<Order<'a>> {
        match self.focused(view) {
            Some(focus) => focus.order,
            None => Order::of(view.branch.as_ref().and_then(|branch| self.facts.branches.get(branch))),
        }
    }

    /// The last renderings of a target, newest last.
    pub(crate) fn renders(&self, view: &TargetView) -> &'a [Render] {
        match self.focused(view) {
            Some(focus) => focus.renders,
            None => self.facts.renders.get(&view.target.id).map(Vec::as_slice).unwrap_or_default(),
        }
    }

    pub(crate) fn gate(&self, view: &TargetView, commit: CommitId) -> Result<Passed, Vec<Hold>> {
        gate::check(&view.rules, self.facts, &self.clock, commit)
    }

    /// Freezes, windows and schedule that hold `view` now.
    pub(crate) fn times(&self, view: &TargetView, urgency: Urgency) -> Vec<Hold> {
        self.times.holds(&self.clock, &view.times, view.target.promotion.schedule.as_ref(), urgency)
    }

    /// How urgent it is that `view` comes to `commit`.
    pub(crate) fn urgency(&self, view: &TargetView, commit: CommitId) -> Urgency {
        let current = self.fact(&view.target.id).current.as_ref().map(|current| current.commit);
        let leaves_blocked = current.is_some_and(|current| current != commit && view.rules.is_blocked(current));
        if leaves_blocked || view.rules.is_hotfix(commit) { Urgency::Urgent } else { Urgency::Ordinary }
    }

    /// What a change is tried at now.
    pub(crate) fn config_tried(&self) -> String {
        self.read_config.set(true);
        ids::change_tried(self.facts.config, None)
    }

    /// What this change is tried at now.
    pub(crate) fn change_tried(&self, fact: &ChangeFact) -> String {
        self.read_config.set(true);
        ids::change_tried(self.facts.config, fact.open.as_ref())
    }

    /// Whether the catalog is known to hold what was merged as `commit` at `at`.
    pub(crate) fn config_holds(&self, commit: CommitId, at: Timestamp) -> bool {
        self.read_config.set(true);
        self.facts.config == Some(commit) || self.config_follows(commit) || self.facts.config_at.is_some_and(|read| read > at)
    }

    /// Whether the catalog's commit is known to stand on `commit`: both are on one branch as it was last seen.
    fn config_follows(&self, commit: CommitId) -> bool {
        let Some(config) = self.facts.config else { return false };
        let place = |branch: &BranchFact, wanted| branch.commits.iter().position(|known| known.id == wanted);
        // Commits stand newest first.
        self.facts.branches.values().any(|branch| place(branch, config).is_some_and(|at| place(branch, commit) >= Some(at)))
    }

    /// Notes that the verdict depends on a change that no edit ties to the subject.
    pub(crate) fn watch(&self, change: &ChangeId) {
        self.watched.borrow_mut().push(Watched::Change(change.clone()));
    }

    /// Notes that the verdict depends on what is known of an image.
    pub(crate) fn watch_image(&self, image: &ImageRef) {
        self.watched.borrow_mut().push(Watched::Image(image.clone()));
    }

    /// What a target's objects at `commit` come to, with its parameters and secrets as they are.
    pub(crate) fn render(&self, view: &TargetView, commit: CommitId) -> Option<&'a Render> {
        let is_current = |render: &&Render| secrets::is_current(render, &view.target, &view.secret_paths, self.facts);
        self.renders(view).iter().rev().find(|render| render.commit == commit && is_current(render))
    }

    /// Whether the target is a post-deploy test, as its newest rendering tells; `None` when it was never rendered.
    pub(crate) fn only_jobs(&self, view: &TargetView) -> Option<bool> {
        self.renders(view).iter().rev().find_map(|render| match render.outcome {
            RenderOutcome::Rendered { only_jobs, .. } => Some(only_jobs),
            RenderOutcome::Failed { .. } => None,
        })
    }
}
