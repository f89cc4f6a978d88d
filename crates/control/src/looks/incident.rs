//! Failures that people must see.

use std::collections::{BTreeMap, BTreeSet};

use towpath_domain::{Span, Timestamp};
use towpath_engine::{Event, Subject};
use towpath_ledger::{EventFilter, Order, Run, RunFilter};

use super::actions;
use crate::places::{Places, seen};
use crate::sight::Sight;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{IncidentView, Problem};
use crate::words;

/// How long an incident is shown after it was mended.
const REMEMBERED: Span = Span::from_secs(7 * 24 * 3600);

/// How many failed runs are looked through for those that were mended.
const FAILED_RUNS: u32 = 200;

/// How many mended incidents are shown.
const MENDED: usize = 30;

/// How far back acknowledgements are looked for.
const ACKNOWLEDGEMENTS: u32 = 1000;

/// Who sees to what, since when.
type SeenTo = BTreeMap<Subject, (String, Timestamp)>;

impl Control {
    /// Failures that people must see, open ones first, then those that were mended of late.
    ///
    /// # Errors
    /// [`Problem`] when the ledger cannot be read.
    pub async fn incidents(&self, sight: Sight) -> Result<Vec<IncidentView>, Problem> {
        let seen_to = self.seen_to().await?;
        let open: Vec<_> = {
            let stuck = self.stuck();
            let snapshot = self.world.current();
            let facts = self.world.ledger.facts();
            let places = Places::new(&snapshot.catalog, &facts);
            stuck.into_iter().filter(|stuck| seen(&sight, &places.of_subject(&stuck.subject))).collect()
        };
        let mut views = Vec::new();
        for stuck in &open {
            let run = self.ledger_run(&stuck.run).await?;
            let since = self.failing_since(&stuck.subject, &run).await?;
            let mut view = self.incident(&run, stuck.title.clone(), since);
            view.acknowledged = seen_to.get(&stuck.subject).filter(|(_, at)| *at >= since).cloned();
            views.push(view);
        }
        views.sort_by_key(|view| (view.acknowledged.is_some(), std::cmp::Reverse(view.since)));
        let known: BTreeSet<Subject> = open.into_iter().map(|stuck| stuck.subject).collect();
        views.extend(self.mended(&sight, &known).await?);
        Ok(views)
    }

    /// Who said last that they see to what.
    pub(crate) async fn seen_to(&self) -> Result<SeenTo, Problem> {
        let filter = EventFilter { kind: Some("acknowledged".to_owned()), order: Order::OldestFirst, ..EventFilter::default() };
        let newest = EventFilter { order: Order::NewestFirst, ..filter };
        let mut events = self.world.ledger.events(&newest, ACKNOWLEDGEMENTS).await.map_err(ledger_problem)?.rows;
        events.reverse();
        let said = events.into_iter().filter_map(|recorded| match recorded.event {
            Event::Acknowledged { subject, by, .. } => Some((subject, (by, recorded.at))),
            _ => None,
        });
        Ok(said.collect())
    }

    /// When the failures began that the newest one of a subject belongs to: after its last success.
    async fn failing_since(&self, subject: &Subject, last: &Run) -> Result<Timestamp, Problem> {
        let filter = RunFilter { subject: Some(subject.clone()), ..RunFilter::default() };
        let runs = self.world.ledger.runs(&filter, 50).await.map_err(ledger_problem)?.rows;
        let failed = |run: &&Run| matches!(run.outcome, Some(towpath_engine::Outcome::Failed { .. }));
        let first = runs.iter().skip_while(|run| run.spec.id != last.spec.id).take_while(failed).last();
        let first = first.unwrap_or(last);
        Ok(first.finished_at.unwrap_or(first.queued_at))
    }

    /// What failed and has gone well since.
    async fn mended(&self, sight: &Sight, open: &BTreeSet<Subject>) -> Result<Vec<IncidentView>, Problem> {
        let now = self.world.clock.now();
        let filter = RunFilter { outcome: Some("failed".to_owned()), ..RunFilter::default() };
        let failed = self.world.ledger.runs(&filter, FAILED_RUNS).await.map_err(ledger_problem)?.rows;
        let mut known = open.clone();
        let mut views = Vec::new();
        for run in failed {
            let subject = run.subject();
            let Some(at) = run.finished_at.filter(|at| now.since(*at) <= REMEMBERED) else { continue };
            let may_see = {
                let snapshot = self.world.current();
                let facts = self.world.ledger.facts();
                seen(sight, &Places::new(&snapshot.catalog, &facts).of_work(&run.spec.work))
            };
            if views.len() >= MENDED || !may_see || !known.insert(subject.clone()) {
                continue;
            }
            let filter = RunFilter { subject: Some(subject.clone()), ..RunFilter::default() };
            let later = self.world.ledger.runs(&filter, 50).await.map_err(ledger_problem)?.rows;
            let good = |other: &&Run| other.queued > run.queued && other.outcome.as_ref().is_some_and(is_good);
            let Some(mended) = later.iter().rev().find(good) else { continue };
            let title = words::subject_title(&self.world.current().catalog, &subject);
            let since = self.failing_since(&subject, &run).await?;
            let mut view = self.incident(&run, title, since.min(at));
            view.mended_at = mended.finished_at;
            view.actions.clear();
            views.push(view);
        }
        Ok(views)
    }

    fn incident(&self, run: &Run, title: String, since: Timestamp) -> IncidentView {
        let cause = self.cause(run);
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        let subject = run.subject();
        let verdict = self.planner().verdict(&subject).cloned();
        let target = match &subject {
            Subject::Target(id) => catalog.targets.get(id),
            Subject::Source(_) | Subject::Change(_) => None,
        };
        let (kind, id) = match &subject {
            Subject::Source(name) => ("source", name.to_string()),
            Subject::Target(id) => ("target", id.to_string()),
            Subject::Change(id) => ("change", id.to_string()),
        };
        let app = match &subject {
            Subject::Source(name) => catalog.sources.get(name).map(|source| source.app.to_string()),
            _ => target.map(|target| target.saas_file.app.to_string()),
        };
        let (message, last_lines) = cause.map(|cause| (cause.text, cause.last_lines)).unwrap_or_default();
        IncidentView {
            kind: kind.to_owned(),
            subject: id,
            title,
            app,
            environment: target.map(|target| target.environment.to_string()),
            run: run.spec.id.clone(),
            message,
            last_lines,
            since,
            mended_at: None,
            acknowledged: None,
            actions: actions::of_subject(catalog, &facts, &subject, verdict.as_ref()),
        }
    }
}

/// Whether a run did what it was for.
pub(crate) fn is_good(outcome: &towpath_engine::Outcome) -> bool {
    use towpath_engine::Outcome;
    matches!(outcome, Outcome::Built { .. } | Outcome::Deployed { .. } | Outcome::Merged { .. } | Outcome::Deleted)
}
