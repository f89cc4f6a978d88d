//! What is said on the forge of a source's pull requests: how the check stands, each of its parts, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use towpath_catalog::PullCheck;
use towpath_domain::{CheckId, CommitId, FailureClass, Pages, RunId, SourceName};
use towpath_engine::Work;
use towpath_engine::check::{Blame, CheckFact, CheckStanding, part_of, parts, source_of};
use towpath_engine::pool::plan_pools;
use towpath_forge::{ForgeError, Number, Status, StatusState, escape};
use towpath_ledger::{Step, StepState};
use towpath_runs::World;

use super::planned;
use super::shown::place_of;
use crate::news::News;

/// The name of the status that tells how the check stands; its parts are below it.
const CHECK: &str = "towpath/check";

/// The mark of the comment that tells what came of a check.
const RESULT: &str = "check";

/// How long things may pile up before they are told: a run writes several lines at once.
const TOGETHER: Duration = Duration::from_millis(150);

/// How often it is tried again to tell what a forge did not take.
const AGAIN: Duration = Duration::from_secs(5);

/// How many pull requests are told of at the same time.
const AT_ONCE: usize = 8;

/// How a pull request stands: when nothing of it is otherwise, there is nothing to say.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    fact: CheckFact,
    standing: CheckStanding,
    said: Option<Arc<PullCheck>>,
}

/// What is to be said of one pull request.
struct Telling {
    check: CheckId,
    /// What is said once this is, all of it; none while there may be more to say of the very same.
    settles: Option<Known>,
    number: Number,
    head: CommitId,
    statuses: Vec<Status>,
    comment: Option<String>,
}

/// What was said last of a commit of a pull request.
#[derive(Default)]
struct Told {
    head: Option<CommitId>,
    statuses: BTreeMap<String, Status>,
    comment: Option<String>,
    /// Its forge did not take the last of it.
    failed: bool,
    /// All was said of this.
    settled: Option<Known>,
}

/// What came of saying something.
type Said = (Telling, Result<(), ForgeError>);

/// Says on forges how pull requests stand, whenever that changes, until `shutdown` turns true. On plain Git there is no place for it. A forge that
/// does not answer keeps only its own sources waiting.
pub(crate) async fn keep_telling(world: Arc<World>, mut shutdown: watch::Receiver<bool>) {
    let mut news = world.ledger.subscribe();
    let mut told: BTreeMap<CheckId, Told> = BTreeMap::new();
    let mut seen = News::of(super::is_ours);
    // One at a time for each source, so that what is newer is said last.
    let mut saying: JoinSet<Vec<Said>> = JoinSet::new();
    let mut busy: BTreeMap<Id, SourceName> = BTreeMap::new();
    // Something is still to be said, and since when it is not tried again yet.
    let (mut is_left, mut failed_at) = (false, None::<Instant>);
    while !*shutdown.borrow() {
        if world.current().commit.is_some() {
            let is_new = seen.is_new(&world);
            // Steps touch no fact: of runs that go on, they are looked at each time.
            let tellings = tellings(&world, is_new || is_left, &told).await;
            if is_new {
                let open: BTreeSet<CheckId> = world.ledger.facts().checks.keys().cloned().collect();
                told.retain(|check, _| open.contains(check));
            }
            is_left = begin(&world, tellings, &mut told, &mut saying, &mut busy, failed_at);
        }
        let pause = if is_left { AGAIN } else { Duration::from_secs(60) };
        tokio::select! {
            _ = news.changed() => tokio::time::sleep(TOGETHER).await,
            Some(ended) = saying.join_next_with_id() => {
                failed_at = over(ended, &mut told, &mut busy).then(Instant::now).or(failed_at);
                is_left = true;
            }
            () = tokio::time::sleep(pause) => seen.forget(),
            _ = shutdown.changed() => {}
        }
    }
}

/// Begins to say what was not said yet. Whether something is left for later.
fn begin(
    world: &Arc<World>,
    tellings: Vec<Telling>,
    told: &mut BTreeMap<CheckId, Told>,
    saying: &mut JoinSet<Vec<Said>>,
    busy: &mut BTreeMap<Id, SourceName>,
    failed_at: Option<Instant>,
) -> bool {
    let mut by_source: BTreeMap<SourceName, Vec<Telling>> = BTreeMap::new();
    for telling in tellings {
        let Some(source) = source_of(&telling.check) else { continue };
        by_source.entry(source).or_default().extend(unsaid(telling, told));
    }
    let mut is_left = false;
    for (source, jobs) in by_source {
        let rests = failed_at.is_some_and(|at| at.elapsed() < AGAIN)
            && jobs.iter().any(|job| told.get(&job.check).is_some_and(|known| known.failed));
        if jobs.is_empty() {
            continue;
        }
        if rests || busy.values().any(|other| *other == source) {
            is_left = true;
            continue;
        }
        let world = Arc::clone(world);
        let task = saying.spawn(async move {
            let jobs = jobs.into_iter().map(|job| say(&world, job));
            stream::iter(jobs).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await
        });
        busy.insert(task.id(), source);
    }
    is_left
}

/// What of it was not said yet; nothing when all was.
fn unsaid(mut telling: Telling, told: &mut BTreeMap<CheckId, Told>) -> Option<Telling> {
    let known = told.entry(telling.check.clone()).or_default();
    if known.head != Some(telling.head) {
        *known = Told { head: Some(telling.head), comment: known.comment.take(), ..Told::default() };
    }
    telling.statuses.retain(|status| known.statuses.get(&status.context) != Some(status));
    telling.comment.take_if(|comment| known.comment.as_ref() == Some(comment));
    if telling.statuses.is_empty() && telling.comment.is_none() {
        known.settled = telling.settles;
        return None;
    }
    Some(telling)
}

/// Notes what was said of a source. Whether some of it was not.
fn over(ended: Result<(Id, Vec<Said>), JoinError>, told: &mut BTreeMap<CheckId, Told>, busy: &mut BTreeMap<Id, SourceName>) -> bool {
    let (id, said) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(%error, "saying how checks stand ended badly; it is tried again");
            (error.id(), Vec::new())
        }
    };
    busy.remove(&id);
    let mut has_failed = false;
    for (telling, said) in said {
        // A newer push may have come meanwhile.
        let Some(known) = told.get_mut(&telling.check).filter(|known| known.head == Some(telling.head)) else { continue };
        known.failed = said.is_err();
        match said {
            Ok(()) => {
                known.statuses.extend(telling.statuses.into_iter().map(|status| (status.context.clone(), status)));
                known.comment = telling.comment.or(known.comment.take());
                known.settled = telling.settles;
            }
            Err(error) => {
                tracing::warn!(check = %telling.check, %error, "how a check stands could not be said on its forge; it is tried again");
                has_failed = true;
            }
        }
    }
    has_failed
}

/// What is to be said of all pull requests, or of those alone whose run goes on.
async fn tellings(world: &World, all: bool, told: &BTreeMap<CheckId, Told>) -> Vec<Telling> {
    let now = world.clock.now();
    let plan = planned(world, now);
    let (known, pools) = {
        let catalog = Arc::clone(&world.current().catalog);
        let facts = world.ledger.facts();
        let standing = plan.standings.iter().filter(|(_, standing)| all || matches!(standing, CheckStanding::Running { .. }));
        let one = |(id, standing): (&CheckId, &CheckStanding)| {
            let fact = facts.checks.get(id)?.clone();
            let source = catalog.sources.get(&fact.pull.source)?;
            // Plain Git has no place for it.
            world.forges.kind(&source.url)?;
            let known = Known { fact, standing: standing.clone(), said: source.check.clone() };
            let is_settled = told.get(id).is_some_and(|told| told.settled.as_ref() == Some(&known));
            (!is_settled).then(|| (id.clone(), known))
        };
        (standing.filter_map(one).collect::<Vec<_>>(), plan_pools(&catalog, &facts, now))
    };
    let mut tellings = Vec::with_capacity(known.len());
    for (id, known) in known {
        let Known { fact, standing, said: check } = &known;
        let run = match standing {
            CheckStanding::Running { run, .. }
            | CheckStanding::Passed { run, .. }
            | CheckStanding::Failed { run, .. }
            | CheckStanding::Backoff { run, .. } => Some(run.clone()),
            _ => None,
        };
        let steps = match &run {
            Some(run) => match world.ledger.steps(run).await {
                Ok(steps) => steps,
                Err(error) => {
                    tracing::warn!(%run, %error, "the steps of a check cannot be read; they are told later");
                    continue;
                }
            },
            None => Vec::new(),
        };
        let is_running = matches!(standing, CheckStanding::Running { .. });
        let waits = run.as_ref().filter(|_| is_running).map(|run| place_of(&world.ledger.facts(), &pools, run).1).unwrap_or_default();
        let results = match run.as_ref().filter(|_| !is_running) {
            Some(run) => world.results_of(run).await,
            None => None,
        };
        let tests = run.as_ref().map(|run| tests_of(world, fact, run)).unwrap_or_default();
        let words = Words { id: &id, fact, standing, pages: world.pages.as_ref(), results: results.as_deref() };
        let (mut statuses, comment) = (vec![words.whole(&waits)], words.comment());
        if let Some(check) = check {
            let alone = passed_alone(fact, standing);
            let (words, steps, tests) = match &alone {
                Some((standing, run)) => {
                    let Ok(steps) = world.ledger.steps(run).await else { continue };
                    (Words { standing, ..words }, steps, tests_of(world, fact, run))
                }
                None => (words, steps, tests),
            };
            let listed = parts(check, fact.pull.from_fork, &tests);
            statuses.extend(listed.iter().filter_map(|part| words.part(part, &listed, &steps, &waits)));
        }
        let (number, head) = (Number(fact.pull.number), fact.pull.head);
        // Steps are no part of it; and where results are, a server may tell only later.
        let is_all = !is_running && (run.is_none() || results.is_some() || world.results.is_none());
        tellings.push(Telling { check: id, number, head, statuses, comment, settles: is_all.then_some(known) });
    }
    tellings
}

/// Tests that passed by themselves and make up for nothing else: their parts are told by their own run, and the whole by what it failed of.
fn passed_alone(fact: &CheckFact, standing: &CheckStanding) -> Option<(CheckStanding, RunId)> {
    let has_ended = matches!(standing, CheckStanding::Failed { .. } | CheckStanding::Backoff { .. });
    let last = fact.last.as_ref().filter(|last| has_ended && last.is_partial() && last.failure.is_none())?;
    Some((CheckStanding::Passed { run: last.run.clone(), at: last.at, reused: None }, last.run.clone()))
}

/// The tests that a run runs: those that it was queued with.
fn tests_of(world: &World, fact: &CheckFact, run: &RunId) -> Vec<String> {
    if let Some(last) = fact.last.as_ref().filter(|last| last.run == *run) {
        return last.tests.clone();
    }
    match world.ledger.facts().open_runs.get(run).map(|open| &open.spec.work) {
        Some(Work::Check(work)) => work.tests.clone(),
        _ => Vec::new(),
    }
}

async fn say(world: &World, telling: Telling) -> Said {
    let said = say_it(world, &telling).await;
    (telling, said)
}

async fn say_it(world: &World, telling: &Telling) -> Result<(), ForgeError> {
    let place = {
        let catalog = Arc::clone(&world.current().catalog);
        source_of(&telling.check).and_then(|name| catalog.sources.get(&name).map(|source| (source.url.clone(), source.branch.clone())))
    };
    let Some((url, branch)) = place else { return Ok(()) };
    let forge = world.forges.of(&url, &branch).await?;
    if forge.abilities().statuses {
        for status in &telling.statuses {
            forge.set_status(telling.head, status).await?;
        }
    }
    if let Some(comment) = telling.comment.as_ref().filter(|_| forge.abilities().comments) {
        forge.comment(telling.number, RESULT, comment).await?;
    }
    Ok(())
}

/// What is known of one pull request, to be put into words.
#[derive(Clone, Copy)]
struct Words<'a> {
    id: &'a CheckId,
    fact: &'a CheckFact,
    standing: &'a CheckStanding,
    pages: Option<&'a Pages>,
    results: Option<&'a str>,
}

impl Words<'_> {
    fn run(&self) -> Option<&RunId> {
        match self.standing {
            CheckStanding::Running { run, .. }
            | CheckStanding::Passed { run, .. }
            | CheckStanding::Failed { run, .. }
            | CheckStanding::Backoff { run, .. } => Some(run),
            _ => None,
        }
    }

    /// The run's page; that of the pull request where it has none.
    fn page(&self) -> Option<String> {
        let pages = self.pages?;
        Some(self.run().map_or_else(|| pages.check(self.id), |run| pages.run(run)))
    }

    fn whole(&self, waits: &str) -> Status {
        let state = match self.standing {
            CheckStanding::Passed { .. } => StatusState::Success,
            CheckStanding::Failed { class: FailureClass::Environment, .. } | CheckStanding::Cancelled { .. } => StatusState::Error,
            CheckStanding::Failed { .. } => StatusState::Failure,
            _ => StatusState::Pending,
        };
        let summary = match self.standing {
            CheckStanding::Running { .. } if !waits.is_empty() => waits.to_owned(),
            standing => standing.text(),
        };
        Status { context: CHECK.to_owned(), state, summary, details: self.details(), url: self.page() }
    }

    /// One part; nothing where nothing is known of it yet, such as of one that waits for its first run.
    fn part(&self, part: &str, all: &[String], steps: &[Step], waits: &str) -> Option<Status> {
        let own: Vec<&Step> = steps.iter().filter(|step| part_of(&step.name) == Some(part)).collect();
        let later = all.iter().position(|one| one == part).map_or(&[] as &[String], |at| all.get(at + 1..).unwrap_or_default());
        let has_later = steps.iter().filter_map(|step| part_of(&step.name)).any(|other| later.iter().any(|one| one == other));
        let is_done = !own.is_empty() && own.iter().all(|step| step.state == StepState::Done);
        let failed = own.iter().find_map(|step| Some(step.output.as_ref()?.get("failed")?.as_str()?.to_owned()));
        let (state, summary) = match self.standing {
            CheckStanding::Running { .. } => match (failed, own.is_empty()) {
                (Some(failed), _) => (StatusState::Failure, failed),
                (None, true) => (StatusState::Pending, "not begun yet".to_owned()),
                (None, false) if is_done && has_later => (StatusState::Success, "done".to_owned()),
                (None, false) if part == "namespace" && !waits.is_empty() => (StatusState::Pending, waits.to_owned()),
                (None, false) if is_done && part != "build" => (StatusState::Success, "done".to_owned()),
                (None, false) => (StatusState::Pending, "under way".to_owned()),
            },
            CheckStanding::Passed { reused: Some(of), .. } => (StatusState::Success, format!("passed in {of}, with the same tree")),
            CheckStanding::Passed { .. } => (StatusState::Success, "passed".to_owned()),
            CheckStanding::Failed { step, message, class, .. } => match failed {
                Some(failed) => (StatusState::Failure, failed),
                None if part_of(step) == Some(part) => {
                    (if *class == FailureClass::Environment { StatusState::Error } else { StatusState::Failure }, message.clone())
                }
                None if is_done => (StatusState::Success, "passed".to_owned()),
                None => (StatusState::Error, "was not come to".to_owned()),
            },
            _ => return None,
        };
        Some(Status { context: format!("{CHECK}/{part}"), state, summary, details: String::new(), url: self.page() })
    }

    /// More, where the forge has a place for it.
    fn details(&self) -> String {
        let mut text = String::new();
        if let CheckStanding::Failed { message, blame, step, .. } = self.standing {
            text.push_str(&failure(step, blame.as_ref(), message));
        }
        if let Some(results) = self.results {
            text.push_str(&format!("\n[Results of the tests]({results})\n"));
        }
        text
    }

    /// What came of it, once something did.
    fn comment(&self) -> Option<String> {
        let head = self.fact.pull.head.short(12);
        let mut text = match self.standing {
            CheckStanding::Passed { reused, .. } => {
                let reused = reused
                    .as_ref()
                    .map(|of| format!("\n\nThe same tree passed in {of} by the same instructions; it was not tested again.\n"));
                format!("### `{head}` passed\n{}", reused.unwrap_or_default())
            }
            CheckStanding::Failed { step, blame, message, .. } => {
                format!("### `{head}` failed\n\n{}", failure(step, blame.as_ref(), message))
            }
            CheckStanding::NeedsOk { .. } => format!(
                "### `{head}` is not checked yet\n\nIt comes from a fork. Somebody who may has it checked by `/ok-to-test {head}`, after a look at it; each further commit needs that again.\n"
            ),
            _ => return None,
        };
        let mut links = Vec::new();
        if let Some(page) = self.page() {
            links.push(format!("[The run]({page})"));
        }
        if let Some(results) = self.results {
            links.push(format!("[results of the tests]({results})"));
        }
        if !links.is_empty() {
            text.push_str(&format!("\n{}\n", links.join(" · ")));
        }
        text.push_str(
            "\n---\n`/retest` checks it again, `/test NAME` runs one of its tests, `/cancel` stops it. Kept up to date in place.\n",
        );
        Some(text)
    }
}

fn failure(step: &str, blame: Option<&Blame>, message: &str) -> String {
    let blame = blame.map(|blame| format!(", by the fault of **{}**", escape(&blame.text()))).unwrap_or_default();
    format!("At **{}**{blame}:\n\n{}\n", escape(step), escape(message))
}
