//! Failures that people must see.

use std::collections::{BTreeMap, BTreeSet};

use towpath_domain::{Span, Timestamp};
use towpath_engine::{Event, Outcome, Subject};
use towpath_ledger::{EventFilter, Order, Run};

use super::actions;
use super::past::{Mended, Past};
use crate::incidents::Stuck;
use crate::places::{Places, seen};
use crate::sight::Sight;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{IncidentView, Problem};
use crate::words;

/// How long an incident is shown after it was mended.
const REMEMBERED: Span = Span::from_secs(7 * 24 * 3600);

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
        self.follow();
        let seen_to = self.seen_to().await?;
        let open = self.stuck();
        let (open, mended) = {
            let mut past = self.pictures.past.lock().await;
            past.catch_up(&self.world.ledger).await.map_err(ledger_problem)?;
            let snapshot = self.world.current();
            let facts = self.world.ledger.facts();
            let places = Places::new(&snapshot.catalog, &facts);
            let may_see = |subject: &Subject| seen(&sight, &places.of_subject(subject));
            let known: BTreeSet<Subject> = open.iter().map(|stuck| stuck.subject.clone()).collect();
            let mended = mended_lately(&past, self.world.clock.now(), |subject| !known.contains(subject) && may_see(subject));
            let open: Vec<(Stuck, Option<Timestamp>)> = open
                .into_iter()
                .filter(|stuck| may_see(&stuck.subject))
                .map(|stuck| {
                    let since = failing_since(&past, &stuck);
                    (stuck, since)
                })
                .collect();
            (open, mended)
        };
        let mut views = Vec::new();
        for (stuck, since) in &open {
            let run = self.ledger_run(&stuck.run).await?;
            let since = since.or(run.finished_at).unwrap_or(run.queued_at);
            let mut view = self.incident(&run, stuck.title.clone(), since);
            view.acknowledged = seen_to.get(&stuck.subject).filter(|(_, at)| *at >= since).cloned();
            views.push(view);
        }
        views.sort_by_key(|view| (view.acknowledged.is_some(), std::cmp::Reverse(view.since)));
        for Mended { subject, failing, at } in mended {
            let run = self.ledger_run(&failing.run).await?;
            let title = words::subject_title(&self.world.current().catalog, &subject);
            let view = self.incident(&run, title, failing.since);
            views.push(IncidentView { mended_at: Some(at), actions: Vec::new(), ..view });
        }
        Ok(views)
    }

    /// Who said last that they see to what.
    pub(crate) async fn seen_to(&self) -> Result<SeenTo, Problem> {
        let newest = EventFilter { kind: Some("acknowledged".to_owned()), order: Order::NewestFirst, ..EventFilter::default() };
        let mut events = self.world.ledger.events(&newest, ACKNOWLEDGEMENTS).await.map_err(ledger_problem)?.rows;
        events.reverse();
        let said = events.into_iter().filter_map(|recorded| match recorded.event {
            Event::Acknowledged { subject, by, .. } => Some((subject, (by, recorded.at))),
            _ => None,
        });
        Ok(said.collect())
    }

    fn incident(&self, run: &Run, title: String, since: Timestamp) -> IncidentView {
        let cause = self.cause(run);
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        let subject = run.subject();
        let verdict = self.planner().verdict(&subject).cloned();
        let (kind, id) = words::kind_and_id(&subject);
        let (app, environment) = words::app_and_environment(catalog, &subject);
        let (message, last_lines) = cause.map(|cause| (cause.text, cause.last_lines)).unwrap_or_default();
        IncidentView {
            kind,
            subject: id,
            title,
            app,
            environment,
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

/// Since when what holds a subject fails. None where its failure is no longer the last that ended of it: then only its own end tells.
fn failing_since(past: &Past, stuck: &Stuck) -> Option<Timestamp> {
    past.failing.get(&stuck.subject).filter(|failing| failing.run == stuck.run).map(|failing| failing.since)
}

/// What was mended of late, the newest first, of each thing the last time alone; and what fails again is not mended.
fn mended_lately(past: &Past, now: Timestamp, wanted: impl Fn(&Subject) -> bool) -> Vec<Mended> {
    let mut known = BTreeSet::new();
    let lately = past.mended.iter().rev().take_while(|mended| now.since(mended.at) <= REMEMBERED);
    let own = lately.filter(|mended| known.insert(mended.subject.clone()) && wanted(&mended.subject));
    own.filter(|mended| !past.failing.contains_key(&mended.subject)).take(MENDED).cloned().collect()
}

/// Whether a run did what it was for.
pub(crate) fn is_good(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Built { .. } | Outcome::Deployed { .. } | Outcome::Merged { .. } | Outcome::Deleted)
}

#[cfg(test)]
mod tests {
    use towpath_domain::{RunId, SourceName};

    use super::super::past::Failing;
    use super::*;

    #[test]
    fn of_what_was_mended_the_newest_is_told_once_and_nothing_that_fails_again() {
        let source = |name: &str| Subject::Source(SourceName::new(name).unwrap());
        let at = |hour: i64| Timestamp::from_millis(hour * 3_600_000);
        let run = || RunId::new("r").unwrap();
        let mut past = Past::default();
        let mut mend = |name: &str, since, end| {
            past.mended.push_back(Mended { subject: source(name), failing: Failing { since: at(since), run: run() }, at: at(end) });
        };
        mend("long-ago", 0, 1);
        mend("twice", 200, 201);
        mend("again", 202, 203);
        mend("twice", 204, 205);
        mend("hidden", 206, 207);
        past.failing.insert(source("again"), Failing { since: at(208), run: run() });
        let found = mended_lately(&past, at(210), |subject| *subject != source("hidden"));
        let told: Vec<_> = found.iter().map(|mended| (words::kind_and_id(&mended.subject).1, mended.at)).collect();
        assert_eq!(told, [("twice".to_owned(), at(205))]);
    }
}
