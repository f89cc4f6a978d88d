//! Failures that people must see, and who sees to them.

use towpath_domain::RunId;
use towpath_engine::{Event, Hold, State, Subject, Verdict};

use crate::find::{self, Found, problem};
use crate::request::RetryRequest;
use crate::steer::Control;
use crate::view::{Accepted, Problem};
use crate::words;

/// A failure that nothing goes on from by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// What is held by it.
    pub subject: Subject,
    /// Its title.
    pub title: String,
    /// The run that failed last.
    pub run: RunId,
    /// What went wrong, for people.
    pub message: String,
}

impl Control {
    /// All sources, targets and changes whose verdict says that a failure holds them until somebody does something.
    #[must_use]
    pub fn stuck(&self) -> Vec<Stuck> {
        self.follow();
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        let sources = catalog.sources.keys().cloned().map(Subject::Source);
        let targets = catalog.targets.values().filter(|target| !target.disable).map(|target| Subject::Target(target.id.clone()));
        let changes = facts.changes.values().filter(|change| change.merged.is_none() && change.failure.is_some());
        let changes = changes.map(|change| Subject::Change(change.spec.id.clone()));
        let planner = self.planner();
        let all = sources.chain(targets).chain(changes);
        all.filter_map(|subject| {
            let (run, message) = failed(planner.verdict(&subject)?)?;
            let title = words::subject_title(catalog, &subject);
            Some(Stuck { subject, title, run, message })
        })
        .collect()
    }

    /// Whether a run of it is queued or under way, or about to be.
    #[must_use]
    pub fn is_under_way(&self, subject: &Subject) -> bool {
        let facts = self.world.ledger.facts();
        facts.open_runs.values().any(|open| open.subject == *subject)
            || matches!(self.planner().verdict(subject).map(|verdict| &verdict.state), Some(State::Act { .. }))
    }

    /// Whether a failure of it is made good: not merely hidden behind a freeze, a retry or a new attempt.
    #[must_use]
    pub fn is_mended(&self, subject: &Subject) -> bool {
        let facts = self.world.ledger.facts();
        let planner = self.planner();
        match planner.verdict(subject).map(|verdict| &verdict.state) {
            // It is gone; but not while a broken file hides it.
            None => !matches!(subject, Subject::Target(_)) || self.world.current().catalog.broken_saas_files.is_empty(),
            Some(State::UpToDate) => true,
            Some(State::Act { .. }) => false,
            // Of a source, failures of earlier commits are remembered; only an image of the newest makes good.
            Some(State::Held { .. }) => match subject {
                Subject::Source(_) | Subject::Check(_) => false,
                Subject::Target(_) | Subject::Change(_) => {
                    let open = facts.open_runs.values().any(|open| open.subject == *subject);
                    !open && !crate::requests::has_failed(&facts, subject)
                }
            },
        }
    }

    /// A person sees to a failure: nobody else is called for it.
    ///
    /// # Errors
    /// [`Problem`] when it names nothing, or nothing of it is held by a failure.
    pub async fn acknowledge(&self, request: RetryRequest) -> Result<Accepted, Problem> {
        crate::requests::check(&request.asked)?;
        let found = {
            let facts = self.world.ledger.facts();
            find::anything(&self.world.current().catalog, &facts, &request.what)?
        };
        let subject = match found {
            Found::Subject(subject) => Some(subject),
            Found::Run(run) => Some(self.ledger_run(&run).await?.subject()),
            Found::Commit(_) | Found::Channel(_) => None,
        };
        let stuck = subject.and_then(|subject| self.stuck().into_iter().find(|stuck| stuck.subject == subject)).ok_or_else(|| {
            problem(
                "nothing-failed",
                409,
                "There is nothing to see to",
                format!("{:?} is held by no failure", request.what),
                "`towpath status` shows what is held; name a target, a source, a change or a run",
            )
        })?;
        let by = request.asked.by;
        let event = Event::Acknowledged { subject: stuck.subject, by: by.clone(), why: request.asked.why };
        self.record(&by, event).await?;
        Ok(Accepted { text: format!("{by} sees to {}", stuck.title), change: None, run: None, reservation: None })
    }
}

/// The failure that a verdict is held by, if nothing goes on from it by itself.
fn failed(verdict: &Verdict) -> Option<(RunId, String)> {
    let State::Held { holds } = &verdict.state else { return None };
    holds.iter().find_map(|hold| match hold {
        Hold::Failed { run, message, .. } => Some((run.clone(), message.clone())),
        _ => None,
    })
}
