//! Takes each incident from rung to rung.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use towpath_domain::{Span, Timestamp};
use towpath_engine::{Event, Subject};
use towpath_ledger::{Error, EventId, Ledger, Thread, subject_key};

use super::{Action, Incident, Next, Pager, Standing, next};
use crate::deliver::Settings;

/// The name that the ledger keeps incidents under.
pub const SINK: &str = "escalation";

/// The longest wait between two looks: what is open may end without an event.
const LOOK_AGAIN: Span = Span::from_secs(30);

/// The shortest: many events in a row are one look.
const PAUSE: Span = Span::from_millis(200);

/// What the climb needs to know of the world.
pub trait Climber: Send + Sync {
    /// The failures that people must see, as they stand now.
    fn open(&self) -> Vec<Incident>;

    /// Whether enough of the world is known to speak of incidents: before that, nothing is open and nothing is mended.
    fn ready(&self) -> bool {
        true
    }

    /// Whether what failed is made good.
    fn mended(&self, subject: &Subject) -> bool;

    /// Whether something is under way for it.
    fn under_way(&self, subject: &Subject) -> bool;

    /// Who is called for it, in order, each with a name that stays the same.
    fn rungs(&self, incident: &Incident) -> Vec<(String, Arc<dyn Pager>)>;
}

/// Takes incidents from rung to rung, one each `step`, until `shutdown` becomes true or its sender is gone. What was told stands in the
/// ledger, so that another start goes on where this one stopped.
pub async fn climb(ledger: Ledger, climber: Arc<dyn Climber>, step: Span, settings: Settings, mut shutdown: watch::Receiver<bool>) {
    let climb = Climb { ledger, climber, step, settings };
    tokio::select! {
        _ = shutdown.wait_for(|stop| *stop) => {}
        () = climb.for_ever() => {}
    }
}

struct Climb {
    ledger: Ledger,
    climber: Arc<dyn Climber>,
    step: Span,
    settings: Settings,
}

impl Climb {
    /// Ends only when the ledger is closed.
    async fn for_ever(&self) {
        let mut news = self.ledger.subscribe();
        loop {
            let wait = match self.look().await {
                Ok(until) => until.map_or(LOOK_AGAIN, |until| until.since(self.now()).min(LOOK_AGAIN)),
                Err(Error::Closed | Error::ReadOnly) => return,
                Err(error) => {
                    tracing::warn!(%error, "Incidents could not be looked at; it is tried again.");
                    LOOK_AGAIN
                }
            };
            tokio::time::sleep(PAUSE.to_std()).await;
            tokio::select! {
                _ = news.changed() => {}
                () = tokio::time::sleep(wait.to_std()) => {}
            }
        }
    }

    fn now(&self) -> Timestamp {
        (self.settings.clock)()
    }

    /// One look at all incidents; when the next one is due.
    async fn look(&self) -> Result<Option<Timestamp>, Error> {
        self.ledger.outbox_register(SINK).await?;
        if !self.climber.ready() {
            return Ok(Some(self.now().plus(PAUSE)));
        }
        let mut standing: BTreeMap<String, Standing> = BTreeMap::new();
        for (key, thread) in self.ledger.threads(SINK, "").await? {
            match serde_json::from_str(&thread.state) {
                Ok(known) => drop(standing.insert(key, known)),
                Err(error) => {
                    tracing::error!(key, %error, "What was told of an incident cannot be read; it is told anew.");
                    self.ledger.forget_thread(SINK, &key).await?;
                }
            }
        }
        self.hear_of_failures(&mut standing).await?;
        self.hear_of_people(&mut standing).await?;
        let mut due: Option<Timestamp> = None;
        for (key, mut known) in standing {
            let until = self.climb_on(&key, &mut known).await?;
            due = due.into_iter().chain(until).min();
        }
        Ok(due)
    }

    /// What is open and not known begins; what is known and not open has ended.
    async fn hear_of_failures(&self, standing: &mut BTreeMap<String, Standing>) -> Result<(), Error> {
        let open: BTreeMap<String, Incident> =
            self.climber.open().into_iter().map(|incident| (subject_key(&incident.subject), incident)).collect();
        for (key, known) in &mut *standing {
            let over = !open.contains_key(key) && self.climber.mended(&known.incident.subject);
            if over && !known.ended {
                (known.ended, known.failed, known.not_before) = (true, 0, known.opened);
                self.note(key, known, None).await?;
            }
        }
        for (key, incident) in open {
            if standing.get(&key).is_none_or(|known| known.ended && known.told.is_empty()) {
                let opened = self.now();
                let (told, heard) = (Vec::new(), Vec::new());
                let known = Standing { incident, opened, told, acknowledged: None, heard, ended: false, failed: 0, not_before: opened };
                self.note(&key, &known, None).await?;
                standing.insert(key, known);
            }
        }
        Ok(())
    }

    /// Who sees to what since the last look.
    async fn hear_of_people(&self, standing: &mut BTreeMap<String, Standing>) -> Result<(), Error> {
        while let Some(pending) = self.ledger.outbox_next(SINK).await? {
            if let Event::Acknowledged { subject, by, .. } = &pending.recorded.event {
                let key = subject_key(subject);
                if let Some(known) = standing.get_mut(&key).filter(|known| !known.ended) {
                    (known.acknowledged, known.failed, known.not_before) = (Some(by.clone()), 0, known.opened);
                    known.heard.clear();
                    self.note(&key, known, None).await?;
                }
            }
            self.ledger.outbox_delivered(SINK, pending.recorded.id).await?;
        }
        Ok(())
    }

    /// Tells all that is due of one incident.
    async fn climb_on(&self, key: &str, known: &mut Standing) -> Result<Option<Timestamp>, Error> {
        let rungs = self.climber.rungs(&known.incident);
        let names: Vec<String> = rungs.iter().map(|(name, _)| name.clone()).collect();
        loop {
            let under_way = self.climber.under_way(&known.incident.subject);
            let (rung, action) = match next(known, &names, self.step, under_way, self.now()) {
                Next::Tell { rung, action } => (rung, action),
                Next::Wait(until) => return Ok(Some(until)),
                Next::Rest => return Ok(None),
                Next::Forget => {
                    self.ledger.forget_thread(SINK, key).await?;
                    return Ok(None);
                }
            };
            let told = match rungs.iter().find(|(name, _)| *name == rung) {
                Some((_, pager)) => pager.page(&action, &known.incident, self.now()).await,
                // Somebody who is no longer called.
                None => Ok(()),
            };
            let mut trouble = None;
            if let Err(error) = told {
                let why = self.settings.hidden.mask(&error.why);
                known.failed = known.failed.saturating_add(1);
                if !error.permanent && known.failed < self.settings.attempts {
                    let wait = self.settings.wait(known.failed).max(error.retry_after.unwrap_or(Span::from_millis(0)));
                    known.not_before = self.now().plus(wait);
                    tracing::warn!(key, rung, why, "Somebody could not be called; it is tried again.");
                    self.note(key, known, Some(format!("{rung}: {why}"))).await?;
                    return Ok(Some(known.not_before));
                }
                // The next rung is not kept waiting for one that cannot be reached.
                tracing::error!(key, rung, why, "Somebody could not be called; the next is called in their place.");
                trouble = Some(format!("{rung}: {why}"));
                if action == Action::Trigger {
                    let steps = u64::try_from(known.told.len()).unwrap_or(u64::MAX).saturating_add(1);
                    let ahead = i64::try_from(self.step.as_millis().saturating_mul(steps)).unwrap_or(i64::MAX);
                    known.opened = Timestamp::from_millis(self.now().as_millis().saturating_sub(ahead));
                }
            }
            (known.failed, known.not_before) = (0, known.opened);
            match action {
                Action::Trigger => known.told.push(rung),
                Action::Acknowledge { .. } => known.heard.push(rung),
                Action::Resolve => known.told.retain(|told| *told != rung),
            }
            self.note(key, known, trouble).await?;
        }
    }

    async fn note(&self, key: &str, known: &Standing, error: Option<String>) -> Result<(), Error> {
        // Plain data: it cannot fail to be written.
        let state = serde_json::to_string(known).unwrap_or_default();
        let thread = Thread { event: EventId::NONE, state, error };
        self.ledger.note_thread(SINK, key, &thread, self.now()).await
    }
}
