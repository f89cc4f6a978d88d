//! What the API needs of the loop.

use std::time::Duration;

use futures_util::future::BoxFuture;
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

use crate::query::{HistoryFilter, LogPage, LogQuery, RunFilter};

/// What a question to the brain comes to: an answer, or a refusal that says how to mend it.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Problem>>;

/// What to look at, since somebody said that it is new. It is nothing more than a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// All repositories.
    Everything,
    /// A repository may have new commits.
    Commits(RepositoryName),
    /// Changes of a repository may be new, or what was said or found of them.
    Changes(RepositoryName),
    /// Images that are waited for.
    Images,
}

/// What a forge calls a repository: `organisation/name`. It is the end of the path of its URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// The longest in bytes; forges allow fewer.
    const LONGEST: usize = 512;

    /// Takes `text` as a name, if it can be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let sound = text.len() <= Self::LONGEST && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        (sound && text.split('/').count() > 1 && text.split('/').all(|part| !matches!(part, "" | "." | "..")))
            .then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A write that is to be done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Its key: of this caller only.
    pub key: String,
    /// What tells its request from others.
    pub request: String,
}

/// What is known of a write that is to be done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: do it.
    New,
    /// Another request had this key.
    Other,
    /// It is being done, or was, and how it ended is not known.
    Unended,
    /// It was done, with this answer.
    Done(String),
}

/// The loop as the API sees it. Every answer is made from the ledger's facts and the engine's verdicts, and is given at once:
/// waiting for something to change is the API's business.
pub trait Brain: Send + Sync + 'static {
    /// What is where, what is moving, what is stuck and why.
    fn status(&self, sight: Sight) -> Answer<'_, StatusView>;

    /// What would happen now, or if a branch of the config repository were merged.
    fn plan(&self, sight: Sight, request: PlanRequest) -> Answer<'_, PlanView>;

    /// The story of a commit, target, channel, run or change, named by its id, its title or an unambiguous part of either.
    fn explain(&self, sight: Sight, what: String) -> Answer<'_, ExplainView>;

    /// Runs, newest first, without their steps.
    fn runs(&self, sight: Sight, filter: RunFilter) -> Answer<'_, PageView<RunView>>;

    /// One run with its steps, by its id or an unambiguous beginning of it.
    fn run(&self, sight: Sight, id: String) -> Answer<'_, RunView>;

    /// A page of a run's logs, from where the query says to what is written by now; bounded.
    fn logs(&self, sight: Sight, query: LogQuery) -> Answer<'_, LogPage>;

    /// Events of the ledger in words, newest first.
    fn history(&self, sight: Sight, filter: HistoryFilter) -> Answer<'_, PageView<HistoryLine>>;

    /// Apps × environments: what runs where, what is on its way, what is stuck and on what.
    fn board(&self, sight: Sight, filter: BoardFilter) -> Answer<'_, BoardView>;

    /// One commit's way to production.
    fn release_of(&self, sight: Sight, commit: String) -> Answer<'_, ReleaseView>;

    /// The verdict for a target, source or change, with what to do about each hold.
    fn why(&self, sight: Sight, what: String) -> Answer<'_, WhyView>;

    /// What publishes to what.
    fn graph(&self, sight: Sight, filter: GraphFilter) -> Answer<'_, GraphView>;

    /// One run with all that is known of it.
    fn run_detail(&self, sight: Sight, id: String) -> Answer<'_, RunDetail>;

    /// The reports of a run, and a page of their tests, failed ones first.
    fn run_reports(&self, sight: Sight, run: String, filter: RunReportsFilter) -> Answer<'_, RunReportsView>;

    /// A report of a run, by its hash.
    fn report_file(&self, sight: Sight, run: String, hash: String) -> Answer<'_, ReportFile>;

    /// Tests over their runs, flaky ones first.
    fn tests(&self, sight: Sight, filter: TestFilter) -> Answer<'_, PageView<TestLine>>;

    /// One test with its history.
    fn test(&self, sight: Sight, id: String) -> Answer<'_, TestDetail>;

    /// Changes, newest first.
    fn changes(&self, sight: Sight, filter: ChangeFilter) -> Answer<'_, PageView<ChangeView>>;

    /// One change with all that is known of it.
    fn change(&self, sight: Sight, id: String) -> Answer<'_, ChangeDetail>;

    /// Failures that people must see, open ones first, then those that were mended of late.
    fn incidents(&self, sight: Sight) -> Answer<'_, Vec<IncidentView>>;

    /// Images that were built, newest first.
    fn images(&self, sight: Sight, filter: ImageFilter) -> Answer<'_, PageView<ImageView>>;

    /// Two refs of a target beside each other.
    fn compare(&self, sight: Sight, request: CompareRequest) -> Answer<'_, CompareView>;

    /// How well deliveries went.
    fn insight(&self, sight: Sight, filter: InsightFilter) -> Answer<'_, InsightView>;

    /// Figures for gauges and counters.
    fn pulse(&self) -> Answer<'_, PulseView>;

    /// Events after the one with this number, oldest first; steps of runs left out. Those that may not be seen are skipped.
    fn events(&self, sight: Sight, after: i64, limit: u32) -> Answer<'_, Vec<HistoryLine>>;

    /// Waits until there is an event after the one with this number, and answers with the number of the newest. Below 0 it answers at once.
    fn newer_than(&self, event: i64) -> BoxFuture<'_, i64>;

    /// All the apps and environments that a write on `what` would touch: what its asker needs a permission for.
    fn scopes(&self, what: String) -> Answer<'_, Vec<Scope>>;

    /// A write with this key begins: nothing is done twice for one key. Whoever was told [`Begun::New`] says how it ends by
    /// [`Brain::end_once`]; until then, and after a stop in between, the key is taken.
    fn begin_once(&self, once: Once) -> Answer<'_, Begun>;

    /// The write with this key came to this answer; with none, nothing was done, and the key is free again.
    fn end_once(&self, key: String, answer: Option<String>) -> Answer<'_, ()>;

    /// Pools of ephemeral namespaces, by name.
    fn pools(&self, sight: Sight) -> Answer<'_, Vec<PoolView>>;

    /// Their namespaces, by pool and name.
    fn namespaces(&self, sight: Sight, filter: NamespaceFilter) -> Answer<'_, Vec<NamespaceView>>;

    /// Reservations that are not over, in the order in which they are served.
    fn reservations(&self, sight: Sight) -> Answer<'_, Vec<ReservationView>>;

    /// One reservation, by its id or by the namespace it has; of those that are over, the last few hundred.
    fn reservation(&self, sight: Sight, what: String) -> Answer<'_, ReservationView>;

    /// Reserves a namespace.
    fn reserve(&self, request: ReserveRequest) -> Answer<'_, Accepted>;

    /// Gives a lease another end.
    fn extend(&self, request: ExtendRequest) -> Answer<'_, Accepted>;

    /// Gives a namespace back.
    fn free(&self, request: FreeRequest) -> Answer<'_, Accepted>;

    /// Open pull requests of sources: by source, those under way first, then those that wait in their order, then the others.
    fn pulls(&self, sight: Sight, filter: PullFilter) -> Answer<'_, Vec<PullView>>;

    /// One open pull request with all that is known of it, by its id.
    fn pull(&self, sight: Sight, id: String) -> Answer<'_, PullDetail>;

    /// Has a pull request checked once more.
    fn check_again(&self, request: CheckRequest) -> Answer<'_, Accepted>;

    /// Has the newest commit of a pull request not checked.
    fn check_cancel(&self, request: CheckRequest) -> Answer<'_, Accepted>;

    /// Says that the newest commit of a fork's pull request may be checked.
    fn check_ok(&self, request: CheckRequest) -> Answer<'_, Accepted>;

    /// Does by hand what a pull request's check does.
    fn try_it(&self, request: TryRequest) -> Answer<'_, Accepted>;

    /// What is well and what is not.
    fn doctor(&self) -> Answer<'_, Vec<Finding>>;

    /// Tries again what failed.
    fn retry(&self, request: RetryRequest) -> Answer<'_, Accepted>;

    /// A person sees to a failure.
    fn ack(&self, request: AckRequest) -> Answer<'_, Accepted>;

    /// Stops a run.
    fn cancel(&self, request: CancelRequest) -> Answer<'_, Accepted>;

    /// Moves a subscriber by a commit in the config repository.
    fn promote(&self, request: PromoteRequest) -> Answer<'_, Accepted>;

    /// Takes a target back by a commit in the config repository.
    fn rollback(&self, request: RollbackRequest) -> Answer<'_, Accepted>;

    /// Holds what is selected, by a commit in the config repository.
    fn hold(&self, request: HoldRequest) -> Answer<'_, Accepted>;

    /// Lifts a hold, by a commit in the config repository.
    fn release(&self, request: ReleaseRequest) -> Answer<'_, Accepted>;

    /// Copies the ledger, while it is in use, to a path on the server's machine where nothing is yet.
    fn backup(&self, dest: String) -> Answer<'_, Accepted>;

    /// Something outside may be new: look at it now. Must return at once, and may be called often.
    fn wake_for(&self, wake: Wake);

    /// Resolves when a log may have grown. Whoever follows a log waits for it between two pages.
    fn log_may_have_grown(&self) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(100)))
    }
}
