//! How well deliveries go.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, PoisonError};

use towpath_domain::{CommitId, TargetId, Timestamp};
use towpath_engine::{ChangeKind, Subject};
use towpath_ledger::EventId;

use super::past::{Ended, How, Past};
use super::picture::Picture;
use super::piece::Piece;
use super::shape::{Shape, is_last};
use super::tracks::Track;
use crate::find::problem;
use crate::places::sees_target;
use crate::sight::Sight;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{DayView, InsightFilter, InsightView, Problem, Ratio, Spread, StationTime, TestView};

/// The time that is looked at when nobody says, and the longest, in days.
const DAYS: u32 = 30;
const DAYS_MAX: u32 = 366;

/// How many tests are listed.
const TESTS: u32 = 20;

const DAY_MS: i64 = 24 * 3600 * 1000;

impl Control {
    /// How well deliveries went.
    ///
    /// # Errors
    /// [`Problem`] when the time is none, or the ledger cannot be read.
    pub async fn insight(&self, sight: Sight, filter: InsightFilter) -> Result<InsightView, Problem> {
        let days = filter.days.unwrap_or(DAYS);
        if !(1..=DAYS_MAX).contains(&days) {
            let detail = format!("{days} days cannot be looked at");
            return Err(problem("bad-query", 400, "The time is none", detail, format!("say from 1 to {DAYS_MAX} days")));
        }
        let picture = self.picture();
        let mut past = self.pictures.past.lock().await;
        past.catch_up(&self.world.ledger).await.map_err(ledger_problem)?;
        let now = self.world.clock.now();
        let asked = Asked { filter, sight, shape: Arc::clone(&picture.shape), position: past.position(), day: now.as_millis() / DAY_MS };
        let known = self.pictures.figures.lock().unwrap_or_else(PoisonError::into_inner).get(&asked);
        if let Some(view) = known {
            return Ok((*view).clone());
        }
        let seen = Seen::new(&picture, &past, &asked.sight, &asked.filter, now, days);
        let mut view = seen.insight();
        let (targets, since) = (seen.all.keys().copied().collect::<Vec<_>>(), Timestamp::from_millis(seen.since()));
        view.flaky_tests = self.flakiest(&targets, since, TESTS).await?;
        drop(seen);
        drop(past);
        self.pictures.figures.lock().unwrap_or_else(PoisonError::into_inner).put(asked, Arc::new(view.clone()));
        Ok(view)
    }
}

/// What figures were asked for, and what they follow from.
struct Asked {
    filter: InsightFilter,
    sight: Sight,
    shape: Arc<Shape>,
    position: (EventId, EventId),
    day: i64,
}

impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        let of = |asked: &Self| (asked.position, asked.day);
        of(self) == of(other) && Arc::ptr_eq(&self.shape, &other.shape) && self.filter == other.filter && self.sight == other.sight
    }
}

/// Figures that were asked for lately: they are the same until another run ends.
#[derive(Default)]
pub(crate) struct Figures(VecDeque<(Asked, Arc<InsightView>)>);

impl Figures {
    /// The most that are kept.
    const KEPT: usize = 32;

    fn get(&self, asked: &Asked) -> Option<Arc<InsightView>> {
        self.0.iter().find(|(known, _)| known == asked).map(|(_, view)| Arc::clone(view))
    }

    fn put(&mut self, asked: Asked, view: Arc<InsightView>) {
        self.0.push_front((asked, view));
        self.0.truncate(Self::KEPT);
    }
}

/// What figures are made of.
struct Seen<'a> {
    past: &'a Past,
    /// Production targets that count, each with its source and the branch that it is counted along.
    last: HashMap<&'a TargetId, (Option<&'a towpath_domain::SourceName>, Option<&'a Arc<Track>>)>,
    /// All targets that count: environment and whether it is a test.
    all: HashMap<&'a TargetId, (&'a str, bool)>,
    sources: BTreeSet<&'a str>,
    now: Timestamp,
    days: u32,
}

impl<'a> Seen<'a> {
    fn new(picture: &'a Picture, past: &'a Past, sight: &Sight, filter: &InsightFilter, now: Timestamp, days: u32) -> Self {
        let catalog = &picture.snapshot().catalog;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (app, environment) = (given(&filter.app), given(&filter.environment));
        let tests = picture.tests();
        let is_test = |id: &str| tests.get(id).copied().unwrap_or(false);
        let own = picture.pieces.iter().filter(|piece| {
            sees_target(sight, &piece.target) && app.as_deref().is_none_or(|app| piece.target.saas_file.app.as_str() == app)
        });
        let own: Vec<_> = own.collect();
        let counts = |piece: &&&Arc<Piece>| match &environment {
            Some(environment) => piece.target.environment.as_str() == environment && !piece.cell.is_test,
            None => is_last(catalog, &piece.target, is_test),
        };
        let by_url: HashMap<&towpath_domain::RepoUrl, &towpath_domain::SourceName> =
            catalog.sources.values().map(|source| (&source.url, &source.name)).collect();
        let urls: BTreeSet<&str> = own.iter().filter_map(|piece| by_url.get(&piece.target.url)).map(|name| name.as_str()).collect();
        let last = |piece: &&'a Arc<Piece>| {
            let branch = picture.shape.branch(&piece.target).and_then(|branch| picture.tracks.get(&piece.target.url, branch));
            (&piece.target.id, (by_url.get(&piece.target.url).copied(), branch))
        };
        Self {
            past,
            last: own.iter().filter(counts).map(last).collect(),
            all: own.iter().map(|piece| (&piece.target.id, (piece.target.environment.as_str(), piece.cell.is_test))).collect(),
            sources: urls,
            now,
            days,
        }
    }

    fn since(&self) -> i64 {
        // Whole days, the present one included.
        (self.now.as_millis() / DAY_MS - i64::from(self.days) + 1) * DAY_MS
    }

    fn insight(&self) -> InsightView {
        let since = self.since();
        let first = self.past.runs.partition_point(|run| run.finished_at.as_millis() < since);
        let runs: Vec<&Ended> = self.past.runs.range(first.min(self.past.runs.len())..).collect();
        let mut by_day: Vec<(DayView, Vec<u64>)> = (0..self.days)
            .map(|day| (DayView { day: Timestamp::from_millis(since + i64::from(day) * DAY_MS), ..DayView::default() }, Vec::new()))
            .collect();
        let rolled_back = self.rolled_back(&runs);
        let mut lead = Vec::new();
        let mut recovery = Vec::new();
        let (mut deploys, mut bad, mut reworked) = (0_u32, 0_u32, 0_u32);
        let mut failing: HashMap<&TargetId, Timestamp> = HashMap::new();
        let mut live: HashMap<&TargetId, CommitId> = HashMap::new();
        for run in &runs {
            let (Subject::Target(target), Some(commit), "deploy") = (&run.subject, run.commit, run.kind) else { continue };
            let Some((source, track)) = self.last.get(target) else { continue };
            let day = usize::try_from((run.finished_at.as_millis() - since) / DAY_MS).unwrap_or(usize::MAX);
            match run.how {
                How::Good => {
                    deploys += 1;
                    if let Some(since) = failing.remove(target) {
                        recovery.push(run.finished_at.since(since).as_millis());
                        reworked += 1;
                    } else if rolled_back.contains(&(target, commit)) {
                        reworked += 1;
                    }
                    // The same commit deployed anew is no delivery: only its configuration changed.
                    let is_new = live.insert(target, commit) != Some(commit);
                    let took = self.lead(*source, *track, commit, run).filter(|_| is_new && !rolled_back.contains(&(target, commit)));
                    lead.extend(took);
                    if let Some((view, leads)) = by_day.get_mut(day) {
                        view.deploys += 1;
                        leads.extend(took);
                    }
                }
                How::Failed => {
                    deploys += 1;
                    bad += 1;
                    failing.entry(target).or_insert(run.finished_at);
                    if let Some((view, _)) = by_day.get_mut(day) {
                        view.failures += 1;
                    }
                }
                How::Neither => {}
            }
        }
        let rollbacks = u32::try_from(rolled_back.len()).unwrap_or(u32::MAX);
        let good: u32 = by_day.iter().map(|(day, _)| day.deploys).sum();
        InsightView {
            days: self.days,
            by_day: by_day
                .into_iter()
                .map(|(day, mut leads)| DayView { lead_time_ms: spread(&mut leads).map(|spread| spread.median_ms), ..day })
                .collect(),
            lead_time: spread(&mut lead),
            deploys_per_day: f64::from(good) / f64::from(self.days),
            change_fail_rate: Ratio { part: (bad + rollbacks).min(deploys), of: deploys },
            recovery_time: spread(&mut recovery),
            rework_rate: Ratio { part: reworked.min(deploys), of: deploys },
            stations: self.stations(&runs),
            slow_tests: self.slow_tests(),
            flaky_tests: Vec::new(),
        }
    }

    /// Production targets and the commits that rollbacks set them to.
    fn rolled_back(&self, runs: &[&'a Ended]) -> BTreeSet<(&'a TargetId, CommitId)> {
        let merged = runs.iter().filter(|run| run.change == Some(ChangeKind::Rollback) && run.how == How::Good);
        let sets = merged.flat_map(|run| run.moves.iter().filter_map(|target| Some((target, run.commit?))));
        sets.filter(|(target, _)| self.last.contains_key(target)).collect()
    }

    /// From a commit being seen to its deploy being found healthy, in milliseconds.
    fn lead(&self, source: Option<&towpath_domain::SourceName>, track: Option<&Arc<Track>>, commit: CommitId, run: &Ended) -> Option<u64> {
        let built = source.and_then(|source| self.past.built.get(&(source.clone(), commit))).copied();
        // The branch may have forgotten it by now; that it was built is remembered longer.
        let seen = track.and_then(|track| track.since(track.place(commit)?));
        let seen = seen.into_iter().chain(built).min()?;
        Some(run.finished_at.since(seen).as_millis())
    }

    fn stations(&self, runs: &[&Ended]) -> Vec<StationTime> {
        let mut all: BTreeMap<(u8, String), (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        for run in runs.iter().filter(|run| run.how == How::Good) {
            let key = match &run.subject {
                Subject::Source(name) if self.sources.contains(name.as_str()) => (0, "build".to_owned()),
                Subject::Target(target) => match self.all.get(target) {
                    Some((environment, true)) => (2, format!("test {environment}")),
                    Some((environment, false)) => (1, format!("deploy {environment}")),
                    None => continue,
                },
                Subject::Change(_) => match run.moves.first().and_then(|target| self.all.get(target)) {
                    Some((environment, _)) => (3, format!("change {environment}")),
                    None => continue,
                },
                Subject::Source(_) | Subject::Check(_) => continue,
            };
            let (waiting, working) = all.entry(key).or_default();
            let started = run.started_at.unwrap_or(run.queued_at);
            waiting.push(started.since(run.queued_at).as_millis());
            working.push(run.finished_at.since(started).as_millis());
        }
        all.into_iter()
            .map(|((_, station), (mut waiting, mut working))| StationTime {
                station,
                waiting: spread(&mut waiting).unwrap_or_default(),
                working: spread(&mut working).unwrap_or_default(),
            })
            .collect()
    }

    fn slow_tests(&self) -> Vec<TestView> {
        let since = self.since();
        let mut views: Vec<TestView> = self
            .past
            .tests
            .iter()
            .filter(|((target, _), _)| self.all.contains_key(target))
            .filter_map(|((target, name), test)| {
                let mut recent = test.times.iter().filter(|time| time.at.as_millis() >= since).peekable();
                recent.peek()?;
                let (mut took, mut failures, mut run) = (Vec::new(), 0, None);
                for time in recent {
                    took.push(time.ms);
                    failures += u32::from(time.failed);
                    if time.failed || run.is_none() {
                        run = Some(time.run.clone());
                    }
                }
                Some(TestView {
                    id: test.id.clone(),
                    target: target.to_string(),
                    name: name.clone(),
                    runs: u32::try_from(took.len()).unwrap_or(u32::MAX),
                    failures,
                    flakes: 0,
                    median_ms: spread(&mut took)?.median_ms,
                    run: run?,
                })
            })
            .filter(|test| test.median_ms > 0)
            .collect();
        views.sort_by_cached_key(|view| (std::cmp::Reverse(view.median_ms), view.name.clone()));
        views.truncate(TESTS as usize);
        views
    }
}

/// How figures are spread.
fn spread(figures: &mut [u64]) -> Option<Spread> {
    figures.sort_unstable();
    let at = |part: usize| figures.get((figures.len() * part / 10).min(figures.len().saturating_sub(1))).copied();
    Some(Spread { count: u32::try_from(figures.len()).unwrap_or(u32::MAX), median_ms: at(5)?, p90_ms: at(9)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_nine_of_ten_are_told() {
        assert_eq!(spread(&mut []), None);
        let mut figures: Vec<u64> = (1..=10).rev().collect();
        assert_eq!(spread(&mut figures), Some(Spread { count: 10, median_ms: 6, p90_ms: 10 }));
    }
}
