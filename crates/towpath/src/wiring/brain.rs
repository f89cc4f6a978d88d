//! The loop as the API asks it.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use futures_util::future::BoxFuture;
use towpath_control::Control;
use towpath_control::request::{
    AckRequest, CancelRequest, CheckRequest, ExtendRequest, FreeRequest, HoldRequest, PlanRequest, PromoteRequest, ReleaseRequest,
    ReserveRequest, RetryRequest, RollbackRequest, TryRequest,
};
use towpath_control::view::{
    Accepted, BoardFilter, BoardView, ChangeDetail, ChangeFilter, ChangeView, CompareRequest, CompareView, ExplainView, Finding,
    GraphFilter, GraphView, HistoryLine, ImageFilter, ImageView, IncidentView, InsightFilter, InsightView, NamespaceFilter, NamespaceView,
    PageView, PlanView, PoolView, Problem, PullDetail, PullFilter, PullView, PulseView, ReleaseView, ReportFile, ReservationView,
    RunDetail, RunReportsFilter, RunReportsView, RunView, StatusView, TestDetail, TestFilter, TestLine, WhyView,
};
use towpath_control::{Scope, Sight};
use towpath_ledger::EventFilter;
use towpath_runs::World;
use towpath_web::auth::Auth;
use towpath_web::{Answer, Begun, Brain, HistoryFilter, LogPage, LogQuery, Once, RunFilter, Wake};

use super::ibutsu;
use super::logs::KeptLogs;

/// The running loop, for the API.
pub struct Wired {
    pub control: Arc<Control>,
    pub world: Arc<World>,
    pub logs: KeptLogs,
    /// Who may what; none where nobody has to sign in.
    pub auth: Option<Arc<Auth>>,
    /// Where results of tests are told to, if anywhere.
    pub ibutsu: Option<Arc<towpath_ibutsu::Ibutsu>>,
}

impl Wired {
    async fn page(&self, sight: Sight, query: LogQuery) -> Result<LogPage, Problem> {
        let run = self.control.run(&sight, &query.run).await?;
        let (over, id) = (run.finished_at.is_some(), run.id.clone());
        let (kept, world) = (self.logs.of(&id), Arc::clone(&self.world));
        // Reading a long log for the first time takes a while, and others are answered meanwhile.
        let read = tokio::task::spawn_blocking(move || {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.grow(&world.logs, &id, run.queued_at)?;
            Ok(kept.page(query.from, query.search.as_deref(), over))
        });
        let read = read.await.map_err(|error| unreadable(error.to_string()))?;
        read.map_err(|e| problem(&e))
    }
}

fn problem(error: &towpath_ledger::Error) -> Problem {
    unreadable(error.to_string())
}

fn unreadable(detail: String) -> Problem {
    Problem {
        r#type: "ledger".to_owned(),
        title: "The ledger or its logs cannot be read".to_owned(),
        status: 500,
        detail,
        mend: "`towpath doctor` looks at disk and database".to_owned(),
    }
}

/// Why there is no backup: mostly because of where it was to be.
fn not_copied(error: &towpath_ledger::Error) -> Problem {
    let title = "The ledger cannot be copied there".to_owned();
    let detail = error.to_string();
    match error {
        towpath_ledger::Error::Exists { .. } => {
            Problem { r#type: "destination-taken".to_owned(), title, status: 409, detail, mend: "name another file".to_owned() }
        }
        towpath_ledger::Error::Environment { .. } => {
            let mend = "name a file in a folder that the server may write to".to_owned();
            Problem { r#type: "bad-destination".to_owned(), title, status: 422, detail, mend }
        }
        other => problem(other),
    }
}

impl Brain for Wired {
    fn status(&self, sight: Sight) -> Answer<'_, StatusView> {
        Box::pin(async move { self.control.status(&sight).await })
    }

    fn plan(&self, sight: Sight, request: PlanRequest) -> Answer<'_, PlanView> {
        Box::pin(async move { self.control.plan(&sight, &request).await })
    }

    fn explain(&self, sight: Sight, what: String) -> Answer<'_, ExplainView> {
        Box::pin(async move { self.control.explain(&sight, &what).await })
    }

    fn runs(&self, sight: Sight, filter: RunFilter) -> Answer<'_, PageView<RunView>> {
        Box::pin(async move {
            let RunFilter { subject, state, cursor, limit } = &filter;
            self.control.runs(&sight, subject.as_deref(), state.as_deref(), cursor.as_deref(), *limit).await
        })
    }

    fn run(&self, sight: Sight, id: String) -> Answer<'_, RunView> {
        Box::pin(async move { self.control.run(&sight, &id).await })
    }

    fn logs(&self, sight: Sight, query: LogQuery) -> Answer<'_, LogPage> {
        Box::pin(self.page(sight, query))
    }

    fn history(&self, sight: Sight, filter: HistoryFilter) -> Answer<'_, PageView<HistoryLine>> {
        Box::pin(async move {
            let events = EventFilter { since: filter.since, until: filter.until, kind: filter.kind, ..EventFilter::default() };
            self.control.history(&sight, filter.about.as_deref(), events, filter.cursor.as_deref(), filter.limit, filter.steps).await
        })
    }

    fn board(&self, sight: Sight, asked: BoardFilter) -> Answer<'_, BoardView> {
        Box::pin(self.control.board(sight, asked))
    }

    fn release_of(&self, sight: Sight, asked: String) -> Answer<'_, ReleaseView> {
        Box::pin(self.control.release_of(sight, asked))
    }

    fn why(&self, sight: Sight, asked: String) -> Answer<'_, WhyView> {
        Box::pin(self.control.why(sight, asked))
    }

    fn graph(&self, sight: Sight, asked: GraphFilter) -> Answer<'_, GraphView> {
        Box::pin(self.control.graph(sight, asked))
    }

    fn run_detail(&self, sight: Sight, asked: String) -> Answer<'_, RunDetail> {
        Box::pin(self.control.run_detail(sight, asked))
    }

    fn changes(&self, sight: Sight, asked: ChangeFilter) -> Answer<'_, PageView<ChangeView>> {
        Box::pin(self.control.changes(sight, asked))
    }

    fn change(&self, sight: Sight, asked: String) -> Answer<'_, ChangeDetail> {
        Box::pin(self.control.change(sight, asked))
    }

    fn incidents(&self, sight: Sight) -> Answer<'_, Vec<IncidentView>> {
        Box::pin(self.control.incidents(sight))
    }

    fn images(&self, sight: Sight, asked: ImageFilter) -> Answer<'_, PageView<ImageView>> {
        Box::pin(self.control.images(sight, asked))
    }

    fn compare(&self, sight: Sight, asked: CompareRequest) -> Answer<'_, CompareView> {
        Box::pin(self.control.compare(sight, asked))
    }

    fn run_reports(&self, sight: Sight, run: String, filter: RunReportsFilter) -> Answer<'_, RunReportsView> {
        Box::pin(self.control.run_reports(sight, run, filter))
    }

    fn report_file(&self, sight: Sight, run: String, hash: String) -> Answer<'_, ReportFile> {
        Box::pin(self.control.report_file(sight, run, hash))
    }

    fn tests(&self, sight: Sight, filter: TestFilter) -> Answer<'_, PageView<TestLine>> {
        Box::pin(self.control.tests(sight, filter))
    }

    fn test(&self, sight: Sight, id: String) -> Answer<'_, TestDetail> {
        Box::pin(self.control.test(sight, id))
    }

    fn insight(&self, sight: Sight, asked: InsightFilter) -> Answer<'_, InsightView> {
        Box::pin(self.control.insight(sight, asked))
    }

    fn pulse(&self) -> Answer<'_, PulseView> {
        Box::pin(self.control.pulse())
    }

    fn events(&self, sight: Sight, after: i64, limit: u32) -> Answer<'_, Vec<HistoryLine>> {
        Box::pin(self.control.events(sight, after, limit))
    }

    fn newer_than(&self, event: i64) -> BoxFuture<'_, i64> {
        let mut latest = self.world.ledger.subscribe();
        Box::pin(async move {
            let newest = latest.wait_for(|latest| latest.get() > event).await.map(|latest| latest.get()).ok();
            match newest {
                Some(newest) => newest,
                // The ledger is closed: there will be nothing new.
                None => std::future::pending().await,
            }
        })
    }

    fn scopes(&self, what: String) -> Answer<'_, Vec<Scope>> {
        Box::pin(async move { self.control.scopes(&what).await })
    }

    fn begin_once(&self, once: Once) -> Answer<'_, Begun> {
        Box::pin(async move {
            let begun = self.world.ledger.begin_once(&once.key, &once.request, self.world.clock.now()).await.map_err(|e| problem(&e))?;
            Ok(match begun {
                towpath_ledger::Begun::New => Begun::New,
                towpath_ledger::Begun::Other => Begun::Other,
                towpath_ledger::Begun::Unended => Begun::Unended,
                towpath_ledger::Begun::Done(answer) => Begun::Done(answer),
            })
        })
    }

    fn end_once(&self, key: String, answer: Option<String>) -> Answer<'_, ()> {
        Box::pin(async move { self.world.ledger.end_once(&key, answer.as_deref()).await.map_err(|e| problem(&e)) })
    }

    fn pools(&self, sight: Sight) -> Answer<'_, Vec<PoolView>> {
        Box::pin(std::future::ready(Ok(self.control.pools(&sight))))
    }

    fn namespaces(&self, sight: Sight, filter: NamespaceFilter) -> Answer<'_, Vec<NamespaceView>> {
        Box::pin(async move { self.control.namespaces_with(&sight, &filter).await })
    }

    fn reservations(&self, sight: Sight) -> Answer<'_, Vec<ReservationView>> {
        Box::pin(std::future::ready(Ok(self.control.reservations(&sight))))
    }

    fn reservation(&self, sight: Sight, what: String) -> Answer<'_, ReservationView> {
        Box::pin(std::future::ready(self.control.reservation(&sight, &what)))
    }

    fn reserve(&self, request: ReserveRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.reserve(request))
    }

    fn extend(&self, request: ExtendRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.extend(request))
    }

    fn free(&self, request: FreeRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.free(request))
    }

    fn pulls(&self, sight: Sight, filter: PullFilter) -> Answer<'_, Vec<PullView>> {
        Box::pin(std::future::ready(self.control.pulls(&sight, &filter)))
    }

    fn pull(&self, sight: Sight, id: String) -> Answer<'_, PullDetail> {
        Box::pin(async move { self.control.pull(&sight, &id).await })
    }

    fn check_again(&self, request: CheckRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.check_again(request))
    }

    fn check_cancel(&self, request: CheckRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.check_cancel(request))
    }

    fn check_ok(&self, request: CheckRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.check_ok(request))
    }

    fn try_it(&self, request: TryRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.try_it(request))
    }

    fn doctor(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(async move {
            let sign_in = async {
                match &self.auth {
                    Some(auth) => auth.doctor().await,
                    None => vec![towpath_web::auth::nobody_signs_in()],
                }
            };
            let (mut findings, ibutsu, sign_in) =
                futures_util::join!(self.control.doctor(), ibutsu::doctor(self.ibutsu.as_deref()), sign_in);
            findings.extend(ibutsu.into_iter().chain(sign_in));
            Ok(findings)
        })
    }

    fn retry(&self, request: RetryRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.retry(request))
    }

    fn ack(&self, request: AckRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.acknowledge(request))
    }

    fn cancel(&self, request: CancelRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.cancel(request))
    }

    fn promote(&self, request: PromoteRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.promote(request))
    }

    fn rollback(&self, request: RollbackRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.rollback(request))
    }

    fn hold(&self, request: HoldRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.hold(request))
    }

    fn release(&self, request: ReleaseRequest) -> Answer<'_, Accepted> {
        Box::pin(self.control.release(request))
    }

    fn backup(&self, dest: String) -> Answer<'_, Accepted> {
        Box::pin(async move {
            self.world.ledger.backup(Path::new(&dest)).await.map_err(|error| not_copied(&error))?;
            Ok(Accepted { text: format!("the ledger is copied to {dest}"), change: None, run: None, reservation: None })
        })
    }

    fn wake_for(&self, wake: Wake) {
        match wake {
            Wake::Everything => self.control.wake(),
            Wake::Commits(repository) => self.control.wake_for_repository(repository.as_str()),
            // What is new of a change may stand in its repository, too.
            Wake::Changes(repository) => {
                self.control.wake_for_repository(repository.as_str());
                self.control.wake_for_changes();
            }
            Wake::Images => self.control.wake_for_images(),
        }
    }
}
