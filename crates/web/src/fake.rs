//! A brain for tests: plain data that is shown, and a record of what was asked. It decides nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use towpath_control::request::{
    AckRequest, CancelRequest, CheckRequest, ExtendRequest, FreeRequest, HoldRequest, PlanRequest, PromoteRequest, ReleaseRequest,
    ReserveRequest, RetryRequest, RollbackRequest, TryRequest,
};
use towpath_control::view::{
    Accepted, BoardFilter, BoardView, ChangeDetail, ChangeFilter, ChangeView, CompareRequest, CompareView, ConfigView, ExplainView,
    Finding, GraphFilter, GraphView, HistoryLine, ImageFilter, ImageView, IncidentView, InsightFilter, InsightView, NamespaceFilter,
    NamespaceView, PageView, PlanView, PoolView, Problem, PullDetail, PullFilter, PullView, PulseView, ReleaseView, ReportFile,
    ReservationView, RunDetail, RunReportsFilter, RunReportsView, RunView, StatusView, TestDetail, TestFilter, TestLine, WhyView,
};
use towpath_control::{Scope, Sight};
use towpath_domain::Timestamp;

use crate::brain::{Answer, Begun, Brain, Once, Wake};
use crate::query::{HistoryFilter, LogLine, LogPage, LogQuery, RunFilter};

/// Lines of a log on a page, as many as the real one gives.
const LOG_PAGE: usize = 2000;

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
    /// Where `runs` and `history` go on.
    pub next: Option<String>,
    /// For `board`.
    pub board: BoardView,
    /// For `release_of`.
    pub release: Option<ReleaseView>,
    /// For `why`.
    pub why: Option<WhyView>,
    /// For `graph`.
    pub graph: GraphView,
    /// For `run_detail`.
    pub run_detail: Option<RunDetail>,
    /// For `run_reports`.
    pub run_reports: RunReportsView,
    /// For `report_file`, whatever is asked for.
    pub report_file: Option<ReportFile>,
    /// For `tests`.
    pub tests: PageView<TestLine>,
    /// For `test`.
    pub test: Option<TestDetail>,
    /// For `changes`.
    pub changes: PageView<ChangeView>,
    /// For `change`.
    pub change: Option<ChangeDetail>,
    /// For `incidents`.
    pub incidents: Vec<IncidentView>,
    /// For `images`.
    pub images: PageView<ImageView>,
    /// For `compare`.
    pub compare: Option<CompareView>,
    /// For `insight`.
    pub insight: InsightView,
    /// For `pulse`.
    pub pulse: PulseView,
    /// For `pools`.
    pub pools: Vec<PoolView>,
    /// For `namespaces`.
    pub namespaces: Vec<NamespaceView>,
    /// For `reservations` and `reservation`.
    pub reservations: Vec<ReservationView>,
    /// For `pulls`.
    pub pulls: Vec<PullView>,
    /// For `pull`, if it is of the asked id.
    pub pull: Option<PullDetail>,
    /// For `scopes`, whatever is asked about.
    pub scopes: Vec<Scope>,
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
            next: None,
            board: BoardView::default(),
            release: None,
            why: None,
            graph: GraphView::default(),
            run_detail: None,
            run_reports: RunReportsView::default(),
            report_file: None,
            tests: PageView { items: Vec::new(), next: None },
            test: None,
            changes: PageView { items: Vec::new(), next: None },
            change: None,
            incidents: Vec::new(),
            images: PageView { items: Vec::new(), next: None },
            compare: None,
            insight: InsightView::default(),
            pulse: PulseView::default(),
            pools: Vec::new(),
            namespaces: Vec::new(),
            reservations: Vec::new(),
            pulls: Vec::new(),
            pull: None,
            scopes: vec![Scope::INSTALLATION],
            findings: Vec::new(),
            accepted: Accepted { text: "Accepted.".into(), change: None, run: None, reservation: None },
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
    newest: watch::Sender<i64>,
    once: Mutex<BTreeMap<String, (String, Option<String>)>>,
}

impl FakeBrain {
    /// A fake that shows `shown`.
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        Self { shown: Mutex::new(shown), ..Self::default() }
    }

    /// Changes what is shown, and lets those look again who follow a log.
    pub fn show(&self, change: impl FnOnce(&mut Shown)) {
        let newest = {
            let mut shown = self.shown();
            change(&mut shown);
            shown.history.iter().map(|line| line.id).max().unwrap_or_default()
        };
        self.newest.send_replace(newest);
        self.grown.notify_waiters();
    }

    /// Writes a line to the log, at `at_ms` since 1970.
    pub fn log(&self, at_ms: i64, step: &str, text: &str) {
        self.show(|shown| {
            let number = shown.log.len() as u64 + 1;
            let at = Timestamp::from_millis(at_ms);
            shown.log.push(LogLine { number, at, step: step.into(), stream: "stdout".into(), text: text.into() });
        });
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

fn missing() -> Problem {
    Problem {
        r#type: "unknown-name".into(),
        title: "Nothing is called so".into(),
        status: 404,
        detail: "nothing is known by that name".into(),
        mend: "look on the board".into(),
    }
}

impl Brain for FakeBrain {
    fn status(&self, _sight: Sight) -> Answer<'_, StatusView> {
        self.answer("status".into(), |shown| Ok(shown.status.clone()))
    }

    fn plan(&self, _sight: Sight, request: PlanRequest) -> Answer<'_, PlanView> {
        self.answer(format!("{request:?}"), |shown| Ok(shown.plan.clone()))
    }

    fn explain(&self, _sight: Sight, what: String) -> Answer<'_, ExplainView> {
        self.answer(format!("explain {what:?}"), |shown| Ok(shown.explain.clone()))
    }

    fn runs(&self, _sight: Sight, filter: RunFilter) -> Answer<'_, PageView<RunView>> {
        self.answer(format!("{filter:?}"), |shown| Ok(PageView { items: shown.runs.clone(), next: shown.next.clone() }))
    }

    fn run(&self, _sight: Sight, id: String) -> Answer<'_, RunView> {
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

    fn logs(&self, _sight: Sight, query: LogQuery) -> Answer<'_, LogPage> {
        self.answer(format!("{query:?}"), |shown| {
            let from = usize::try_from(query.from).unwrap_or(usize::MAX);
            let found = |line: &&LogLine| query.search.as_ref().is_none_or(|text| line.text.contains(text));
            let next = from.saturating_add(LOG_PAGE).min(shown.log.len());
            let lines = shown.log.get(from..next).unwrap_or_default().iter().filter(found).cloned().collect();
            let total = shown.log.len() as u64;
            Ok(LogPage { lines, next: next as u64, total, done: shown.log_done && next as u64 == total })
        })
    }

    fn history(&self, _sight: Sight, filter: HistoryFilter) -> Answer<'_, PageView<HistoryLine>> {
        self.answer(format!("{filter:?}"), |shown| Ok(PageView { items: shown.history.clone(), next: shown.next.clone() }))
    }

    fn board(&self, sight: Sight, asked: BoardFilter) -> Answer<'_, BoardView> {
        self.answer(format!("board {asked:?} {sight:?}"), |shown| Ok(shown.board.clone()))
    }

    fn release_of(&self, sight: Sight, asked: String) -> Answer<'_, ReleaseView> {
        self.answer(format!("release_of {asked:?} {sight:?}"), |shown| shown.release.clone().ok_or_else(missing))
    }

    fn why(&self, sight: Sight, asked: String) -> Answer<'_, WhyView> {
        self.answer(format!("why {asked:?} {sight:?}"), |shown| shown.why.clone().ok_or_else(missing))
    }

    fn graph(&self, sight: Sight, asked: GraphFilter) -> Answer<'_, GraphView> {
        self.answer(format!("graph {asked:?} {sight:?}"), |shown| Ok(shown.graph.clone()))
    }

    fn run_detail(&self, sight: Sight, asked: String) -> Answer<'_, RunDetail> {
        let said = format!("run_detail {asked:?} {sight:?}");
        self.answer(said, |shown| {
            let of = |run: &RunView| RunDetail {
                run: run.clone(),
                subject: ("source".into(), run.subject.clone()),
                app: None,
                environment: None,
                cause: None,
                objects: Vec::new(),
                reports: Vec::new(),
                artifacts: Vec::new(),
                attempts: Vec::new(),
                actions: Vec::new(),
            };
            let listed = shown.runs.iter().find(|run| run.id.as_str().starts_with(&asked)).map(of);
            shown.run_detail.clone().or(listed).ok_or_else(missing)
        })
    }

    fn changes(&self, sight: Sight, asked: ChangeFilter) -> Answer<'_, PageView<ChangeView>> {
        self.answer(format!("changes {asked:?} {sight:?}"), |shown| Ok(shown.changes.clone()))
    }

    fn change(&self, sight: Sight, asked: String) -> Answer<'_, ChangeDetail> {
        self.answer(format!("change {asked:?} {sight:?}"), |shown| shown.change.clone().ok_or_else(missing))
    }

    fn incidents(&self, sight: Sight) -> Answer<'_, Vec<IncidentView>> {
        self.answer(format!("incidents {sight:?}"), |shown| Ok(shown.incidents.clone()))
    }

    fn images(&self, sight: Sight, asked: ImageFilter) -> Answer<'_, PageView<ImageView>> {
        self.answer(format!("images {asked:?} {sight:?}"), |shown| Ok(shown.images.clone()))
    }

    fn compare(&self, sight: Sight, asked: CompareRequest) -> Answer<'_, CompareView> {
        self.answer(format!("compare {asked:?} {sight:?}"), |shown| shown.compare.clone().ok_or_else(missing))
    }

    fn run_reports(&self, sight: Sight, run: String, filter: RunReportsFilter) -> Answer<'_, RunReportsView> {
        self.answer(format!("run_reports {run:?} {filter:?} {sight:?}"), |shown| Ok(shown.run_reports.clone()))
    }

    fn report_file(&self, sight: Sight, run: String, hash: String) -> Answer<'_, ReportFile> {
        self.answer(format!("report_file {run:?} {hash:?} {sight:?}"), |shown| shown.report_file.clone().ok_or_else(missing))
    }

    fn tests(&self, sight: Sight, filter: TestFilter) -> Answer<'_, PageView<TestLine>> {
        self.answer(format!("{filter:?} {sight:?}"), |shown| Ok(shown.tests.clone()))
    }

    fn test(&self, sight: Sight, id: String) -> Answer<'_, TestDetail> {
        self.answer(format!("test {id:?} {sight:?}"), |shown| shown.test.clone().ok_or_else(missing))
    }

    fn insight(&self, sight: Sight, asked: InsightFilter) -> Answer<'_, InsightView> {
        self.answer(format!("insight {asked:?} {sight:?}"), |shown| Ok(shown.insight.clone()))
    }

    fn pulse(&self) -> Answer<'_, PulseView> {
        self.answer("pulse".into(), |shown| Ok(shown.pulse.clone()))
    }

    fn events(&self, sight: Sight, after: i64, limit: u32) -> Answer<'_, Vec<HistoryLine>> {
        self.answer(format!("events after {after} {sight:?}"), |shown| {
            let seen = |line: &&HistoryLine| sight == Sight::Everything || line.scopes.iter().any(|scope| sight.sees_scope(scope));
            let later = shown.history.iter().filter(|line| line.id > after).filter(seen);
            Ok(later.take(limit as usize).cloned().collect())
        })
    }

    fn newer_than(&self, event: i64) -> BoxFuture<'_, i64> {
        let mut newest = self.newest.subscribe();
        Box::pin(async move { newest.wait_for(|newest| *newest > event).await.map_or(event, |newest| *newest) })
    }

    fn scopes(&self, what: String) -> Answer<'_, Vec<Scope>> {
        self.answer(format!("scopes {what:?}"), |shown| Ok(shown.scopes.clone()))
    }

    fn begin_once(&self, once: Once) -> Answer<'_, Begun> {
        let mut known = self.once.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = match known.get(&once.key) {
            Some((request, _)) if *request != once.request => Begun::Other,
            Some((_, answer)) => answer.clone().map_or(Begun::Unended, Begun::Done),
            None => {
                known.insert(once.key, (once.request, None));
                Begun::New
            }
        };
        Box::pin(std::future::ready(Ok(begun)))
    }

    fn end_once(&self, key: String, answer: Option<String>) -> Answer<'_, ()> {
        let mut known = self.once.lock().unwrap_or_else(PoisonError::into_inner);
        match (answer, known.get_mut(&key)) {
            (Some(answer), Some((_, ended))) => *ended = Some(answer),
            _ => drop(known.remove(&key)),
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn pools(&self, sight: Sight) -> Answer<'_, Vec<PoolView>> {
        self.answer(format!("pools {sight:?}"), |shown| Ok(shown.pools.clone()))
    }

    fn namespaces(&self, sight: Sight, filter: NamespaceFilter) -> Answer<'_, Vec<NamespaceView>> {
        self.answer(format!("namespaces {filter:?} {sight:?}"), |shown| Ok(shown.namespaces.clone()))
    }

    fn reservations(&self, sight: Sight) -> Answer<'_, Vec<ReservationView>> {
        self.answer(format!("reservations {sight:?}"), |shown| Ok(shown.reservations.clone()))
    }

    fn reservation(&self, sight: Sight, what: String) -> Answer<'_, ReservationView> {
        self.answer(format!("reservation {what:?} {sight:?}"), |shown| {
            let named = |view: &&ReservationView| view.id.as_str() == what || view.namespace.as_ref() == Some(&what);
            shown.reservations.iter().find(named).cloned().ok_or_else(missing)
        })
    }

    fn reserve(&self, request: ReserveRequest) -> Answer<'_, Accepted> {
        self.answer(format!("{request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn extend(&self, request: ExtendRequest) -> Answer<'_, Accepted> {
        self.answer(format!("{request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn free(&self, request: FreeRequest) -> Answer<'_, Accepted> {
        self.answer(format!("{request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn pulls(&self, sight: Sight, filter: PullFilter) -> Answer<'_, Vec<PullView>> {
        self.answer(format!("pulls {filter:?} {sight:?}"), |shown| Ok(shown.pulls.clone()))
    }

    fn pull(&self, sight: Sight, id: String) -> Answer<'_, PullDetail> {
        self.answer(format!("pull {id:?} {sight:?}"), |shown| {
            shown.pull.clone().filter(|pull| pull.check.id.as_str() == id).ok_or_else(missing)
        })
    }

    fn check_again(&self, request: CheckRequest) -> Answer<'_, Accepted> {
        self.answer(format!("check again {request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn check_cancel(&self, request: CheckRequest) -> Answer<'_, Accepted> {
        self.answer(format!("check cancel {request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn check_ok(&self, request: CheckRequest) -> Answer<'_, Accepted> {
        self.answer(format!("check ok {request:?}"), |shown| Ok(shown.accepted.clone()))
    }

    fn try_it(&self, request: TryRequest) -> Answer<'_, Accepted> {
        self.answer(format!("{request:?}"), |shown| Ok(shown.accepted.clone()))
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
