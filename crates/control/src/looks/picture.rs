//! The installation as it is now, in the shape that the board, the graph and the gauges share. It is made anew when something changed,
//! and only then: who looks again before is given the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use towpath_catalog::{Catalog, Source, Target};
use towpath_domain::{CommitId, TargetId, Timestamp};
use towpath_engine::{Facts, Hold, Planner, State, Subject, Unvouched, Verdict};
use towpath_runs::world::Snapshot;

use super::past::Past;
use super::train;
use crate::commits::Commits;
use crate::places::of_target;
use crate::sight::Scope;
use crate::status::{unplanned, verdict_in};
use crate::steer::Control;
use crate::titles::{ShortNames, depths, in_order};
use crate::view::{CellView, WaitingCommit};

/// How long a picture counts while only time passes: verdicts that time alone changes are seen no later.
const FRESH_MS: u64 = 1000;

/// How something is, for people: the four words of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Standing {
    /// Somebody has to do something.
    Stuck,
    /// It passes by itself, or somebody wants it so.
    Waiting,
    /// On its way.
    Moving,
    /// As it should be.
    UpToDate,
}

impl Standing {
    /// All of them, the worst first.
    pub(crate) const ALL: [Self; 4] = [Self::Stuck, Self::Waiting, Self::Moving, Self::UpToDate];

    /// The word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Waiting => "waiting",
            Self::Moving => "moving",
            Self::UpToDate => "up-to-date",
        }
    }

    /// What a verdict comes to.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        match &verdict.state {
            State::UpToDate => Self::UpToDate,
            State::Act { .. } => Self::Moving,
            // The weightiest stands first; but what is stuck by one reason is not moved by another.
            State::Held { holds } => {
                let all = || holds.iter().map(hold_standing);
                if all().any(|standing| standing == Self::Stuck) {
                    Self::Stuck
                } else if all().any(|standing| standing == Self::Moving) {
                    Self::Moving
                } else {
                    Self::Waiting
                }
            }
        }
    }
}

/// Whose turn it is, by one hold.
fn hold_standing(hold: &Hold) -> Standing {
    match hold {
        Hold::Building { .. } | Hold::InProgress { .. } | Hold::UnderTest { .. } | Hold::NotRunning { .. } | Hold::Backoff { .. } => {
            Standing::Moving
        }
        Hold::ChangeOpen { waits, .. } if waits.is_empty() => Standing::Moving,
        Hold::Unsupported { .. }
        | Hold::Unreachable { .. }
        | Hold::NoBranch { .. }
        | Hold::TagMoved { .. }
        | Hold::BuildFailed { .. }
        | Hold::RenderFailed { .. }
        | Hold::ChangeFailed { .. }
        | Hold::Failed { .. }
        | Hold::NoWayBack { .. }
        | Hold::Unvouched { why: Unvouched::NoPublisher | Unvouched::FileBroken { .. } | Unvouched::Failed { .. }, .. } => Standing::Stuck,
        _ => Standing::Waiting,
    }
}

/// A hold's stable name, such as `unvouched`.
pub(crate) fn hold_name(hold: &Hold) -> String {
    serde_json::to_value(hold).ok().and_then(|value| value.get("hold")?.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A target in the picture.
pub(crate) struct Piece {
    pub(crate) target: Arc<Target>,
    /// How many promotions lead to it at most.
    pub(crate) depth: usize,
    pub(crate) standing: Standing,
    pub(crate) holds: Vec<String>,
    pub(crate) cell: CellView,
}

/// A source in the picture.
pub(crate) struct Spring {
    pub(crate) source: Arc<Source>,
    pub(crate) standing: Standing,
    pub(crate) head: Option<CommitId>,
}

/// Everything, as it is now.
pub(crate) struct Picture {
    /// The number of the newest event that it knows.
    pub(crate) event: i64,
    pub(crate) snapshot: Arc<Snapshot>,
    /// By app, and within an app in the order in which a commit reaches them.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) sources: Vec<Spring>,
    /// Environments in the order in which commits reach them.
    pub(crate) environments: Vec<Arc<str>>,
    /// Commits that wait for production, by app, oldest first.
    pub(crate) trains: BTreeMap<String, Vec<WaitingCommit>>,
    /// Teams of each app.
    pub(crate) teams: BTreeMap<String, Vec<String>>,
    at: Timestamp,
}

/// What of the picture the catalog alone says.
struct Shape {
    snapshot: Arc<Snapshot>,
    pieces: Vec<(Arc<Target>, usize, String)>,
    environments: Vec<Arc<str>>,
    teams: BTreeMap<String, Vec<String>>,
}

/// The last picture, and the shape it was made on.
#[derive(Default)]
pub(crate) struct Pictures {
    last: Mutex<Option<Arc<Picture>>>,
    shape: Mutex<Option<Arc<Shape>>>,
    /// What ended so far.
    pub(crate) past: tokio::sync::Mutex<Past>,
}

impl Control {
    /// The picture as it is now.
    pub(crate) fn picture(&self) -> Arc<Picture> {
        let mut last = self.pictures.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (event, now) = (self.world.ledger.latest().get(), self.world.clock.now());
        let snapshot = self.world.current();
        if let Some(picture) = &*last
            && picture.event == event
            && Arc::ptr_eq(&picture.snapshot, &snapshot)
            && now.since(picture.at).as_millis() < FRESH_MS
            && picture.at <= now
        {
            return Arc::clone(picture);
        }
        let shape = self.shape(&snapshot);
        let facts = self.world.ledger.facts();
        let picture = Arc::new(draw(&shape, &facts, &self.planner(), event, now));
        *last = Some(Arc::clone(&picture));
        picture
    }

    fn shape(&self, snapshot: &Arc<Snapshot>) -> Arc<Shape> {
        let mut known = self.pictures.shape.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = &*known
            && Arc::ptr_eq(&shape.snapshot, snapshot)
        {
            return Arc::clone(shape);
        }
        let catalog = &snapshot.catalog;
        let names = ShortNames::new(catalog);
        let depths = depths(catalog);
        let depth = |id: &TargetId| depths.get(id).copied().unwrap_or_default();
        let pieces: Vec<_> =
            in_order(catalog).into_iter().map(|target| (Arc::clone(target), depth(&target.id), names.name(target))).collect();
        let shape = Arc::new(Shape { snapshot: Arc::clone(snapshot), environments: environments(&pieces), teams: teams(catalog), pieces });
        *known = Some(Arc::clone(&shape));
        shape
    }
}

/// Environments in the order in which commits reach them: by how deep their targets are on average.
fn environments(pieces: &[(Arc<Target>, usize, String)]) -> Vec<Arc<str>> {
    let mut sums: BTreeMap<Arc<str>, (usize, usize)> = BTreeMap::new();
    for (target, depth, _) in pieces {
        let sum = sums.entry(Arc::from(target.environment.as_str())).or_default();
        *sum = (sum.0 + depth, sum.1 + 1);
    }
    let mut all: Vec<(usize, Arc<str>)> = sums.into_iter().map(|(name, (sum, count))| (sum * 1000 / count.max(1), name)).collect();
    all.sort();
    all.into_iter().map(|(_, name)| name).collect()
}

/// The teams of each app: the roles that may approve changes of one of its saas files without being allowed to approve all.
fn teams(catalog: &Catalog) -> BTreeMap<String, Vec<String>> {
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for target in catalog.targets.values() {
        files.entry(target.saas_file.app.as_str()).or_default().insert(&target.saas_file.place.file);
    }
    let roles: Vec<_> = catalog.access.roles.values().filter(|role| !role.approves.all && !role.approves.paths.is_empty()).collect();
    files
        .into_iter()
        .map(|(app, files)| {
            let owners = roles.iter().filter(|role| files.iter().any(|file| role.approves.covers(file)));
            let names: BTreeSet<String> = owners.map(|role| role.name.to_string()).collect();
            (app.to_owned(), names.into_iter().collect())
        })
        .collect()
}

fn draw(shape: &Shape, facts: &Facts, planner: &Planner, event: i64, now: Timestamp) -> Picture {
    let catalog = &shape.snapshot.catalog;
    let commits = Commits::new(facts);
    let places = train::Tracks::new(catalog, facts);
    let pieces: Vec<Piece> =
        shape.pieces.iter().map(|(target, depth, name)| piece(catalog, facts, &commits, &places, planner, target, *depth, name)).collect();
    let sources = catalog
        .sources
        .values()
        .map(|source| {
            let verdict = planner.verdict(&Subject::Source(source.name.clone()));
            Spring {
                source: Arc::clone(source),
                standing: verdict.map_or(Standing::Waiting, Standing::of),
                head: facts.branches.get(&(source.url.clone(), source.branch.clone())).and_then(|b| b.commits.first()).map(|c| c.id),
            }
        })
        .collect();
    let trains = train::trains(catalog, facts, &places, &pieces);
    Picture {
        event,
        snapshot: Arc::clone(&shape.snapshot),
        pieces,
        sources,
        environments: shape.environments.clone(),
        trains,
        teams: shape.teams.clone(),
        at: now,
    }
}

#[expect(clippy::too_many_arguments, reason = "all that one cell is made of")]
fn piece(
    catalog: &Catalog,
    facts: &Facts,
    commits: &Commits<'_>,
    places: &train::Tracks<'_>,
    planner: &Planner,
    target: &Arc<Target>,
    depth: usize,
    name: &str,
) -> Piece {
    let verdict = planner.verdict(&Subject::Target(target.id.clone()));
    let fact = facts.targets.get(&target.id);
    let current = fact.and_then(|fact| fact.current.as_ref());
    let said = verdict.map_or_else(unplanned, |v| verdict_in(catalog, commits, Some(&target.url), name, v));
    let holds = match verdict.map(|verdict| &verdict.state) {
        Some(State::Held { holds }) => holds.iter().map(hold_name).collect(),
        _ => Vec::new(),
    };
    let is_test = facts
        .renders
        .get(&target.id)
        .and_then(|all| all.last())
        .is_some_and(|r| matches!(r.outcome, towpath_engine::RenderOutcome::Rendered { only_jobs: true, .. }));
    let standing = verdict.map_or(Standing::Waiting, Standing::of);
    Piece {
        target: Arc::clone(target),
        depth,
        standing,
        holds,
        cell: CellView {
            target: target.id.clone(),
            name: name.to_owned(),
            is_test,
            state: standing.word().to_owned(),
            commit: current.map(|current| commits.view(Some(&target.url), current.commit)),
            since: current.map(|current| current.at),
            wanted: said.wanted.filter(|wanted| current.is_none_or(|current| current.commit != wanted.id)),
            summary: said.summary,
            hold: said.holds.into_iter().next(),
            run: fact.and_then(|fact| fact.active.as_ref()).map(|active| active.run.clone()),
            behind: current.and_then(|current| places.behind(target, current.commit)),
        },
    }
}

impl Piece {
    /// Where it is, as permissions name it.
    pub(crate) fn scope(&self) -> Scope {
        of_target(&self.target)
    }
}

/// Targets by id.
pub(crate) fn by_id(pieces: &[Piece]) -> HashMap<&str, &Piece> {
    pieces.iter().map(|piece| (piece.target.id.as_str(), piece)).collect()
}
