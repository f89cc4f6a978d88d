//! Takes each sink through the outbox.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use towpath_domain::{Span, Timestamp};
use towpath_engine::Event;
use towpath_ledger::{Error, Ledger, Pending};

use crate::message::{Message, Names, Writer};
use crate::sink::{DeliveryError, Sink};

/// Tells the moment; handed in, as nothing here reads a clock of its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How people are told.
#[derive(Clone)]
pub struct Settings {
    /// How people call things.
    pub names: Arc<dyn Names>,
    /// Where this Towpath's pages are, without a slash at the end; none means no links.
    pub base_url: Option<String>,
    /// Attempts at one message before it is given up and kept as a dead letter.
    pub attempts: u32,
    /// The wait after the first failed attempt; each further one is twice as long.
    pub first_wait: Span,
    /// The longest wait.
    pub longest_wait: Span,
    /// The clock.
    pub clock: Clock,
}

impl Settings {
    /// Twelve attempts over about eighteen minutes: long enough for a restart at the other end, short enough that what
    /// comes after is still news.
    #[must_use]
    pub fn new(names: Arc<dyn Names>, base_url: Option<String>, clock: Clock) -> Self {
        Self { names, base_url, attempts: 12, first_wait: Span::from_secs(1), longest_wait: Span::from_secs(300), clock }
    }

    /// How long to wait after so many failed attempts.
    fn wait(&self, failed: u32) -> Span {
        let factor = 1_u64.checked_shl(failed.saturating_sub(1)).unwrap_or(u64::MAX);
        self.first_wait.as_millis().checked_mul(factor).map_or(self.longest_wait, Span::from_millis).min(self.longest_wait)
    }
}

/// Tells people through all sinks, each in order and at its own pace, until `shutdown` becomes true or its sender is
/// gone. What is being told at that moment is told again after the next start.
pub async fn run(ledger: Ledger, sinks: Vec<Arc<dyn Sink>>, settings: Settings, shutdown: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    for sink in sinks {
        tasks.spawn(one_sink(ledger.clone(), sink, settings.clone(), shutdown.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "A sink broke down; it tells nothing more until Towpath is started again.");
        }
    }
}

async fn one_sink(ledger: Ledger, sink: Arc<dyn Sink>, settings: Settings, mut shutdown: watch::Receiver<bool>) {
    tokio::select! {
        () = stopped(&mut shutdown) => {}
        () = tell_for_ever(&ledger, &*sink, &settings) => {}
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // Either it became true, or nobody is left to say so.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Ends only when the ledger is closed.
async fn tell_for_ever(ledger: &Ledger, sink: &dyn Sink, settings: &Settings) {
    let mut troubles = 0;
    loop {
        let Err(error) = tell_all(ledger, sink, settings, &mut troubles).await else { continue };
        if matches!(error, Error::Closed | Error::ReadOnly) {
            tracing::warn!(sink = sink.name(), %error, "People are told nothing more.");
            return;
        }
        troubles += 1;
        tracing::warn!(sink = sink.name(), %error, "The outbox could not be read or written; it is tried again.");
        tokio::time::sleep(settings.wait(troubles).to_std()).await;
    }
}

/// Tells all there is to tell, and waits for more.
async fn tell_all(ledger: &Ledger, sink: &dyn Sink, settings: &Settings, troubles: &mut u32) -> Result<(), Error> {
    // Before looking, so that nothing slips through between looking and waiting.
    let mut news = ledger.subscribe();
    ledger.outbox_register(sink.name()).await?;
    while let Some(pending) = ledger.outbox_next(sink.name()).await? {
        tell_one(ledger, sink, settings, &pending).await?;
        *troubles = 0;
    }
    // The sender lives as long as the ledger that is held here.
    let _ = news.changed().await;
    Ok(())
}

/// One attempt at one event, and the wait if it failed.
async fn tell_one(ledger: &Ledger, sink: &dyn Sink, settings: &Settings, pending: &Pending) -> Result<(), Error> {
    let event = pending.recorded.id;
    let Some(message) = message(ledger, settings, pending).await? else { return ledger.outbox_delivered(sink.name(), event).await };
    match sink.deliver(&message).await {
        Ok(()) => ledger.outbox_delivered(sink.name(), event).await,
        Err(DeliveryError { why, permanent }) => {
            let attempts = ledger.outbox_failed(sink.name(), event, &why).await?;
            if permanent || attempts >= settings.attempts {
                tracing::error!(
                    sink = sink.name(),
                    event = event.get(),
                    attempts,
                    why,
                    "A message was given up; it is kept as a dead letter."
                );
                return ledger.outbox_dead(sink.name(), event, &why, (settings.clock)()).await;
            }
            let wait = settings.wait(attempts);
            tracing::warn!(
                sink = sink.name(),
                event = event.get(),
                attempts,
                wait_ms = wait.as_millis(),
                why,
                "A message was not delivered; it is tried again."
            );
            tokio::time::sleep(wait.to_std()).await;
            Ok(())
        }
    }
}

async fn message(ledger: &Ledger, settings: &Settings, pending: &Pending) -> Result<Option<Message>, Error> {
    let Event::RunFinished { run, .. } = &pending.recorded.event else { return Ok(None) };
    let run = ledger.run(run).await?;
    let writer = Writer { names: &*settings.names, base_url: settings.base_url.as_deref() };
    Ok(writer.write(&pending.recorded, &run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::NoNames;

    #[test]
    fn waits_double_up_to_the_longest() {
        let settings = Settings::new(Arc::new(NoNames), None, Arc::new(|| Timestamp::from_millis(0)));
        let waits: Vec<u64> = [0, 1, 2, 3, 9, 10, 70, u32::MAX].iter().map(|failed| settings.wait(*failed).as_millis() / 1000).collect();
        assert_eq!(waits, [1, 1, 2, 4, 256, 300, 300, 300]);
    }
}
