//! The installation as it is now, in the shape that the board, the graph and the gauges share. When something changes, only what it
//! touches is drawn anew; who looks again before is given the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use towpath_domain::{BranchName, RepoUrl, SourceName, TargetId};
use towpath_engine::{FactKey, Facts, Planner, Subject};
use towpath_ledger::EventId;
use towpath_runs::world::Snapshot;

use super::insight::Figures;
use super::past::Past;
use super::piece::{Piece, Spring};
use super::reports::ReadReports;
use super::shape::Shape;
use super::tracks::Tracks;
use super::train::{Waiting, Yard};
use crate::commits::Commits;
use crate::steer::Control;

/// Everything, as it is now.
pub(crate) struct Picture {
    /// The newest event that it knows.
    pub(crate) event: EventId,
    /// Which plans it shows ([`Control::follow`]).
    plans: u64,
    pub(crate) shape: Arc<Shape>,
    /// In the order of [`Shape::places`].
    pub(crate) pieces: Vec<Arc<Piece>>,
    /// By name.
    pub(crate) sources: Vec<Arc<Spring>>,
    pub(crate) tracks: Arc<Tracks>,
    /// Commits that wait for production, by app, oldest first.
    pub(crate) trains: BTreeMap<String, Arc<Vec<Waiting>>>,
}

/// What pages were last shown, and what makes the next one cheap.
#[derive(Default)]
pub(crate) struct Pictures {
    last: Mutex<Option<Arc<Picture>>>,
    /// What ended so far.
    pub(crate) past: tokio::sync::Mutex<Past>,
    /// Figures that were asked for lately.
    pub(crate) figures: Mutex<Figures>,
    /// Reports that were read lately.
    pub(crate) reports: ReadReports,
}

impl Control {
    /// Reads what ended so far, so that the first who asks for it does not wait.
    pub(crate) async fn remember(&self) {
        if let Err(error) = self.pictures.past.lock().await.catch_up(&self.world.ledger).await {
            tracing::warn!(%error, "what ended so far could not be read; it is tried again when somebody asks");
        }
    }

    /// The picture as it is now: never older than the newest event.
    pub(crate) fn picture(&self) -> Arc<Picture> {
        let mut last = self.pictures.last.lock().unwrap_or_else(PoisonError::into_inner);
        let event = self.world.ledger.latest();
        let plans = self.follow();
        let snapshot = self.world.current();
        let old = last.take().filter(|picture| Arc::ptr_eq(&picture.shape.snapshot, &snapshot));
        if let Some(picture) = old.as_ref().filter(|picture| picture.event == event && picture.plans == plans) {
            let picture = Arc::clone(picture);
            *last = old;
            return picture;
        }
        let shape = old.as_ref().map_or_else(|| Arc::new(Shape::new(Arc::clone(&snapshot))), |old| Arc::clone(&old.shape));
        // Nobody knows any more what so long ago was touched: then anything was.
        let touched = old.as_ref().and_then(|old| self.world.ledger.touched_since(old.event));
        let old = old.as_ref().zip(touched.map(|(_, keys)| Touched::new(keys)));
        let facts = self.world.ledger.facts();
        let picture = Arc::new(draw(shape, &facts, &self.planner(), old, event, plans));
        *last = Some(Arc::clone(&picture));
        picture
    }
}

/// What changed since the last picture.
#[derive(Default)]
struct Touched {
    branches: BTreeSet<(RepoUrl, BranchName)>,
    targets: HashSet<TargetId>,
    builds: HashSet<SourceName>,
}

impl Touched {
    fn new(keys: Vec<FactKey>) -> Self {
        let mut touched = Self::default();
        for key in keys {
            match key {
                FactKey::Branch(url, branch) => {
                    touched.branches.insert((url, branch));
                }
                FactKey::Target(target) | FactKey::Renders(target) => {
                    touched.targets.insert(target);
                }
                FactKey::Build(source, _) => {
                    touched.builds.insert(source);
                }
                // What else is known shows in verdicts alone.
                _ => {}
            }
        }
        touched
    }

    fn has(&self, url: &RepoUrl) -> bool {
        self.branches.iter().any(|(of, _)| of == url)
    }
}

fn draw(shape: Arc<Shape>, facts: &Facts, planner: &Planner, old: Option<(&Arc<Picture>, Touched)>, event: EventId, plans: u64) -> Picture {
    let catalog = &shape.snapshot.catalog;
    let commits = Commits::new(facts);
    let tracks = match &old {
        Some((old, touched)) if touched.branches.is_empty() => Arc::clone(&old.tracks),
        Some((old, touched)) => Arc::new(Tracks::new(facts, Some((&old.tracks, &touched.branches)))),
        None => Arc::new(Tracks::new(facts, None)),
    };
    // Repositories of which something is drawn anew: their trains are, too.
    let mut moved: HashSet<&RepoUrl> = HashSet::new();
    let mut tests_changed = old.is_none();
    let mut pieces: Vec<Arc<Piece>> = Vec::with_capacity(shape.places.len());
    for (at, place) in shape.places.iter().enumerate() {
        let target = &place.target;
        let verdict = planner.verdict(&Subject::Target(target.id.clone()));
        let before = old.as_ref().and_then(|(old, touched)| Some((old.pieces.get(at)?, touched)));
        let same = before.filter(|(piece, touched)| {
            piece.verdict.as_ref() == verdict && !touched.targets.contains(&target.id) && !touched.has(&target.url)
        });
        if let Some((piece, _)) = same {
            pieces.push(Arc::clone(piece));
            continue;
        }
        moved.insert(&target.url);
        let runs = facts.targets.get(&target.id).and_then(|fact| fact.current.as_ref()).map(|current| current.commit);
        let track = shape.branch(target).and_then(|branch| tracks.get(&target.url, branch));
        let piece = Piece::new(catalog, facts, &commits, place, verdict, track.zip(runs).and_then(|(track, runs)| track.place(runs)));
        tests_changed |= before.is_some_and(|(old, _)| old.cell.is_test != piece.cell.is_test);
        pieces.push(Arc::new(piece));
    }
    let spring = |source| Arc::new(Spring::new(facts, &commits, source, planner.verdict(&Spring::subject(source))));
    let sources = catalog.sources.values().map(spring).collect();
    let tests: HashMap<&str, bool> = pieces.iter().map(|piece| (piece.target.id.as_str(), piece.cell.is_test)).collect();
    let is_test = |id: &str| tests.get(id).copied().unwrap_or(false);
    let yard = Yard { shape: &shape, facts, tracks: &tracks, pieces: &pieces, is_test: &is_test };
    let mut trains = BTreeMap::new();
    for (app, own) in &shape.sources {
        let known = old.as_ref().filter(|(_, touched)| {
            let moved = |url: &RepoUrl| moved.contains(url) || touched.has(url);
            !tests_changed && !own.iter().any(|source| moved(&source.url) || touched.builds.contains(&source.name))
        });
        let known = known.and_then(|(old, _)| old.trains.get(app)).map(Arc::clone);
        trains.insert(app.clone(), known.unwrap_or_else(|| Arc::new(yard.train(app))));
    }
    drop(tests);
    Picture { event, plans, pieces, sources, tracks, trains, shape: Arc::clone(&shape) }
}

impl Picture {
    /// The catalog that it shows.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.shape.snapshot
    }

    /// Pieces by their targets' ids.
    pub(crate) fn by_id(&self) -> HashMap<&str, &Arc<Piece>> {
        self.pieces.iter().map(|piece| (piece.target.id.as_str(), piece)).collect()
    }

    /// Whether a target is a test, as far as it was rendered yet.
    pub(crate) fn tests(&self) -> HashMap<&str, bool> {
        self.pieces.iter().map(|piece| (piece.target.id.as_str(), piece.cell.is_test)).collect()
    }
}
