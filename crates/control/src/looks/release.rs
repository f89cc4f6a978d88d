//! One commit's way to production.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_catalog::{Catalog, Target};
use towpath_domain::{CommitId, RepoUrl, RunId, TargetId, Timestamp};
use towpath_engine::{ConfigEdit, Facts, Subject, Work};
use towpath_ledger::{Run, RunState};

use super::picture::Picture;
use super::piece::Piece;
use super::scope;
use super::standing::Standing;
use super::tracks::has_reached;
use crate::commits::commit_anywhere;
use crate::find::{self, Found};
use crate::places::sees_target;
use crate::sight::Sight;
use crate::steer::Control;
use crate::view::{Problem, ReleaseView, StationView};
use crate::words;

impl Control {
    /// One commit's way: merge, build, each deploy, test and change, to production.
    ///
    /// # Errors
    /// [`Problem`] when no commit is called so, or several are.
    pub async fn release_of(&self, sight: Sight, commit: String) -> Result<ReleaseView, Problem> {
        let id = {
            let (snapshot, facts) = (self.world.current(), self.world.ledger.facts());
            match find::anything_seen(&snapshot.catalog, &facts, &sight, &commit) {
                Ok(Found::Commit(id)) => id,
                Ok(_) => return Err(scope::unknown(&commit)),
                Err(problem) => return Err(problem),
            }
        };
        let explained = self.explain(&sight, &id.to_string()).await?;
        let runs = self.runs_of(&explained.story).await;
        let picture = self.picture();
        let catalog = &picture.snapshot().catalog;
        let mut usual: BTreeMap<TargetId, u64> = BTreeMap::new();
        let mut builds: BTreeMap<String, u64> = BTreeMap::new();
        let way = {
            let facts = self.world.ledger.facts();
            way(&picture, &facts, id, &sight)
        };
        for source in &way.sources {
            let subject = Subject::Source(source.clone());
            builds.extend(self.usually(&subject).await?.map(|ms| (source.to_string(), ms)));
        }
        for target in &way.targets {
            usual.extend(self.usually(&Subject::Target(target.clone())).await?.map(|ms| (target.clone(), ms)));
        }
        let facts = self.world.ledger.facts();
        let now = self.world.clock.now();
        let seen = Seen { catalog, facts: &facts, picture: &picture, runs: &runs, usual: &usual, builds: &builds };
        let stations = seen.stations(&way, id);
        let merged_at = stations.first().and_then(|station| station.finished_at);
        let state = state(&stations);
        let expected_at = (state == "moving").then(|| expected(&stations, now)).flatten();
        Ok(ReleaseView {
            commit: commit_anywhere(&facts, id),
            sources: way.sources,
            answer: explained.answer,
            state: state.to_owned(),
            merged_at,
            expected_at,
            stations,
            story: explained.story,
        })
    }

    /// The runs that a story speaks of, oldest first.
    async fn runs_of(&self, story: &[crate::view::StoryLine]) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut known: Vec<&RunId> = Vec::new();
        for id in story.iter().filter_map(|line| line.run.as_ref()) {
            if !known.contains(&id) {
                known.push(id);
                runs.extend(self.world.ledger.run(id).await.ok());
            }
        }
        runs.sort_by_key(|run| run.queued);
        runs
    }
}

/// Where a commit goes.
struct Way {
    sources: Vec<towpath_domain::SourceName>,
    /// Targets of its repository, in the order in which it reaches them.
    targets: Vec<TargetId>,
}

fn way(picture: &Picture, facts: &Facts, commit: CommitId, sight: &Sight) -> Way {
    let having = picture.tracks.having(commit);
    let has = |url: &RepoUrl| having.contains(url);
    let ran = |target: &Target| {
        let fact = facts.targets.get(&target.id);
        fact.is_some_and(|fact| fact.current.iter().chain(&fact.history).any(|deployed| deployed.commit == commit))
    };
    let sources = picture.snapshot().catalog.sources.values().filter(|source| has(&source.url)).map(|source| source.name.clone()).collect();
    let on_way = |piece: &&Arc<Piece>| (has(&piece.target.url) || ran(&piece.target)) && sees_target(sight, &piece.target);
    let mut targets: Vec<&Arc<Piece>> = picture.pieces.iter().filter(on_way).collect();
    targets.sort_by_key(|piece| piece.depth);
    Way { sources, targets: targets.into_iter().map(|piece| piece.target.id.clone()).collect() }
}

/// What stations are made of.
struct Seen<'a> {
    catalog: &'a Catalog,
    facts: &'a Facts,
    picture: &'a Picture,
    runs: &'a [Run],
    usual: &'a BTreeMap<TargetId, u64>,
    builds: &'a BTreeMap<String, u64>,
}

impl Seen<'_> {
    fn stations(&self, way: &Way, commit: CommitId) -> Vec<StationView> {
        let mut stations = vec![self.merge(commit)];
        for source in &way.sources {
            stations.push(self.build(source, commit));
        }
        let pieces = self.picture.by_id();
        for target in way.targets.iter().filter_map(|id| pieces.get(id.as_str())) {
            if let Some(change) = self.change(target, commit) {
                stations.push(change);
            }
            stations.push(self.target(target, commit));
        }
        stations
    }

    fn merge(&self, commit: CommitId) -> StationView {
        let seen = self.facts.branches.keys().find_map(|(url, branch)| {
            let track = self.picture.tracks.get(url, branch)?;
            Some((url, branch, track.since(track.place(commit)?)))
        });
        let (text, at) = match seen {
            Some((url, branch, at)) => (format!("on {branch} of {url}"), at),
            None => ("its branch does not remember it any more".to_owned(), None),
        };
        StationView { state: "done".to_owned(), finished_at: at, started_at: at, text, ..station("merge", "Merge") }
    }

    fn build(&self, source: &towpath_domain::SourceName, commit: CommitId) -> StationView {
        let fact = self.facts.builds.get(source).and_then(|all| all.get(&commit));
        let run = self
            .runs
            .iter()
            .rev()
            .find(|run| matches!(&run.spec.work, Work::Build { source: of, commit: at, .. } if of == source && *at == commit));
        let mut station = StationView {
            usually_ms: self.builds.get(source.as_str()).copied(),
            ..with_run(station("build", &format!("Build of {source}")), run)
        };
        let (state, text) = match fact {
            Some(fact) if fact.built.is_some() => ("done", run_text(run).unwrap_or_else(|| "built".to_owned())),
            Some(fact) if fact.active.is_some() => match run.map(|run| run.state) {
                Some(RunState::Queued) => ("waiting", "queued for a worker".to_owned()),
                _ => ("running", "being built".to_owned()),
            },
            Some(fact) if fact.failure.is_some() => {
                ("failed", fact.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default())
            }
            _ if self.is_passed(source, commit) => ("skipped", "a newer commit was built in its place".to_owned()),
            _ => ("waiting", "not built yet".to_owned()),
        };
        (station.state, station.text) = (state.to_owned(), text);
        station
    }

    /// Whether a newer commit of the source is built already.
    fn is_passed(&self, source: &towpath_domain::SourceName, commit: CommitId) -> bool {
        let Some(source) = self.catalog.sources.get(source) else { return true };
        let Some(branch) = self.facts.branches.get(&(source.url.clone(), source.branch.clone())) else { return false };
        let builds = self.facts.builds.get(&source.name);
        let newer = branch.commits.iter().take_while(|c| c.id != commit);
        newer.into_iter().any(|c| builds.and_then(|all| all.get(&c.id)).is_some_and(|build| build.built.is_some()))
    }

    /// The change that moves the target to the commit, where one was made.
    fn change(&self, piece: &Piece, commit: CommitId) -> Option<StationView> {
        let sets = |edit: &ConfigEdit| matches!(edit, ConfigEdit::SetRef { target, to, .. } if *target == piece.target.id && *to == commit);
        let mut changes: Vec<_> = self.facts.changes.values().filter(|change| change.spec.edits.iter().any(sets)).collect();
        changes.sort_by_key(|change| change.opened_at);
        let change = changes.pop()?;
        let run = self.runs.iter().rev().find(|run| matches!(&run.spec.work, Work::Change(spec) if spec.id == change.spec.id));
        let (state, text) = match (&change.merged, &change.failure, &change.open) {
            (Some((at, _)), ..) => ("done", format!("merged as {}", words::short(*at))),
            (None, Some(failure), _) => ("failed", failure.message.clone()),
            (None, None, Some(open)) if !open.ready => ("waiting", open.waits.join("; ")),
            (None, None, _) if change.closed || change.replaced => ("skipped", "closed unmerged".to_owned()),
            (None, None, _) if change.active.is_some() => ("running", "being checked and merged".to_owned()),
            _ => ("waiting", "open".to_owned()),
        };
        Some(StationView {
            target: Some(piece.target.id.clone()),
            app: Some(piece.target.saas_file.app.to_string()),
            environment: Some(piece.target.environment.to_string()),
            state: state.to_owned(),
            text,
            run: run.map(|run| run.spec.id.clone()),
            change: Some(change.spec.id.clone()),
            started_at: Some(change.opened_at),
            finished_at: change.merged.map(|(_, at)| at),
            ..station("change", &change.spec.title)
        })
    }

    fn target(&self, piece: &Piece, commit: CommitId) -> StationView {
        let target: &Arc<Target> = &piece.target;
        let fact = self.facts.targets.get(&target.id);
        let kind = if piece.cell.is_test { "test" } else { "deploy" };
        let is_own = |run: &&Run| matches!(&run.spec.work, Work::Deploy(work) if work.target == target.id && work.commit == commit);
        let run = self.runs.iter().rev().find(is_own);
        let mut station = StationView {
            target: Some(target.id.clone()),
            app: Some(target.saas_file.app.to_string()),
            environment: Some(target.environment.to_string()),
            usually_ms: self.usual.get(&target.id).copied(),
            ..with_run(station(kind, &piece.cell.name), run)
        };
        let runs = fact.and_then(|fact| fact.current.as_ref()).map(|current| current.commit);
        let track = self.picture.shape.branch(target).and_then(|branch| self.picture.tracks.get(&target.url, branch));
        let was = fact.is_some_and(|fact| fact.history.iter().any(|deployed| deployed.commit == commit));
        let is_wanted = piece.cell.wanted.as_ref().is_some_and(|wanted| wanted.id == commit);
        let good = if piece.cell.is_test { "passed" } else { "live" };
        let (state, text) = match run {
            _ if runs == Some(commit) => ("done", if piece.cell.is_test { "passed".to_owned() } else { "it runs here now".to_owned() }),
            Some(run) if run.state == RunState::Running => ("running", "under way".to_owned()),
            Some(run) if run.state == RunState::Queued => ("waiting", "queued for a worker".to_owned()),
            Some(run) if matches!(run.outcome, Some(towpath_engine::Outcome::Failed { .. })) && !was => {
                ("failed", run_text(Some(run)).unwrap_or_default())
            }
            _ if was => ("done", format!("was {good} here; a newer commit is now")),
            _ if has_reached(track, runs, commit) => ("skipped", "a newer commit went in its place".to_owned()),
            _ if is_wanted => ("waiting", piece.cell.summary.clone()),
            _ => ("ahead", "its turn has not come".to_owned()),
        };
        if is_wanted || state == "failed" {
            station.holds = piece.cell.hold.clone().into_iter().collect();
        }
        (station.state, station.text) = (state.to_owned(), text);
        // Of what stands first in line and is held until somebody acts, people should see that.
        if station.state == "waiting" && is_wanted && piece.standing == Standing::Stuck {
            station.state = "failed".to_owned();
        }
        station
    }
}

fn station(kind: &str, title: &str) -> StationView {
    StationView {
        kind: kind.to_owned(),
        title: title.to_owned(),
        target: None,
        app: None,
        environment: None,
        state: String::new(),
        text: String::new(),
        holds: Vec::new(),
        run: None,
        change: None,
        started_at: None,
        finished_at: None,
        usually_ms: None,
    }
}

fn with_run(station: StationView, run: Option<&Run>) -> StationView {
    let Some(run) = run else { return station };
    StationView {
        run: Some(run.spec.id.clone()),
        started_at: run.started_at.or(Some(run.queued_at)),
        finished_at: run.finished_at,
        ..station
    }
}

fn run_text(run: Option<&Run>) -> Option<String> {
    let run = run?;
    run.outcome.as_ref().map(|outcome| words::ended(&run.spec, outcome))
}

/// What all stations together come to.
fn state(stations: &[StationView]) -> &'static str {
    let any = |state: &str| stations.iter().any(|station| station.state == state);
    let places = || stations.iter().filter(|station| matches!(station.kind.as_str(), "deploy" | "test"));
    if any("failed") {
        "stuck"
    } else if any("running") {
        "moving"
    } else if places().count() > 0 && places().all(|station| station.state == "done") {
        "live"
    } else if !any("waiting") && !any("ahead") {
        "superseded"
    } else if stations.iter().any(|station| station.state == "waiting" && !station.holds.is_empty()) {
        "waiting"
    } else {
        "moving"
    }
}

/// When the last station should be done: what is left of the one under way, and all of those ahead; none where one of them has no past.
fn expected(stations: &[StationView], now: Timestamp) -> Option<Timestamp> {
    let mut left_ms = 0_i64;
    for station in stations {
        let usual = station.usually_ms.and_then(|ms| i64::try_from(ms).ok());
        match station.state.as_str() {
            "running" => left_ms += (usual? - station.started_at.map_or(0, |at| now.as_millis() - at.as_millis())).max(0),
            "waiting" | "ahead" if station.kind != "change" => left_ms += usual?,
            _ => {}
        }
    }
    Some(Timestamp::from_millis(now.as_millis().saturating_add(left_ms)))
}
