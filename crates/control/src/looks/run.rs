//! A run with all that is known of it.

use std::time::Duration;

use towpath_domain::{ClusterName, NamespaceName};
use towpath_engine::pool::ReservationState;
use towpath_engine::{Outcome, Work, reservation_of_person, reservation_of_run};
use towpath_ledger::{Run, RunFilter};

use super::{actions, reports};
use crate::commits::Commits;
use crate::sight::Sight;
use crate::status::{ledger_problem, run_view};
use crate::steer::Control;
use crate::view::{CauseView, ObjectView, Problem, RunDetail, StepView};
use crate::words;

/// How long a cluster may take to say how objects are; whoever looks does not wait longer.
pub(super) const CLUSTER_PATIENCE: Duration = Duration::from_secs(2);

/// Last lines that are shown with a failure.
const LAST_LINES: usize = 30;

/// Other attempts that are listed.
const ATTEMPTS: u32 = 20;

impl Control {
    /// One run with its steps, and what was found in it.
    ///
    /// # Errors
    /// [`Problem`] when there is no such run, or there are several.
    pub async fn run_detail(&self, sight: Sight, id: String) -> Result<RunDetail, Problem> {
        let run = self.run_seen(&sight, &id).await?;
        let steps = self.world.ledger.steps(&run.spec.id).await.map_err(ledger_problem)?;
        let subject = run.subject();
        let filter = RunFilter { subject: Some(subject.clone()), ..RunFilter::default() };
        let mut attempts = self.world.ledger.runs(&filter, ATTEMPTS).await.map_err(ledger_problem)?.rows;
        let commit = run.spec.work.commit();
        attempts.retain(|other| other.spec.id != run.spec.id && other.spec.work.commit() == commit);
        attempts.reverse();
        let reports = reports::bounded(&self.reports_of(&run).await?);
        let objects = self.objects_of(&run).await;
        let cause = self.cause(&run);
        self.follow();
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        let commits = Commits::new(&facts);
        let verdict = self.planner().verdict(&subject).cloned();
        let (app, environment) = words::app_and_environment(catalog, &subject);
        let (is_over, is_failed) = (run.outcome.is_some(), matches!(run.outcome, Some(Outcome::Failed { .. })));
        let mut actions = actions::of_run(run.spec.id.as_str(), is_over);
        if is_failed {
            // Only what still holds something can be tried again.
            let all = actions::of_subject(catalog, &facts, &subject, verdict.as_ref());
            actions.extend(all.into_iter().filter(|action| matches!(action.verb.as_str(), "retry" | "ack" | "rollback")));
        }
        let mut view = run_view(catalog, &commits, &run);
        view.steps = steps
            .into_iter()
            .filter(|step| step.name != towpath_runs::REPORTS_STEP)
            .map(|s| StepView { name: s.name, started_at: s.started_at, finished_at: s.finished_at })
            .collect();
        Ok(RunDetail {
            run: view,
            subject: words::kind_and_id(&subject),
            app,
            environment,
            cause,
            objects,
            artifacts: Vec::new(),
            reports,
            attempts: attempts.iter().map(|run| run_view(catalog, &commits, run)).collect(),
            actions,
        })
    }

    /// What a run failed of, with what was said last.
    pub(crate) fn cause(&self, run: &Run) -> Option<CauseView> {
        let Some(Outcome::Failed { step, message, .. }) = &run.outcome else { return None };
        let lines = self.world.logs.tail(&run.spec.id, step, LAST_LINES * 2).unwrap_or_default();
        let said = lines.into_iter().filter(|line| line.stream != towpath_ledger::logs::Stream::Towpath).map(|line| line.text);
        let mut last: Vec<String> = Vec::new();
        for line in said {
            // What a pod said is written again at the end, for when nobody listened to it.
            let again = line.strip_prefix("[pod] ").is_some_and(|text| last.iter().any(|earlier| earlier.ends_with(text)));
            if !again && line.trim() != "[pod]" {
                last.push(line);
            }
        }
        let more = last.len().saturating_sub(LAST_LINES);
        last.drain(..more);
        Some(CauseView { text: message.clone(), last_lines: last })
    }

    /// Where the objects are that a run applied. What a check applied is nowhere once its namespace was given back.
    fn place_of(&self, run: &Run) -> Option<(ClusterName, NamespaceName)> {
        let work = match &run.spec.work {
            Work::Deploy(work) => {
                let catalog = &self.world.current().catalog;
                return catalog.targets.get(&work.target).map(|target| (target.cluster.clone(), target.namespace.clone()));
            }
            Work::Check(work) => work,
            Work::Build { .. } | Work::Delete { .. } | Work::Change(_) => return None,
        };
        let facts = self.world.ledger.facts();
        let namespace = match (&work.overrides.namespace, &work.overrides.keep) {
            (Some(held), _) => held.clone(),
            (None, keep) => {
                let id = match keep {
                    Some(keep) => reservation_of_person(&work.overrides.by, &keep.pool, run.spec.id.as_str()),
                    None => reservation_of_run(&run.spec.id),
                };
                let ReservationState::Active { namespace, .. } = &facts.reservations.get(&id)?.state else { return None };
                namespace.clone()
            }
        };
        let known = facts.namespaces.get(&namespace)?;
        Some((known.cluster.clone(), namespace))
    }

    /// How the objects are that a run applied, as far as its cluster says so in time.
    async fn objects_of(&self, run: &Run) -> Vec<ObjectView> {
        let Some((cluster, namespace)) = self.place_of(run) else { return Vec::new() };
        let cluster = self.world.clusters.get(&cluster);
        let listed = tokio::time::timeout(CLUSTER_PATIENCE, cluster.list(Some(&namespace))).await;
        // What a cluster does not say is left out: the page is about the run.
        let Ok(Ok(objects)) = listed else { return Vec::new() };
        let own = objects.into_iter().filter(|object| object.owner.run == run.spec.id);
        own.flat_map(|object| {
            let state = if object.ready { "ready" } else { "not ready" };
            let pods = object.pods.iter().map(|pod| ObjectView {
                object: format!("Pod/{}", pod.name),
                state: pod.phase.clone(),
                text: match pod.restarts {
                    0 => pod.message.clone(),
                    restarts => format!("{} restarts. {}", restarts, pod.message),
                },
            });
            let reached = object.addresses.iter().map(|(port, address)| format!("{port} at {address}"));
            let said = Some(object.message.clone()).filter(|message| !message.is_empty() && message != state);
            let text = reached.chain(said).collect::<Vec<_>>().join(", ");
            let whole = ObjectView { object: object.key.to_string(), state: state.to_owned(), text };
            std::iter::once(whole).chain(pods).collect::<Vec<_>>()
        })
        .collect()
    }
}
