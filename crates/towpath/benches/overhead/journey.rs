//! One commit's way through the events of a ledger, cut into stations without a gap.

use std::collections::BTreeMap;

use towpath_domain::{CommitId, RunId, TargetId, Timestamp};
use towpath_engine::{ConfigEdit, Event, Outcome, RunSpec, Work};
use towpath_ledger::Recorded;

/// A commit's way from its push to production.
pub struct Journey {
    /// Which play of the demonstration, from 1.
    pub play: usize,
    /// Which of its commits, from 1.
    pub commit: usize,
    /// The stations in their order. Together they are all the time from the push to healthy in production.
    pub stations: Vec<Station>,
}

/// A piece of the way.
pub struct Station {
    /// Where: `build`, `stage`, `promotion to test`, ….
    pub part: String,
    /// What: a step, or what was waited for.
    pub what: String,
    /// How long, in milliseconds.
    pub ms: u64,
    /// It is the user's own time.
    pub own: bool,
}

impl Journey {
    /// From the push to healthy in production, in milliseconds.
    pub fn total(&self) -> u64 {
        self.stations.iter().map(|s| s.ms).sum()
    }

    /// The user's own part of it.
    pub fn own(&self) -> u64 {
        self.stations.iter().filter(|s| s.own).map(|s| s.ms).sum()
    }

    /// What Towpath adds.
    pub fn overhead(&self) -> u64 {
        self.total() - self.own()
    }
}

/// A run as its events tell it.
struct Ran<'a> {
    spec: &'a RunSpec,
    queued: Timestamp,
    marks: Vec<Mark>,
    good: bool,
}

/// A moment of a run.
struct Mark {
    at: Timestamp,
    /// What the time up to here was.
    before: String,
    own: bool,
}

/// The way of `commit`, which arrived at `arrival`.
pub fn of(events: &[Recorded], commit: CommitId, arrival: Timestamp, play: usize, number: usize) -> Journey {
    let mut stations = Vec::new();
    let mut reached = arrival;
    let mut station = |part: &str, what: String, until: Timestamp, own: bool| {
        stations.push(Station { part: part.to_owned(), what, ms: until.since(reached).as_millis(), own });
        reached = reached.max(until);
    };
    let noticed =
        |event: &&Recorded| matches!(&event.event, Event::BranchSeen { commits, .. } if commits.first().is_some_and(|c| c.id == commit));
    let seen = events.iter().find(noticed).expect("the push was noticed");
    station("push", "until it is noticed".to_owned(), seen.at, false);
    let names = names(events);
    for ran in runs(events).into_values().filter(|ran| ran.good) {
        let Some(part) = part_of(&ran.spec.work, commit, &names) else { continue };
        station(&part, "until it is queued".to_owned(), ran.queued, false);
        for mark in ran.marks {
            station(&part, mark.before, mark.at, mark.own);
        }
    }
    Journey { play, commit: number, stations }
}

/// Which part of the commit's way a run is, if it is one.
fn part_of(work: &Work, wanted: CommitId, names: &BTreeMap<&TargetId, &str>) -> Option<String> {
    let name = |target| names.get(target).copied().unwrap_or("elsewhere");
    match work {
        Work::Build { commit, .. } => (*commit == wanted).then(|| "build".to_owned()),
        Work::Deploy(deploy) => (deploy.commit == wanted).then(|| name(&deploy.target).to_owned()),
        Work::Change(change) => change.edits.iter().find_map(|edit| match edit {
            ConfigEdit::SetRef { target, to, .. } if *to == wanted => Some(format!("promotion to {}", name(target))),
            _ => None,
        }),
        Work::Delete { .. } | Work::Check(_) => None,
    }
}

/// What each target of the demonstration is: told by what its deploys rest on.
fn names(events: &[Recorded]) -> BTreeMap<&TargetId, &'static str> {
    let deploys = events.iter().filter_map(|recorded| match &recorded.event {
        Event::RunQueued(RunSpec { work: Work::Deploy(deploy), .. }) => Some(deploy),
        _ => None,
    });
    deploys
        .map(|deploy| {
            let name = match (deploy.only_jobs, deploy.vouchers.is_empty()) {
                (true, _) => "the test",
                (false, true) => "stage",
                (false, false) => "production",
            };
            (&deploy.target, name)
        })
        .collect()
}

/// All runs in the order in which they were queued.
fn runs(events: &[Recorded]) -> BTreeMap<usize, Ran<'_>> {
    let mut order: BTreeMap<&RunId, usize> = BTreeMap::new();
    let mut runs: BTreeMap<usize, Ran<'_>> = BTreeMap::new();
    for (at, recorded) in events.iter().enumerate() {
        let mut mark = |run: &RunId, before: String, own: bool| {
            if let Some(ran) = order.get(run).and_then(|at| runs.get_mut(at)) {
                ran.marks.push(Mark { at: recorded.at, before, own });
            }
        };
        match &recorded.event {
            Event::RunQueued(spec) => {
                order.insert(&spec.id, at);
                runs.insert(at, Ran { spec, queued: recorded.at, marks: Vec::new(), good: false });
            }
            Event::RunStarted { run } => mark(run, "until it is taken up".to_owned(), false),
            Event::StepStarted { run, step } => mark(run, format!("before {step}"), false),
            Event::StepDone { run, step, .. } => mark(run, step.clone(), step == "build" || step == "wait"),
            Event::RunFinished { run, outcome } => {
                mark(run, "at the end".to_owned(), false);
                if let Some(ran) = order.get(run).and_then(|at| runs.get_mut(at)) {
                    ran.good = matches!(outcome, Outcome::Built { .. } | Outcome::Deployed { .. } | Outcome::Merged { .. });
                }
            }
            _ => {}
        }
    }
    runs
}
