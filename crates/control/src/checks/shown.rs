//! How pull requests and their checks stand, for people.

use std::sync::Arc;

use towpath_catalog::Catalog;
use towpath_domain::{CheckId, RunId, SourceName};
use towpath_engine::check::{CheckFact, CheckStanding, source_of};
use towpath_engine::pool::{PoolPlan, Standing, plan_pools};
use towpath_engine::{Facts, Subject, reservation_of_run};
use towpath_ledger::RunFilter;

use super::planned;
use crate::commits::Commits;
use crate::find::problem;
use crate::places;
use crate::sight::{Scope, Sight};
use crate::status::{ledger_problem, run_view};
use crate::steer::Control;
use crate::view::{Problem, PullDetail, PullFilter, PullView, StepView};

/// Runs that are listed with a pull request.
const RUNS: u32 = 20;

/// How a pull request can stand, in words.
const STANDINGS: [&str; 9] = ["held", "needs-ok", "cancelled", "waiting", "queued", "running", "backoff", "passed", "failed"];

impl Control {
    /// Open pull requests that may be seen: by source, those under way first, then those that wait in their order, then the others, newest first.
    ///
    /// # Errors
    /// [`Problem`] when the filter names a source that is not there, or no standing.
    pub fn pulls(&self, sight: &Sight, filter: &PullFilter) -> Result<Vec<PullView>, Problem> {
        if let Some(standing) = filter.standing.as_deref().filter(|standing| !STANDINGS.contains(standing)) {
            let detail = format!("{:?} is no way in which a pull request stands", standing.chars().take(50).collect::<String>());
            return Err(problem(
                "unknown-standing",
                422,
                "There is no such standing",
                detail,
                format!("use one of {}", STANDINGS.join(", ")),
            ));
        }
        let plan = planned(&self.world, self.world.clock.now());
        let catalog = Arc::clone(&self.world.current().catalog);
        let facts = self.world.ledger.facts();
        if let Some(source) = &filter.source
            && !SourceName::new(source)
                .is_ok_and(|name| places::seen(sight, &[scope(&catalog, &name)]) && catalog.sources.contains_key(&name))
        {
            let detail = format!("no source is called {:?}", source.chars().take(100).collect::<String>());
            return Err(problem("unknown-source", 404, "There is no such source", detail, "`towpath status` lists what there is"));
        }
        let mut all: Vec<PullView> = facts
            .checks
            .iter()
            .filter(|(_, fact)| filter.source.as_deref().is_none_or(|source| fact.pull.source.as_str() == source))
            .filter(|(_, fact)| places::seen(sight, &[scope(&catalog, &fact.pull.source)]))
            .filter_map(|(id, fact)| Some(self.view_of(&catalog, id, fact, plan.standings.get(id)?)))
            .filter(|view| filter.standing.as_ref().is_none_or(|standing| view.standing == *standing))
            .collect();
        let rank = |view: &PullView| match view.standing.as_str() {
            "running" => 0,
            "queued" => 1,
            "waiting" => 2,
            "needs-ok" | "backoff" => 3,
            _ => 4,
        };
        all.sort_by(|a, b| {
            (&a.source, rank(a), a.position)
                .cmp(&(&b.source, rank(b), b.position))
                .then(b.head_since.cmp(&a.head_since))
                .then(a.id.cmp(&b.id))
        });
        Ok(all)
    }

    /// A pull request with all that is known of it.
    ///
    /// # Errors
    /// [`Problem`] when no open pull request is called so that may be seen.
    pub async fn pull(&self, sight: &Sight, what: &str) -> Result<PullDetail, Problem> {
        let (mut check, id) = {
            let plan = planned(&self.world, self.world.clock.now());
            let catalog = Arc::clone(&self.world.current().catalog);
            let facts = self.world.ledger.facts();
            let (id, fact) = find(&catalog, &facts, sight, what)?;
            let standing = plan.standings.get(id).ok_or_else(|| unknown(what))?;
            (self.view_of(&catalog, id, fact, standing), id.clone())
        };
        if let Some(run) = check.run.clone().filter(|_| check.since.is_some()) {
            check.results = self.world.results_of(&run).await;
        }
        let filter = RunFilter { subject: Some(Subject::Check(id)), ..RunFilter::default() };
        let runs = self.world.ledger.runs(&filter, RUNS).await.map_err(ledger_problem)?.rows;
        let steps = match &check.run {
            Some(run) => self.world.ledger.steps(run).await.map_err(ledger_problem)?,
            None => Vec::new(),
        };
        let snapshot = self.world.current();
        let facts = self.world.ledger.facts();
        let commits = Commits::new(&facts);
        let source = snapshot.catalog.sources.get(check.source.as_str());
        let tests = source.and_then(|source| source.check.as_ref()).map(|check| check.tests.iter().map(|test| test.name.clone()).collect());
        let pools = plan_pools(&snapshot.catalog, &facts, self.world.clock.now());
        let (namespace, waits) = check.run.as_ref().map(|run| place_of(&facts, &pools, run)).unwrap_or_default();
        Ok(PullDetail {
            steps: steps
                .into_iter()
                .filter(|step| step.name != towpath_runs::REPORTS_STEP)
                .map(|step| StepView { name: step.name, started_at: step.started_at, finished_at: step.finished_at })
                .collect(),
            tests: tests.unwrap_or_default(),
            namespace,
            waits,
            runs: runs.iter().map(|run| run_view(&snapshot.catalog, &commits, run)).collect(),
            check,
        })
    }

    fn view_of(&self, catalog: &Catalog, id: &CheckId, fact: &CheckFact, standing: &CheckStanding) -> PullView {
        PullView { unreachable: self.troubled.of(&fact.pull.source), ..view(catalog, id, fact, standing) }
    }

    /// Where a pull request is, as permissions name it; none when there is no such source.
    pub fn check_scope(&self, check: &str) -> Option<Scope> {
        let source = CheckId::new(check).ok().as_ref().and_then(source_of)?;
        self.source_scope(source.as_str())
    }

    /// Where a source is, as permissions name it; none when there is no such source.
    pub fn source_scope(&self, source: &str) -> Option<Scope> {
        let source = SourceName::new(source).ok()?;
        let catalog = Arc::clone(&self.world.current().catalog);
        catalog.sources.contains_key(&source).then(|| scope(&catalog, &source))
    }
}

/// The namespace that a run works in, and what it waits for where it has none yet.
pub(super) fn place_of(facts: &Facts, pools: &PoolPlan, run: &RunId) -> (Option<String>, String) {
    let id = reservation_of_run(run);
    let Some(fact) = facts.reservations.get(&id) else { return (None, String::new()) };
    // One that was given back is somebody else's, or gone.
    let namespace = fact.state.namespace().filter(|_| !fact.state.is_ended()).map(ToString::to_string);
    let waits = match pools.standings.get(&id) {
        Some(Standing::Waiting { position, of, wait }) => {
            format!("{position} of {of} in the queue of the pool {}: {}", fact.spec.pool, wait.text())
        }
        Some(Standing::Assigned { .. }) => "its namespace is being proven clean".to_owned(),
        Some(Standing::Active { .. }) | None => String::new(),
    };
    (namespace, waits)
}

/// A source is before any environment.
fn scope(catalog: &Catalog, source: &SourceName) -> Scope {
    Scope { app: catalog.sources.get(source).map(|source| source.app.as_str().into()), environment: None }
}

/// The open pull request of this id, if it may be seen.
pub(super) fn find<'a>(catalog: &Catalog, facts: &'a Facts, sight: &Sight, what: &str) -> Result<(&'a CheckId, &'a CheckFact), Problem> {
    let found = facts.checks.get_key_value(what).filter(|(_, fact)| places::seen(sight, &[scope(catalog, &fact.pull.source)]));
    found.ok_or_else(|| unknown(what))
}

fn unknown(what: &str) -> Problem {
    let detail = format!("no open pull request is called {:?}", what.chars().take(100).collect::<String>());
    problem(
        "unknown-check",
        404,
        "There is no such pull request",
        detail,
        "`towpath check list` lists those that are open, as SOURCE#NUMBER",
    )
}

fn view(catalog: &Catalog, id: &CheckId, fact: &CheckFact, standing: &CheckStanding) -> PullView {
    let pull = &fact.pull;
    let (position, of) = match standing {
        CheckStanding::Waiting { position, of, .. } => (*position, *of),
        _ => (0, 0),
    };
    let (run, since, blame) = match standing {
        CheckStanding::Running { run, .. } => (Some(run.clone()), None, None),
        CheckStanding::Backoff { run, .. } => (Some(run.clone()), None, None),
        CheckStanding::Passed { run, at, .. } => (Some(run.clone()), Some(*at), None),
        CheckStanding::Failed { run, at, blame, .. } => (Some(run.clone()), Some(*at), blame.as_ref().map(|blame| blame.text())),
        CheckStanding::Waiting { .. } => (None, fact.wanted.as_ref().map(|wanted| wanted.since), None),
        CheckStanding::Held { .. } | CheckStanding::NeedsOk { .. } | CheckStanding::Cancelled { .. } => (None, None, None),
    };
    PullView {
        id: id.clone(),
        source: pull.source.to_string(),
        app: catalog.sources.get(&pull.source).map(|source| source.app.to_string()),
        number: pull.number,
        url: pull.url.clone(),
        title: pull.title.clone(),
        author: pull.author.clone(),
        branch: pull.branch.clone(),
        from_fork: pull.from_fork,
        urgent: pull.urgent,
        head: pull.head,
        head_since: fact.head_since,
        opened_at: pull.opened_at,
        standing: standing.word().to_owned(),
        text: standing.text(),
        position,
        of,
        results: None,
        unreachable: None,
        run,
        since,
        blame,
    }
}
