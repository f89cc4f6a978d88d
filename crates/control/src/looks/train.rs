//! The train: commits of an app's sources that are not in production yet, oldest first.

use std::sync::Arc;

use towpath_catalog::Source;
use towpath_engine::Facts;

use super::piece::Piece;
use super::shape::{Shape, is_last};
use super::tracks::{Tracks, has_reached};
use crate::sight::{Scope, Sight};
use crate::view::{CommitView, WaitingCommit};

/// How many waiting commits of an app are told one by one; of more, the oldest.
const LISTED: usize = 50;

/// A commit of a train.
#[derive(Clone)]
pub(crate) struct Waiting {
    view: WaitingCommit,
    /// Where it got to, and where it waits: who may not see that is not told.
    reached: Option<Scope>,
    next: Option<Scope>,
    /// How far it got without any target.
    before: &'static str,
}

/// All that trains are made of.
pub(crate) struct Yard<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) facts: &'a Facts,
    pub(crate) tracks: &'a Tracks,
    pub(crate) pieces: &'a [Arc<Piece>],
    pub(crate) is_test: &'a dyn Fn(&str) -> bool,
}

impl Yard<'_> {
    /// The train of an app.
    pub(crate) fn train(&self, app: &str) -> Vec<Waiting> {
        let sources = self.shape.sources.get(app).into_iter().flatten();
        let mut train: Vec<Waiting> = sources.flat_map(|source| self.of_source(source)).collect();
        train.sort_by_key(|waiting| waiting.view.since);
        train
    }

    fn of_source(&self, source: &Source) -> Vec<Waiting> {
        let (facts, catalog) = (self.facts, &self.shape.snapshot.catalog);
        let (Some(track), Some(branch), Some(way)) = (
            self.tracks.get(&source.url, &source.branch),
            facts.branches.get(&(source.url.clone(), source.branch.clone())),
            self.shape.ways.get(&source.url),
        ) else {
            return Vec::new();
        };
        let way: Vec<&Arc<Piece>> = way.iter().filter_map(|at| self.pieces.get(*at)).collect();
        let last = way.iter().filter(|piece| is_last(catalog, &piece.target, self.is_test));
        let waiting = last.map(|piece| match piece.runs() {
            // What it runs the branch may have forgotten, or never had: then nobody can say what waits.
            Some(commit) => track.place(commit).unwrap_or(0),
            // Nothing ever came so far: what was there before the first look is not waited for.
            None => branch.seen.len().min(branch.commits.len()),
        });
        let waiting = waiting.max().unwrap_or(0);
        let builds = facts.builds.get(&source.name);
        // The oldest first, also of those that came together.
        let commits = branch.commits.iter().enumerate().take(waiting).rev();
        commits
            .map(|(place, commit)| {
                let reached = |piece: &&&Arc<Piece>| has_reached(Some(track), piece.runs(), commit.id);
                let is_built = builds.and_then(|all| all.get(&commit.id)).is_some_and(|build| build.built.is_some());
                let before = if is_built { "built" } else { "merged" };
                let furthest = way.iter().rev().find(reached);
                let next = way.iter().find(|piece| !reached(piece));
                let view = WaitingCommit {
                    source: source.name.clone(),
                    commit: CommitView {
                        id: commit.id,
                        subject: Some(commit.subject.clone()),
                        author: Some(commit.author.clone()),
                        at: Some(commit.at),
                    },
                    since: track.since(place).unwrap_or(commit.at),
                    reached: furthest.map_or_else(|| before.to_owned(), |piece| piece.target.environment.to_string()),
                    waits_for: next.map(|piece| format!("{}: {}", piece.cell.name, piece.cell.summary)).unwrap_or_default(),
                };
                Waiting { view, reached: furthest.map(|piece| piece.scope()), next: next.map(|piece| piece.scope()), before }
            })
            .collect()
    }
}

/// The beginning of a train, and how many more there are; of places that may not be seen nothing is told.
pub(crate) fn listed(train: Option<&Arc<Vec<Waiting>>>, sight: &Sight) -> (Vec<WaitingCommit>, u32) {
    let Some(train) = train else { return (Vec::new(), 0) };
    let more = train.len().saturating_sub(LISTED);
    let told = train.iter().take(LISTED).map(|waiting| {
        let mut view = waiting.view.clone();
        if waiting.reached.as_ref().is_some_and(|scope| !sight.sees_scope(scope)) {
            waiting.before.clone_into(&mut view.reached);
        }
        if waiting.next.as_ref().is_some_and(|scope| !sight.sees_scope(scope)) {
            view.waits_for.clear();
        }
        view
    });
    (told.collect(), u32::try_from(more).unwrap_or(u32::MAX))
}
