//! A brain for tests: plain data that is shown, and a record of what was asked. It decides nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use towpath_control::request::{
    AckRequest, CancelRequest, HoldRequest, PlanRequest, PromoteRequest, ReleaseRequest, RetryRequest, RollbackRequest,
};
use towpath_control::view::{Accepted, ConfigView, ExplainView, Finding, HistoryLine, PlanView, Problem, RunView, StatusView};
use towpath_domain::Timestamp;

use crate::brain::{Answer, Brain, Wake};
use crate::query::{HistoryFilter, LogLine, LogPage, LogQuery, RunFilter};

/// What the fake shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// For `status`.
    pub status: StatusView,
    /// For `plan`.
    pub plan: PlanView,
    /// For `explain`.
    pub explain: ExplainView,
    /// For `runs` and `run`.
    pub runs: Vec<RunView>,
    /// For `logs`, whatever the run.
    pub log: Vec<LogLine>,
    /// The log is complete.
    pub log_done: bool,
    /// For `history`.
    pub history: Vec<HistoryLine>,
    /// For `doctor`.
    pub findings: Vec<Finding>,
    /// For everything that does something.
    pub accepted: Accepted,
    /// When set, the answer to everything.
    pub problem: Option<Problem>,
}

impl Default for Shown {
    fn default() -> Self {
        let config =
            ConfigView { url: "/srv/config".into(), branch: "main".into(), commit: None, unreachable: None, diagnostics: Vec::new() };
        Self {
            status: StatusView { config, sources: Vec::new(), targets: Vec::new(), changes: Vec::new(), runs: Vec::new() },
            plan: PlanView { of: "main".into(), diagnostics: Vec::new(), lines: Vec::new() },
            explain: ExplainView {
                kind: "commit".into(),
                title: "nothing".into(),
                answer: "Nothing happened.".into(),
                story: Vec::new(),
                now: Vec::new(),
            },
            runs: Vec::new(),
            log: Vec::new(),
            log_done: false,
            history: Vec::new(),
            findings: Vec::new(),
            accepted: Accepted { text: "Accepted.".into(), change: None, run: None },
            problem: None,
        }
    }
}

/// The fake. Share it by `Arc`, and change what it shows with [`FakeBrain::show`].
#[derive(Debug, Default)]
pub struct FakeBrain {
    shown: Mutex<Shown>,
    asked: Mutex<Vec<String>>,
    grown: Notify,
}

impl FakeBrain {
    /// A fake that shows `shown`.
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        Self { shown: Mutex::new(shown), ..Self::default() }
    }

    /// Changes what is shown, and lets those look again who follow a log.
    pub fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown());
        self.grown.notify_waiters();
    }

    /// Writes a line to the log, at `at_ms` since 1970.
    pub fn log(&self, at_ms: i64, step: &str, text: &str) {
        let line = LogLine { at: Timestamp::from_millis(at_ms), step: step.into(), stream: "stdout".into(), text: text.into() };
        self.show(|shown| shown.log.push(line));
    }

    /// What was asked so far: the method's name, and what it was given as debug text.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(&self, asked: String, pick: impl FnOnce(&Shown) -> Result<T, Problem>) -> Answer<'_, T> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let shown = self.shown();
        let answer = shown.problem.clone().map_or_else(|| pick(&shown), Err);
        Box::pin(std::future::ready(answer))
    }
}

impl Brain for FakeBrain {
    fn status(&self) -> Answer<'_, StatusView> {
        self.answer("status".into(), |shown| Ok(shown.status.clone()))
    }

    fn plan(&self, request: PlanRequest) -> Answer<'_, PlanView> {
        self.answer(format!("{request:?}"), |shown| Ok(shown.plan.clone()))
    }

    fn explain(&self, what: String) -> Answer<'_, ExplainView> {
        self.answer(format!("explain {what:?}"), |shown| Ok(shown.explain.clone()))
    }

    fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunView>> {
        self.answer(format!("{filter:?}"), |shown| Ok(shown.runs.clone()))
    }

    fn run(&self, id: String) -> Answer<'_, RunView> {
        self.answer(format!("run {id:?}"), |shown| {
            let found = shown.runs.iter().find(|run| run.id.as_str().starts_with(&id)).cloned();
            found.ok_or_else(|| Problem {
                r#type: "unknown-run".into(),
                title: "No such run".into(),
                status: 404,
                detail: format!("no run's id begins with {id:?}"),
                mend: "`towpath runs` lists them".into(),
            })
        })
    }

    fn logs(&self, query: LogQuery) -> Answer<'_, LogPage> {
        self.answer(format!("{query:?}"), |shown| {
            let from = usize::try_from(query.from).unwrap_or(usize::MAX);
            let found = |line: &&LogLine| query.search.as_ref().is_none_or(|text| line.text.contains(text));
            let lines = shown.log.iter().skip(from).filter(found).cloned().collect();
            Ok(LogPage { lines, next: shown.log.len() as u64, done: shown.log_done })
        })
    }

    fn history(&self, filter: HistoryFilter) -> Answer<'_, Vec<HistoryLine>> {
        self.answer(format!("{filter:?}"), |shown| Ok(shown.history.clone()))
    }

    fn doctor(&self) -> Answer<'_, Vec<Finding>> {
        self.answer("doctor".into(), |shown| Ok(shown.findings.clone()))
    }

    fn retry(&self, request: RetryRequest) -> Answer<'_, Accepted> {
        self.answer(format!("retry {request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn ack(&self, request: AckRequest) -> Answer<'_, Accepted> {
        self.answer(format!("ack {request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn cancel(&self, request: CancelRequest) -> Answer<'_, Accepted> {
        self.answer(format!("cancel {request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn promote(&self, request: PromoteRequest) -> Answer<'_, Accepted> {
        self.answer(format!("{request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn rollback(&self, request: RollbackRequest) -> Answer<'_, Accepted> {
        self.answer(format!("{request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn hold(&self, request: HoldRequest) -> Answer<'_, Accepted> {
        self.answer(format!("hold {request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn release(&self, request: ReleaseRequest) -> Answer<'_, Accepted> {
        self.answer(format!("release {request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn backup(&self, dest: String) -> Answer<'_, Accepted> {
        self.answer(format!("backup {dest:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn wake_for(&self, wake: Wake) {
        let said = match wake {
            Wake::Everything => "wake".to_owned(),
            Wake::Images => "wake for images".to_owned(),
            Wake::Commits(name) => format!("wake for commits of {}", name.as_str()),
            Wake::Changes(name) => format!("wake for changes of {}", name.as_str()),
        };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    }

    fn log_may_have_grown(&self) -> BoxFuture<'_, ()> {
        let grown = self.grown.notified();
        Box::pin(async move {
            // A line that is written before the wait begins wakes nobody: look again after a while.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(20), grown).await;
        })
    }
}
