//! Why one thing is as it is: its verdict, hold by hold, with what can be done.

use towpath_engine::Subject;
use towpath_ledger::{EventFilter, Order, RunFilter};

use super::actions;
use crate::commits::Commits;
use crate::find::{self, Found, problem};
use crate::sight::Sight;
use crate::status::{ledger_problem, run_view, subject_url, unplanned, verdict_in};
use crate::steer::Control;
use crate::view::{Problem, WhyView};
use crate::words;

/// Runs that are shown.
const RUNS: u32 = 20;

/// Events that are shown.
const EVENTS: u32 = 60;

impl Control {
    /// The verdict for a target, source or change, with what to do about each hold.
    ///
    /// # Errors
    /// [`Problem`] when it names nothing, or several things.
    pub async fn why(&self, sight: Sight, what: String) -> Result<WhyView, Problem> {
        self.follow();
        let subject = {
            let snapshot = self.world.current();
            let facts = self.world.ledger.facts();
            match find::anything_seen(&snapshot.catalog, &facts, &sight, &what)? {
                Found::Subject(subject) => subject,
                Found::Commit(_) | Found::Channel(_) | Found::Run(_) => {
                    let detail = format!("{what:?} is no target, source or change");
                    return Err(problem("no-subject", 422, "There is no verdict on that", detail, "name one of them"));
                }
            }
        };
        let filter = RunFilter { subject: Some(subject.clone()), ..RunFilter::default() };
        let runs = self.world.ledger.runs(&filter, RUNS).await.map_err(ledger_problem)?.rows;
        let filter = EventFilter { subject: Some(subject.clone()), order: Order::NewestFirst, ..EventFilter::default() };
        let mut events = self.world.ledger.events(&filter, EVENTS * 4).await.map_err(ledger_problem)?.rows;
        events.retain(|r| {
            use towpath_engine::Event;
            !matches!(r.event, Event::StepStarted { .. } | Event::StepDone { .. } | Event::RunStarted { .. })
        });
        events.truncate(EVENTS as usize);
        let story = self.lines(events).await;
        let usually_ms = self.usually(&subject).await?;
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        let commits = Commits::new(&facts);
        let verdict = self.planner().verdict(&subject).cloned();
        let title = words::typed(catalog, &subject);
        let target = match &subject {
            Subject::Target(id) => catalog.targets.get(id),
            Subject::Source(_) | Subject::Change(_) | Subject::Check(_) => None,
        };
        let place = match &subject {
            Subject::Target(_) => target.map(|target| target.ref_place.to_string()),
            Subject::Source(name) => catalog.sources.get(name).map(|source| source.place.to_string()),
            Subject::Change(_) | Subject::Check(_) => None,
        };
        let ((kind, id), (app, environment)) = (words::kind_and_id(&subject), words::app_and_environment(catalog, &subject));
        let url = subject_url(catalog, &subject);
        let current = match &subject {
            Subject::Target(id) => {
                facts.targets.get(id).and_then(|fact| fact.current.as_ref()).map(|current| commits.view(url, current.commit))
            }
            Subject::Source(name) => catalog
                .sources
                .get(name)
                .and_then(|source| facts.branches.get(&(source.url.clone(), source.branch.clone())))
                .and_then(|branch| branch.commits.first())
                .map(|head| commits.view(url, head.id)),
            Subject::Change(_) | Subject::Check(_) => None,
        };
        Ok(WhyView {
            kind,
            id,
            app,
            environment,
            place,
            current,
            actions: actions::of_subject(catalog, &facts, &subject, verdict.as_ref()),
            verdict: verdict.as_ref().map_or_else(unplanned, |v| verdict_in(catalog, &commits, url, &title, v)),
            title,
            usually_ms,
            runs: runs.iter().map(|run| run_view(catalog, &commits, run)).collect(),
            story,
        })
    }
}
