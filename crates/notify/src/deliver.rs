//! Takes each sink through the outbox.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use towpath_domain::{Pages, Span, Timestamp};
use towpath_engine::Event;
use towpath_engine::pool::PoolEvent;
use towpath_ledger::{Error, EventId, Ledger, Recorded};

use crate::about::Names;
use crate::follow::{Following, thread_key};
use crate::hidden::Hidden;
use crate::message::{Message, Weight, Writer, digest};
use crate::route::Listener;
use crate::sink::{DeliveryError, Follower};
use crate::trace::{TraceSpan, spans};

/// Tells the moment; handed in, as nothing here reads a clock of its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How people are told.
#[derive(Clone)]
pub struct Settings {
    /// How people call things.
    pub names: Arc<dyn Names>,
    /// Where this Towpath's pages are; none means no links.
    pub pages: Option<Pages>,
    /// Attempts at one message before it is given up and kept as a dead letter.
    pub attempts: u32,
    /// The wait after the first failed attempt; each further one is twice as long.
    pub first_wait: Span,
    /// The longest wait.
    pub longest_wait: Span,
    /// The clock.
    pub clock: Clock,
    /// What may not leave in a message.
    pub hidden: Hidden,
}

/// The longest wait that another end may ask for.
const LONGEST_ASKED: Span = Span::from_secs(3600);

/// How far is looked ahead for what is shown anyway in a moment.
const AHEAD: u32 = 20;

/// The wait between two looks whether names are known.
const LOOK_AGAIN: Span = Span::from_millis(100);

/// What one digest tells of at most; the rest comes with the next.
const DIGEST_MAX: u32 = 500;

impl Settings {
    /// Twelve attempts over about eighteen minutes: long enough for a restart at the other end, short enough that what
    /// comes after is still news.
    #[must_use]
    pub fn new(names: Arc<dyn Names>, pages: Option<Pages>, clock: Clock) -> Self {
        let hidden = Hidden::default();
        Self { names, pages, attempts: 12, first_wait: Span::from_secs(1), longest_wait: Span::from_secs(300), clock, hidden }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// How long to wait after so many failed attempts.
    pub(crate) fn wait(&self, failed: u32) -> Span {
        let factor = 1_u64.checked_shl(failed.saturating_sub(1)).unwrap_or(u64::MAX);
        self.first_wait.as_millis().checked_mul(factor).map_or(self.longest_wait, Span::from_millis).min(self.longest_wait)
    }
}

/// Tells people through all sinks, each in order and at its own pace, until `shutdown` becomes true or its sender is
/// gone. What is being told at that moment is told again after the next start.
pub async fn run(ledger: Ledger, listeners: Vec<Listener>, settings: Settings, shutdown: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    for listener in listeners {
        let post = Post { ledger: ledger.clone(), listener, settings: settings.clone() };
        tasks.spawn(one_sink(post, shutdown.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "A sink broke down; it tells nothing more until Towpath is started again.");
        }
    }
}

async fn one_sink(post: Post, mut shutdown: watch::Receiver<bool>) {
    tokio::select! {
        () = stopped(&mut shutdown) => {}
        () = post.tell_for_ever() => {}
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // Either it became true, or nobody is left to say so.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// One sink's way through the outbox.
struct Post {
    ledger: Ledger,
    listener: Listener,
    settings: Settings,
}

impl Post {
    fn name(&self) -> &str {
        self.listener.sink.name()
    }

    /// Ends only when the ledger is closed.
    async fn tell_for_ever(&self) {
        let (mut troubles, mut first) = (0, true);
        loop {
            let Err(error) = self.tell_all(&mut troubles, &mut first).await else { continue };
            if matches!(error, Error::Closed | Error::ReadOnly) {
                tracing::warn!(sink = self.name(), %error, "People are told nothing more.");
                return;
            }
            troubles += 1;
            tracing::warn!(sink = self.name(), %error, "The outbox could not be read or written; it is tried again.");
            tokio::time::sleep(self.settings.wait(troubles).to_std()).await;
        }
    }

    /// Tells all there is to tell, and waits for more. `first`: this process has told nothing yet, so that one before it may have told
    /// what is told now.
    async fn tell_all(&self, troubles: &mut u32, first: &mut bool) -> Result<(), Error> {
        // Before looking, so that nothing slips through between looking and waiting.
        let mut news = self.ledger.subscribe();
        self.ledger.outbox_register(self.name()).await?;
        while !self.settings.names.ready() {
            tokio::time::sleep(LOOK_AGAIN.to_std()).await;
        }
        if let Some(span) = self.listener.route.digest {
            while self.tell_together(span).await? {
                *troubles = 0;
            }
        } else {
            while let Some(pending) = self.ledger.outbox_next(self.name()).await? {
                self.tell_one(&pending.recorded, *first || pending.attempts > 0).await?;
                (*troubles, *first) = (0, false);
            }
        }
        *first = false;
        // The sender lives as long as the ledger that is held here.
        let _ = news.changed().await;
        Ok(())
    }

    /// One attempt at one event, and the wait if it failed.
    async fn tell_one(&self, recorded: &Recorded, again: bool) -> Result<(), Error> {
        if let Some(recorder) = self.listener.sink.recorder() {
            let spans = self.spans(recorded).await?;
            let told = if spans.is_empty() { Ok(()) } else { recorder.record(&spans).await };
            return self.settle(recorded.id, told).await;
        }
        let Some(message) = self.message(recorded).await? else { return self.ledger.outbox_delivered(self.name(), recorded.id).await };
        let (sink, route) = (&self.listener.sink, &self.listener.route);
        let Some(follower) = sink.follower() else {
            if !route.wants(message.kind) {
                return self.ledger.outbox_delivered(self.name(), recorded.id).await;
            }
            let told = sink.deliver(&message).await;
            self.settle(recorded.id, told).await?;
            return Ok(());
        };
        let (ledger, event, now) = (&self.ledger, recorded.id, self.settings.now());
        let later = if message.kind.weight() == Weight::Progress { self.later(follower).await? } else { BTreeSet::new() };
        let following = Following { ledger, sink: sink.name(), follower, route, event, message: &message, later: &later, again, now };
        let told = following.tell().await?;
        if self.would_give_up(&told).await? {
            following.give_up().await?;
        }
        self.settle(recorded.id, told).await
    }

    /// The threads that what waits behind the next event goes into, as far as is looked ahead.
    async fn later(&self, follower: &dyn Follower) -> Result<BTreeSet<String>, Error> {
        let waiting = self.ledger.outbox_waiting(self.name(), AHEAD).await?;
        let mut threads = BTreeSet::new();
        for recorded in waiting.iter().skip(1) {
            if let Some(message) = self.message(recorded).await? {
                threads.extend(follower.rooms(&message).iter().map(|room| thread_key(&message, room)));
            }
        }
        Ok(threads)
    }

    /// Tells all that waits together, once the first of it has waited for `span`. False when there is nothing.
    async fn tell_together(&self, span: Span) -> Result<bool, Error> {
        let waiting = self.ledger.outbox_waiting(self.name(), DIGEST_MAX).await?;
        let Some(last) = waiting.last().map(|recorded| recorded.id) else { return Ok(false) };
        let mut messages = Vec::new();
        for recorded in &waiting {
            messages.extend(self.message(recorded).await?.filter(|message| self.listener.route.wants(message.kind)));
        }
        let Some(due) = messages.first().map(|message| message.at.plus(span)) else {
            self.ledger.outbox_delivered(self.name(), last).await?;
            return Ok(true);
        };
        let now = self.settings.now();
        if now < due {
            tokio::time::sleep(due.since(now).to_std()).await;
            return Ok(true);
        }
        let told = self.listener.sink.deliver(&digest(&messages)).await;
        self.settle(last, told).await?;
        Ok(true)
    }

    /// Whether this failure is the last that is put up with.
    async fn would_give_up(&self, told: &Result<(), DeliveryError>) -> Result<bool, Error> {
        let Err(error) = told else { return Ok(false) };
        let failed = self.ledger.outbox_next(self.name()).await?.map_or(0, |pending| pending.attempts);
        Ok(error.permanent || failed.saturating_add(1) >= self.settings.attempts)
    }

    /// Notes what came of telling everything up to `event`, and waits if it is to be tried again.
    async fn settle(&self, event: EventId, told: Result<(), DeliveryError>) -> Result<(), Error> {
        let (ledger, name, settings) = (&self.ledger, self.name(), &self.settings);
        let Err(DeliveryError { why, permanent, retry_after }) = told else { return ledger.outbox_delivered(name, event).await };
        // What another end answers goes into the ledger and the log: no secret goes with it.
        let why = settings.hidden.mask(&why);
        let attempts = ledger.outbox_failed(name, event, &why).await?;
        let id = event.get();
        if permanent || attempts >= settings.attempts {
            tracing::error!(sink = name, event = id, attempts, why, "A message was given up; it is kept as a dead letter.");
            return ledger.outbox_dead(name, event, &why, settings.now()).await;
        }
        let wait = settings.wait(attempts).max(retry_after.map_or(Span::from_millis(0), |asked| asked.min(LONGEST_ASKED)));
        let wait_ms = wait.as_millis();
        tracing::warn!(sink = name, event = id, attempts, wait_ms, why, "A message was not delivered; it is tried again.");
        tokio::time::sleep(wait.to_std()).await;
        Ok(())
    }

    /// The spans of the run that an event ended, without secrets; none when it ended none.
    async fn spans(&self, recorded: &Recorded) -> Result<Vec<TraceSpan>, Error> {
        let Event::RunFinished { run, .. } = &recorded.event else { return Ok(Vec::new()) };
        let (run, steps) = (self.ledger.run(run).await?, self.ledger.steps(run).await?);
        let Settings { names, pages, hidden, .. } = &self.settings;
        let subject = run.subject();
        let release = names.about(&run.spec.work).release;
        let title = names.title(&subject).unwrap_or_default();
        let mut spans = spans(&run, &steps, release.as_ref(), &title, pages.as_ref().map(|pages| pages.run(&run.spec.id)));
        for span in &mut spans {
            let texts = std::iter::once(&mut span.name).chain(&mut span.error).chain(span.attributes.iter_mut().map(|(_, value)| value));
            texts.for_each(|text| *text = hidden.mask(text));
        }
        Ok(spans)
    }

    /// What is to be told of an event here, without secrets; `None` when nothing is.
    async fn message(&self, recorded: &Recorded) -> Result<Option<Message>, Error> {
        let writer = Writer { names: &*self.settings.names, pages: self.settings.pages.as_ref() };
        let told = |message: Message| {
            let concerned = Some(message).filter(|message| self.listener.route.concerns(message));
            concerned.map(|message| self.settings.hidden.mask_message(message))
        };
        if let Event::Pool(PoolEvent::Expires { reservation, until }) = &recorded.event {
            return Ok(writer.lease_ends(recorded, reservation, *until).and_then(told));
        }
        let (Event::RunStarted { run } | Event::RunFinished { run, .. }) = &recorded.event else { return Ok(None) };
        let progress = self.listener.sink.follower().is_some() || self.listener.route.hears_of_progress();
        if !progress && matches!(recorded.event, Event::RunStarted { .. }) {
            return Ok(None);
        }
        let run = self.ledger.run(run).await?;
        let message = writer.write(recorded, &run).filter(|message| progress || message.kind.weight() > Weight::Progress);
        Ok(message.and_then(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::NoNames;

    #[test]
    fn waits_double_up_to_the_longest() {
        let settings = Settings::new(Arc::new(NoNames), None, Arc::new(|| Timestamp::from_millis(0)));
        let waits: Vec<u64> = [0, 1, 2, 3, 9, 10, 70, u32::MAX].iter().map(|failed| settings.wait(*failed).as_millis() / 1000).collect();
        assert_eq!(waits, [1, 1, 2, 4, 256, 300, 300, 300]);
    }
}
