//! Runs as views.

use towpath_domain::RunId;
use towpath_engine::{Outcome, Subject};
use towpath_ledger::{Run, RunFilter, RunState};

use crate::commits::Commits;
use crate::find::{self, Found, problem};
use crate::status::{ledger_problem, run_view};
use crate::steer::Control;
use crate::view::{Problem, RunView, StepView};

/// How a listing names states, and what the ledger is asked for.
const STATES: [&str; 6] = ["queued", "running", "succeeded", "failed", "superseded", "cancelled"];

impl Control {
    /// Runs, newest first, without their steps.
    ///
    /// # Errors
    /// [`Problem`] when `subject` names nothing, or `state` is none.
    pub async fn runs(&self, subject: Option<&str>, state: Option<&str>, limit: u32) -> Result<Vec<RunView>, Problem> {
        let mut filter = RunFilter::default();
        match state {
            None => {}
            Some("queued") => filter.state = Some(RunState::Queued),
            Some("running") => filter.state = Some(RunState::Running),
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
            filter.subject = Some(self.subject(subject)?);
        }
        let mut rows = Vec::new();
        // The ledger knows how a run ended by other words than people do: what is left over is sorted out here.
        loop {
            let page = self.world.ledger.runs(&filter, 200).await.map_err(ledger_problem)?;
            filter.before = page.rows.last().map(|run| run.queued);
            rows.extend(page.rows.into_iter().filter(|run| state.is_none_or(|state| is_in(run, state))));
            if !page.more || rows.len() >= limit as usize {
                break;
            }
        }
        rows.truncate(limit as usize);
        let catalog = &self.world.current().catalog;
        let facts = self.world.ledger.facts();
        let commits = Commits::new(&facts);
        Ok(rows.iter().map(|run| run_view(catalog, &commits, run)).collect())
    }

    /// One run with its steps, by its id or an unambiguous beginning of it.
    ///
    /// # Errors
    /// [`Problem`] when there is no such run, or there are several.
    pub async fn run(&self, what: &str) -> Result<RunView, Problem> {
        let id = self.run_id(what).await?;
        let run = self.ledger_run(&id).await?;
        let steps = self.world.ledger.steps(&id).await.map_err(ledger_problem)?;
        let mut view = {
            let catalog = &self.world.current().catalog;
            let facts = self.world.ledger.facts();
            run_view(catalog, &Commits::new(&facts), &run)
        };
        view.steps = steps.into_iter().map(|s| StepView { name: s.name, started_at: s.started_at, finished_at: s.finished_at }).collect();
        Ok(view)
    }

    async fn run_id(&self, what: &str) -> Result<RunId, Problem> {
        let exact = RunId::new(what)
            .map_err(|e| problem("unknown-run", 404, "There is no such run", e.to_string(), "`towpath runs` lists them"))?;
        if self.world.ledger.run(&exact).await.is_ok() {
            return Ok(exact);
        }
        let page = self.world.ledger.runs(&RunFilter::default(), towpath_ledger::MAX_PAGE).await.map_err(ledger_problem)?;
        let found: Vec<RunId> = page.rows.into_iter().map(|run| run.spec.id).filter(|id| id.as_str().starts_with(what)).collect();
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => {
                Err(problem("unknown-run", 404, "There is no such run", format!("no run is called {what:?}"), "`towpath runs` lists them"))
            }
            several => Err(problem(
                "ambiguous-run",
                409,
                "Several runs begin so",
                format!("{what:?} begins {} runs", several.len()),
                format!("give more of the id; for example {}", find::list(several.iter().map(ToString::to_string))),
            )),
        }
    }

    fn subject(&self, what: &str) -> Result<Subject, Problem> {
        let catalog = &self.world.current().catalog;
        let facts = self.world.ledger.facts();
        match find::anything(catalog, &facts, what)? {
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
        Some(Outcome::Built { .. } | Outcome::Deployed { .. } | Outcome::Deleted | Outcome::Merged { .. } | Outcome::Opened { .. }) => {
            state == "succeeded"
        }
    }
}
