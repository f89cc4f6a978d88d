//! Runs as views.

use towpath_domain::RunId;
use towpath_engine::{Outcome, Subject};
use towpath_ledger::{Error as LedgerError, EventId, Run, RunFilter, RunState};

use crate::commits::Commits;
use crate::find::{self, Found, problem};
use crate::places::{Places, seen};
use crate::sight::Sight;
use crate::status::{ledger_problem, run_view};
use crate::steer::Control;
use crate::view::{PageView, Problem, RunView, StepView};

/// How a listing names states, and what the ledger is asked for.
const STATES: [&str; 6] = ["queued", "running", "succeeded", "failed", "superseded", "cancelled"];

/// How many rows of the ledger one page is looked for in.
pub(crate) const ROWS_MAX: usize = 5000;

/// Where a page begins, by the text that the page before ended with.
pub(crate) fn before(cursor: &str) -> Result<EventId, Problem> {
    cursor.parse().ok().filter(|event: &i64| *event > 0 && event.to_string() == cursor).map(EventId::new).ok_or_else(|| {
        let detail = format!("{:?} is no page's `next`", cursor.chars().take(100).collect::<String>());
        problem("bad-cursor", 422, "There is no such page", detail, "begin without `cursor`, and go on with `next` as it came")
    })
}

impl Control {
    /// Runs that may be seen, newest first, without their steps. `cursor` is the page before's [`PageView::next`]. A page may have fewer than
    /// `limit` rows although there are more: so that one question costs no more than 5,000 rows of the ledger.
    ///
    /// # Errors
    /// [`Problem`] when `subject` names nothing, `state` is none, or `cursor` is no page's.
    pub async fn runs(
        &self,
        sight: &Sight,
        subject: Option<&str>,
        state: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<PageView<RunView>, Problem> {
        let mut filter = RunFilter { before: cursor.map(before).transpose()?, ..RunFilter::default() };
        match state {
            None => {}
            Some("queued") => filter.state = Some(RunState::Queued),
            Some("running") => filter.state = Some(RunState::Running),
            Some(state @ ("failed" | "superseded" | "cancelled")) => filter.outcome = Some(state.to_owned()),
            Some(state) if STATES.contains(&state) => filter.state = Some(RunState::Finished),
            Some(other) => {
                return Err(problem(
                    "unknown-state",
                    422,
                    "There is no such state",
                    format!("{other:?} is no state of a run"),
                    format!("use one of {}", STATES.join(", ")),
                ));
            }
        }
        if let Some(subject) = subject {
            filter.subject = Some(self.subject(sight, subject)?);
        }
        let (mut rows, mut looked_at, limit) = (Vec::new(), 0, limit as usize);
        // The ledger knows how a run ended by other words than people do: what is left over is sorted out here.
        let next = loop {
            let page = self.world.ledger.runs(&filter, u32::try_from(limit + 1).unwrap_or(200)).await.map_err(ledger_problem)?;
            filter.before = page.rows.last().map(|run| run.queued);
            looked_at += page.rows.len();
            let (catalog, facts) = (&self.world.current().catalog, self.world.ledger.facts());
            let places = Places::new(catalog, &facts);
            let wanted = |run: &Run| state.is_none_or(|state| is_in(run, state)) && seen(sight, &places.of_work(&run.spec.work));
            rows.extend(page.rows.into_iter().filter(wanted));
            if rows.len() > limit {
                rows.truncate(limit);
                break rows.last().map(|run: &Run| run.queued);
            }
            if !page.more {
                break None;
            }
            if looked_at >= ROWS_MAX {
                break filter.before;
            }
        };
        let catalog = &self.world.current().catalog;
        let facts = self.world.ledger.facts();
        let commits = Commits::new(&facts);
        let items = rows.iter().map(|run| run_view(catalog, &commits, run)).collect();
        Ok(PageView { items, next: next.map(|event| event.get().to_string()) })
    }

    /// One run with its steps, by its id or an unambiguous beginning of it.
    ///
    /// # Errors
    /// [`Problem`] when there is no such run that may be seen, or there are several.
    pub async fn run(&self, sight: &Sight, what: &str) -> Result<RunView, Problem> {
        let run = self.run_seen(sight, what).await?;
        let id = run.spec.id.clone();
        let steps = self.world.ledger.steps(&id).await.map_err(ledger_problem)?;
        let mut view = {
            let catalog = &self.world.current().catalog;
            let facts = self.world.ledger.facts();
            run_view(catalog, &Commits::new(&facts), &run)
        };
        view.steps = steps.into_iter().map(|s| StepView { name: s.name, started_at: s.started_at, finished_at: s.finished_at }).collect();
        Ok(view)
    }

    /// The run of this id, or of an unambiguous beginning of it among the newest, if it may be seen.
    pub(crate) async fn run_seen(&self, sight: &Sight, what: &str) -> Result<Run, Problem> {
        let unknown =
            || problem("unknown-run", 404, "There is no such run", format!("no run is called {what:?}"), "`towpath runs` lists them");
        let exact = RunId::new(what).map_err(|_| unknown())?;
        let rows = match self.world.ledger.run(&exact).await {
            Ok(run) => vec![run],
            Err(LedgerError::UnknownRun { .. }) => {
                self.world.ledger.runs(&RunFilter::default(), towpath_ledger::MAX_PAGE).await.map_err(ledger_problem)?.rows
            }
            Err(error) => return Err(ledger_problem(error)),
        };
        let (catalog, facts) = (&self.world.current().catalog, self.world.ledger.facts());
        let places = Places::new(catalog, &facts);
        let is_meant = |run: &Run| run.spec.id.as_str().starts_with(what) && seen(sight, &places.of_work(&run.spec.work));
        let mut found: Vec<Run> = rows.into_iter().filter(is_meant).collect();
        match found.len() {
            0 => Err(unknown()),
            1 => found.pop().ok_or_else(unknown),
            several => Err(problem(
                "ambiguous-run",
                409,
                "Several runs begin so",
                format!("{what:?} begins {several} runs"),
                format!("give more of the id; for example {}", find::list(found.iter().map(|run| run.spec.id.to_string()))),
            )),
        }
    }

    fn subject(&self, sight: &Sight, what: &str) -> Result<Subject, Problem> {
        let catalog = &self.world.current().catalog;
        let facts = self.world.ledger.facts();
        match find::anything_seen(catalog, &facts, sight, what)? {
            Found::Subject(subject) => Ok(subject),
            Found::Commit(_) | Found::Channel(_) | Found::Run(_) => Err(problem(
                "no-subject",
                422,
                "Runs are not about that",
                format!("{what:?} is no source, target or change"),
                "name one of them",
            )),
        }
    }
}

fn is_in(run: &Run, state: &str) -> bool {
    match &run.outcome {
        None => true,
        Some(Outcome::Failed { .. }) => state == "failed",
        Some(Outcome::Superseded { .. }) => state == "superseded",
        Some(Outcome::Cancelled { .. }) => state == "cancelled",
        Some(
            Outcome::Built { .. }
            | Outcome::Deployed { .. }
            | Outcome::Deleted
            | Outcome::Merged { .. }
            | Outcome::Opened { .. }
            | Outcome::Checked { .. },
        ) => state == "succeeded",
    }
}
