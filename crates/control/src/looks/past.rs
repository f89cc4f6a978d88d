//! What ended, in a few words each: read from the ledger once, and counted on from where it was.

use std::collections::{BTreeMap, HashMap, VecDeque};

use towpath_domain::{CommitId, RunId, SourceName, TargetId, Timestamp};
use towpath_engine::{ChangeKind, Outcome, Subject, Work};
use towpath_ledger::{EventId, Ledger, MAX_PAGE, Run};
use towpath_runs::NotedReport;

use super::incident::is_good;
use crate::words;

/// The most runs that are remembered; of more, the newest.
const RUNS_MAX: usize = 400_000;

/// The most times that a test ran that are remembered; of more, the newest.
const TIMES_MAX: usize = 200;

/// The most tests that are remembered.
const TESTS_MAX: usize = 50_000;

/// How many good runs tell how long something usually takes.
const USUAL: usize = 20;

/// The most failures that are remembered after they were mended; of more, the newest.
const MENDED_MAX: usize = 1000;

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

/// Failures of one subject in a row, without a success between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    /// When the first one ended.
    pub(crate) since: Timestamp,
    /// The newest.
    pub(crate) run: RunId,
}

/// Failures that were mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mended {
    pub(crate) subject: Subject,
    pub(crate) failing: Failing,
    /// When the run ended that went well again.
    pub(crate) at: Timestamp,
}

/// A test over its runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// The stable name of its history.
    pub(crate) id: Option<String>,
    pub(crate) times: VecDeque<Time>,
}

/// One time that a test ran.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    pub(crate) at: Timestamp,
    pub(crate) ms: u64,
    pub(crate) failed: bool,
    pub(crate) run: RunId,
}

/// What ended so far.
#[derive(Default)]
pub(crate) struct Past {
    runs_to: EventId,
    reports_to: EventId,
    /// All up to here is known; none before the first time.
    known_to: Option<EventId>,
    pub(crate) runs: VecDeque<Ended>,
    /// When each commit of a source was first worked on: it was there by then.
    pub(crate) built: HashMap<(SourceName, CommitId), Timestamp>,
    /// Times by target and test.
    pub(crate) tests: BTreeMap<(TargetId, String), Times>,
    /// Runs that ended, by kind and outcome, since the ledger began.
    pub(crate) counts: BTreeMap<(&'static str, &'static str), u64>,
    /// What failed last, by what it is about.
    pub(crate) failing: HashMap<Subject, Failing>,
    /// What was mended, the newest last.
    pub(crate) mended: VecDeque<Mended>,
    /// How long the last good runs took from being queued to their end, in milliseconds; the newest last.
    usual: HashMap<Subject, VecDeque<u64>>,
}

impl Past {
    /// Reads what ended since. Costs what there is to read, and nothing when nothing happened.
    pub(crate) async fn catch_up(&mut self, ledger: &Ledger) -> towpath_ledger::Result<()> {
        let latest = ledger.latest();
        if self.known_to != Some(latest) {
            self.read(ledger).await?;
            self.known_to = Some(latest);
        }
        Ok(())
    }

    /// Whether it was read before: what came since is little.
    pub(crate) fn is_read(&self) -> bool {
        self.known_to.is_some()
    }

    /// Up to where it is known: when this is the same, so is everything here.
    pub(crate) fn position(&self) -> (EventId, EventId) {
        (self.runs_to, self.reports_to)
    }

    /// How long it usually takes from being queued to its end, in milliseconds: the median of the last good runs.
    pub(crate) fn usually(&self, subject: &Subject) -> Option<u64> {
        let mut took: Vec<u64> = self.usual.get(subject)?.iter().copied().collect();
        took.sort_unstable();
        took.get(took.len() / 2).copied()
    }

    async fn read(&mut self, ledger: &Ledger) -> towpath_ledger::Result<()> {
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
        let commit = run.spec.work.commit();
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
        self.remember(run, how, finished_at);
        if how == How::Good || matches!(outcome, Outcome::Opened { .. }) {
            let usual = self.usual.entry(run.subject()).or_default();
            usual.push_back(finished_at.since(run.queued_at).as_millis());
            if usual.len() > USUAL {
                usual.pop_front();
            }
        }
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

    /// Whether a failure begins, goes on or is mended by a run.
    fn remember(&mut self, run: &Run, how: How, at: Timestamp) {
        let subject = run.subject();
        match how {
            How::Failed => {
                let since = self.failing.get(&subject).map_or(at, |failing| failing.since);
                self.failing.insert(subject, Failing { since, run: run.spec.id.clone() });
            }
            How::Good => {
                let Some(failing) = self.failing.remove(&subject) else { return };
                self.mended.push_back(Mended { subject, failing, at });
                if self.mended.len() > MENDED_MAX {
                    self.mended.pop_front();
                }
            }
            How::Neither => {}
        }
    }

    fn add_reports(&mut self, run: &Run, reports: Vec<NotedReport>) {
        let Subject::Target(target) = run.subject() else { return };
        let at = run.finished_at.unwrap_or(run.queued_at);
        for test in reports.into_iter().flat_map(|report| report.tests).filter(|test| test.state != "skipped") {
            let key = (target.clone(), test.name);
            if self.tests.len() >= TESTS_MAX && !self.tests.contains_key(&key) {
                continue;
            }
            let Times { id, times } = self.tests.entry(key).or_default();
            *id = test.id.or(id.take());
            times.push_back(Time { at, ms: test.took_ms.unwrap_or(0), failed: test.state == "failed", run: run.spec.id.clone() });
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

#[cfg(test)]
mod tests {
    use towpath_domain::{Digest, FailureClass, ImageRef};
    use towpath_engine::{Event, RunSpec};

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    fn built() -> Outcome {
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        Outcome::Built { image: "registry.example.com/web:1".parse::<ImageRef>().unwrap(), digest }
    }

    fn failed() -> Outcome {
        Outcome::Failed {
            class: FailureClass::Own,
            step: "build".to_owned(),
            message: "it does not compile".to_owned(),
            refused: false,
            blame: None,
        }
    }

    async fn ran(ledger: &Ledger, name: &str, from: i64, to: i64, outcome: Outcome) {
        let id = RunId::new(name).unwrap();
        let work =
            Work::Build { source: SourceName::new("web").unwrap(), commit: "a".repeat(40).parse().unwrap(), build_hash: "h".to_owned() };
        let spec = RunSpec { id: id.clone(), attempt: 1, work, why: "it is wanted".to_owned(), after: None };
        ledger.append(None, "t", at(from), vec![Event::RunQueued(spec), Event::RunStarted { run: id.clone() }]).await.unwrap();
        ledger.append(None, "t", at(to), vec![Event::RunFinished { run: id, outcome }]).await.unwrap();
    }

    #[tokio::test]
    async fn what_ended_is_counted_once_and_counted_on_and_failures_in_a_row_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).await.unwrap();
        let web = Subject::Source(SourceName::new("web").unwrap());
        let mut past = Past::default();
        assert!(!past.is_read());
        ran(&ledger, "r1", 0, 4, failed()).await;
        ran(&ledger, "r2", 5, 6, failed()).await;
        past.catch_up(&ledger).await.unwrap();
        assert_eq!(past.failing.get(&web), Some(&Failing { since: at(4), run: RunId::new("r2").unwrap() }));
        assert_eq!(past.usually(&web), None, "how long failures take says nothing");

        ran(&ledger, "r3", 7, 17, built()).await;
        ran(&ledger, "r4", 20, 22, built()).await;
        past.catch_up(&ledger).await.unwrap();
        past.catch_up(&ledger).await.unwrap();
        let counts: Vec<_> = past.counts.iter().map(|((kind, outcome), count)| (*kind, *outcome, *count)).collect();
        assert_eq!(counts, [("build", "built", 2), ("build", "failed", 2)]);
        assert!(past.failing.is_empty());
        let mended: Vec<_> = past.mended.iter().map(|mended| (mended.failing.since, mended.at)).collect();
        assert_eq!(mended, [(at(4), at(17))]);
        assert_eq!(past.usually(&web), Some(10 * 60_000));
    }
}
