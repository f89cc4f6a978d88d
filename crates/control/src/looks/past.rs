//! What ended, in a few words each: read from the ledger once, and counted on from where it was.

use std::collections::{BTreeMap, HashMap, VecDeque};

use towpath_domain::{CommitId, RunId, SourceName, TargetId, Timestamp};
use towpath_engine::{ChangeKind, Outcome, Subject, Work};
use towpath_ledger::{EventId, Ledger, MAX_PAGE, Run};
use towpath_runs::KeptReport;

use super::incident::is_good;
use crate::words;

/// The most runs that are remembered; of more, the newest.
const RUNS_MAX: usize = 400_000;

/// The most times that a test ran that are remembered; of more, the newest.
const TIMES_MAX: usize = 200;

/// The most tests that are remembered.
const TESTS_MAX: usize = 50_000;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Good,
    Failed,
    /// Cancelled, given up, or waiting for people.
    Neither,
}

/// A run that ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) kind: &'static str,
    pub(crate) subject: Subject,
    pub(crate) commit: Option<CommitId>,
    pub(crate) change: Option<ChangeKind>,
    /// The targets that a change moves.
    pub(crate) moves: Vec<TargetId>,
    pub(crate) queued_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Timestamp,
    pub(crate) how: How,
}

/// One time that a test ran.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    pub(crate) at: Timestamp,
    pub(crate) ms: u64,
    pub(crate) failed: bool,
    pub(crate) commit: Option<CommitId>,
    pub(crate) run: RunId,
}

/// What ended so far.
#[derive(Default)]
pub(crate) struct Past {
    runs_to: EventId,
    reports_to: EventId,
    pub(crate) runs: VecDeque<Ended>,
    /// When each commit of a source was first worked on: it was there by then.
    pub(crate) built: HashMap<(SourceName, CommitId), Timestamp>,
    /// Times by target and test.
    pub(crate) tests: BTreeMap<(TargetId, String), VecDeque<Time>>,
    /// Runs that ended, by kind and outcome, since the ledger began.
    pub(crate) counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Past {
    /// Reads what ended since.
    pub(crate) async fn catch_up(&mut self, ledger: &Ledger) -> towpath_ledger::Result<()> {
        loop {
            let page = ledger.ended_after(self.runs_to, MAX_PAGE).await?;
            for run in &page.rows {
                self.add(run);
            }
            if !page.more {
                break;
            }
        }
        loop {
            let page = ledger.reports_after(self.reports_to, MAX_PAGE).await?;
            for (id, first, found) in page.rows {
                self.reports_to = first;
                let run = ledger.run(&id).await?;
                self.add_reports(&run, serde_json::from_value(found).unwrap_or_default());
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    fn add(&mut self, run: &Run) {
        let (Some(finished), Some(finished_at), Some(outcome)) = (run.finished, run.finished_at, &run.outcome) else { return };
        self.runs_to = finished;
        let kind = words::work_kind(&run.spec.work);
        *self.counts.entry((kind, towpath_ledger::outcome_kind(outcome))).or_default() += 1;
        let commit = words::work_commit(&run.spec.work);
        if let (Work::Build { source, .. }, Some(commit)) = (&run.spec.work, commit) {
            let first = self.built.entry((source.clone(), commit)).or_insert(run.queued_at);
            *first = (*first).min(run.queued_at);
        }
        let how = match outcome {
            outcome if is_good(outcome) => How::Good,
            Outcome::Failed { .. } => How::Failed,
            _ => How::Neither,
        };
        let (change, moves) = match &run.spec.work {
            Work::Change(spec) => (Some(spec.kind), spec.edits.iter().filter_map(moved).collect()),
            _ => (None, Vec::new()),
        };
        self.runs.push_back(Ended {
            kind,
            subject: run.subject(),
            commit,
            change,
            moves,
            queued_at: run.queued_at,
            started_at: run.started_at,
            finished_at,
            how,
        });
        if self.runs.len() > RUNS_MAX {
            self.runs.pop_front();
        }
    }

    fn add_reports(&mut self, run: &Run, reports: Vec<KeptReport>) {
        let Subject::Target(target) = run.subject() else { return };
        let at = run.finished_at.unwrap_or(run.queued_at);
        let commit = words::work_commit(&run.spec.work);
        for test in reports.into_iter().flat_map(|report| report.tests).filter(|test| test.state != "skipped") {
            let key = (target.clone(), test.name);
            if self.tests.len() >= TESTS_MAX && !self.tests.contains_key(&key) {
                continue;
            }
            let times = self.tests.entry(key).or_default();
            times.push_back(Time { at, ms: test.took_ms.unwrap_or(0), failed: test.state == "failed", commit, run: run.spec.id.clone() });
            if times.len() > TIMES_MAX {
                times.pop_front();
            }
        }
    }
}

fn moved(edit: &towpath_engine::ConfigEdit) -> Option<TargetId> {
    match edit {
        towpath_engine::ConfigEdit::SetRef { target, .. } => Some(target.clone()),
        _ => None,
    }
}
