//! One target, and one source, as pages show them.

use std::sync::Arc;

use towpath_catalog::{Catalog, Source, Target};
use towpath_domain::CommitId;
use towpath_engine::{Facts, RenderOutcome, State, Subject, Verdict};

use super::shape::Place;
use super::standing::{Standing, hold_name};
use crate::commits::Commits;
use crate::places::of_target;
use crate::sight::Scope;
use crate::status::{unplanned, verdict_in};
use crate::view::{CellView, CommitView};

/// A target in the picture.
pub(crate) struct Piece {
    pub(crate) target: Arc<Target>,
    /// How many promotions lead to it at most.
    pub(crate) depth: usize,
    pub(crate) standing: Standing,
    /// Names of the holds.
    pub(crate) holds: Vec<String>,
    pub(crate) cell: CellView,
    /// What all of this says in words: as long as the planner says the same, so does it.
    pub(crate) verdict: Option<Verdict>,
}

impl Piece {
    pub(crate) fn new(
        catalog: &Catalog,
        facts: &Facts,
        commits: &Commits<'_>,
        place: &Place,
        verdict: Option<&Verdict>,
        behind: Option<usize>,
    ) -> Self {
        let target = &place.target;
        let fact = facts.targets.get(&target.id);
        let current = fact.and_then(|fact| fact.current.as_ref());
        let said = verdict.map_or_else(unplanned, |v| verdict_in(catalog, commits, Some(&target.url), &place.name, v));
        let holds = match verdict.map(|verdict| &verdict.state) {
            Some(State::Held { holds }) => holds.iter().map(hold_name).collect(),
            _ => Vec::new(),
        };
        let standing = verdict.map_or(Standing::Waiting, Standing::of);
        let cell = CellView {
            target: target.id.clone(),
            name: place.name.clone(),
            is_test: is_test(facts, target),
            state: standing.word().to_owned(),
            commit: current.map(|current| commits.view(Some(&target.url), current.commit)),
            since: current.map(|current| current.at),
            wanted: said.wanted.filter(|wanted| current.is_none_or(|current| current.commit != wanted.id)),
            summary: said.summary,
            hold: said.holds.into_iter().next(),
            run: fact.and_then(|fact| fact.active.as_ref()).map(|active| active.run.clone()),
            behind: behind.and_then(|behind| u32::try_from(behind).ok()),
        };
        Self { target: Arc::clone(target), depth: place.depth, standing, holds, cell, verdict: verdict.cloned() }
    }

    /// Where it is, as permissions name it.
    pub(crate) fn scope(&self) -> Scope {
        of_target(&self.target)
    }

    /// What runs there.
    pub(crate) fn runs(&self) -> Option<CommitId> {
        self.cell.commit.as_ref().map(|commit| commit.id)
    }
}

/// Whether all that acts among its objects is jobs, as far as it was rendered yet.
fn is_test(facts: &Facts, target: &Target) -> bool {
    let newest = facts.renders.get(&target.id).and_then(|all| all.last());
    newest.is_some_and(|render| matches!(render.outcome, RenderOutcome::Rendered { only_jobs: true, .. }))
}

/// A source in the picture.
pub(crate) struct Spring {
    pub(crate) source: Arc<Source>,
    pub(crate) standing: Standing,
    pub(crate) head: Option<CommitView>,
}

impl Spring {
    pub(crate) fn new(facts: &Facts, commits: &Commits<'_>, source: &Arc<Source>, verdict: Option<&Verdict>) -> Self {
        let branch = facts.branches.get(&(source.url.clone(), source.branch.clone()));
        Self {
            source: Arc::clone(source),
            standing: verdict.map_or(Standing::Waiting, Standing::of),
            head: branch.and_then(|branch| branch.commits.first()).map(|head| commits.view(Some(&source.url), head.id)),
        }
    }

    /// What the planner calls it.
    pub(crate) fn subject(source: &Source) -> Subject {
        Subject::Source(source.name.clone())
    }
}
