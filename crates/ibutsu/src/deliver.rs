//! From the ledger's outbox to Ibutsu: in order, and as often as it takes.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use towpath_domain::{RunId, Span, Timestamp};
use towpath_engine::Event;
use towpath_ledger::{Error, EventId, Ledger, Recorded, Thread};

use crate::client::Ibutsu;
use crate::error::{IbutsuError, IbutsuErrorKind};
use crate::progress::{Journal, Progress, Uploaded};
use crate::upload::Upload;

/// The name that the ledger keeps our place under.
pub const SINK: &str = "ibutsu";

/// Tells the moment; handed in, as nothing here reads a clock of its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Knows what runs came to.
pub trait UploadSource: Send + Sync {
    /// What a run that ended came to; none when it has no tests to tell of.
    ///
    /// # Errors
    /// Why it cannot be read now, for people.
    fn upload<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<Upload>, String>>;
}

/// How often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Attempts at one run before it is given up and kept as a dead letter.
    pub attempts: u32,
    /// The same for a run that the server fails at while it answers everything else.
    pub attempts_if_failing: u32,
    /// The wait after the first failed attempt; each further one is twice as long.
    pub first_wait: Span,
    /// The longest wait.
    pub longest_wait: Span,
}

impl Default for Delivery {
    /// About a day: servers are moved over a weekend's night, and nothing is lost if results come late. What only one run fails of is given up
    /// after half an hour, so that it does not hold up the others.
    fn default() -> Self {
        Self { attempts: 295, attempts_if_failing: 14, first_wait: Span::from_secs(1), longest_wait: Span::from_secs(300) }
    }
}

impl Delivery {
    /// How long to wait after so many failed attempts.
    fn wait(&self, failed: u32) -> Span {
        let factor = 1_u64.checked_shl(failed.saturating_sub(1)).unwrap_or(u64::MAX);
        self.first_wait.as_millis().checked_mul(factor).map_or(self.longest_wait, Span::from_millis).min(self.longest_wait)
    }

    fn attempts(&self, error: &IbutsuError) -> u32 {
        match error.kind() {
            _ if error.is_final() => 0,
            IbutsuErrorKind::Failing => self.attempts_if_failing,
            _ => self.attempts,
        }
    }
}

/// Longer waits than this are not waited, whoever asks for them.
const LONGEST_ASKED: Span = Span::from_secs(3600);

/// What is kept of a run in the ledger.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    progress: Progress,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uploaded: Option<Uploaded>,
}

/// What came of telling of a run; none while it was not told. Kept for ninety days.
///
/// # Errors
/// [`Error::Environment`], [`Error::Damaged`].
pub async fn uploaded(ledger: &Ledger, run: &RunId) -> Result<Option<Uploaded>, Error> {
    let thread = ledger.thread(SINK, run.as_str()).await?;
    Ok(thread.and_then(|thread| serde_json::from_str::<Kept>(&thread.state).ok()?.uploaded))
}

/// Tells of runs that end.
pub struct Uploader {
    /// The ledger.
    pub ledger: Ledger,
    /// The server.
    pub ibutsu: Arc<Ibutsu>,
    /// Knows what runs came to.
    pub source: Arc<dyn UploadSource>,
    /// How often it is tried.
    pub delivery: Delivery,
    /// The clock.
    pub clock: Clock,
}

impl Uploader {
    /// Tells of runs, in order, until `shutdown` becomes true or its sender is gone. What is being told at that moment goes on after the next
    /// start.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        tokio::select! {
            // Either it became true, or nobody is left to say so.
            _stopped = shutdown.wait_for(|stop| *stop) => {}
            () = self.tell_for_ever() => {}
        }
    }

    /// Ends only when the ledger is closed.
    async fn tell_for_ever(&self) {
        let mut troubles = 0;
        loop {
            let Err(error) = self.tell_all(&mut troubles).await else { continue };
            if matches!(error, Error::Closed | Error::ReadOnly) {
                tracing::warn!(%error, "Ibutsu is told nothing more.");
                return;
            }
            troubles += 1;
            tracing::warn!(%error, "What Ibutsu is to be told could not be read or noted; it is tried again.");
            tokio::time::sleep(self.delivery.wait(troubles).to_std()).await;
        }
    }

    /// Tells all there is to tell, and waits for more.
    async fn tell_all(&self, troubles: &mut u32) -> Result<(), Error> {
        // Before looking, so that nothing slips through between looking and waiting.
        let mut news = self.ledger.subscribe();
        self.ledger.outbox_register(SINK).await?;
        while let Some(pending) = self.ledger.outbox_next(SINK).await? {
            self.tell(&pending.recorded).await?;
            *troubles = 0;
        }
        // The sender lives as long as the ledger that is held here.
        let _ = news.changed().await;
        Ok(())
    }

    /// One attempt at one event, and the wait if it failed.
    async fn tell(&self, recorded: &Recorded) -> Result<(), Error> {
        let Event::RunFinished { run, .. } = &recorded.event else { return self.ledger.outbox_delivered(SINK, recorded.id).await };
        let thread = self.ledger.thread(SINK, run.as_str()).await?;
        let kept: Kept = thread.and_then(|thread| serde_json::from_str(&thread.state).ok()).unwrap_or_default();
        if kept.uploaded.is_some() {
            return self.ledger.outbox_delivered(SINK, recorded.id).await;
        }
        let place = Place { uploader: self, run, event: recorded.id };
        match place.upload(kept.progress).await {
            Ok(()) => self.ledger.outbox_delivered(SINK, recorded.id).await,
            Err(Ended::Ledger(error)) => Err(error),
            Err(Ended::Told(error)) => self.failed(run, recorded.id, &error).await,
        }
    }

    /// Notes a failure, and waits or gives up.
    async fn failed(&self, run: &RunId, event: EventId, error: &IbutsuError) -> Result<(), Error> {
        let why = format!("run {run}: {error} ({})", error.class());
        let attempts = self.ledger.outbox_failed(SINK, event, &why).await?;
        if attempts >= self.delivery.attempts(error) {
            tracing::error!(%run, attempts, why, "Ibutsu is not told of a run; it is kept as a dead letter.");
            return self.ledger.outbox_dead(SINK, event, &why, (self.clock)()).await;
        }
        let asked =
            error.retry_after().and_then(|asked| u64::try_from(asked.as_millis()).ok()).map_or(Span::from_millis(0), Span::from_millis);
        let wait = self.delivery.wait(attempts).max(asked.min(LONGEST_ASKED));
        tracing::warn!(%run, attempts, wait_ms = wait.as_millis(), why, "Ibutsu was not told of a run; it is tried again.");
        tokio::time::sleep(wait.to_std()).await;
        Ok(())
    }
}

/// Why an attempt ended.
enum Ended {
    Told(IbutsuError),
    Ledger(Error),
}

/// Where what is known of one run is kept.
struct Place<'a> {
    uploader: &'a Uploader,
    run: &'a RunId,
    event: EventId,
}

impl Place<'_> {
    async fn upload(&self, mut progress: Progress) -> Result<(), Ended> {
        let unread = |why: String| {
            let why = format!("what it came to cannot be read: {why}");
            Ended::Told(IbutsuError::new(IbutsuErrorKind::Away, why, "mend what the message says; it is tried again"))
        };
        let Some(upload) = self.uploader.source.upload(self.run).await.map_err(unread)? else { return Ok(()) };
        let uploaded = self.uploader.ibutsu.send(&upload, &mut progress, self).await.map_err(Ended::Told)?;
        tracing::info!(run = %self.run, url = uploaded.link, results = uploaded.results, "Ibutsu was told of a run.");
        if let Some(why) = &uploaded.without_files {
            tracing::warn!(run = %self.run, why, "Ibutsu was told of a run without its files.");
        }
        self.note(&Kept { progress, uploaded: Some(uploaded) }).await.map_err(Ended::Ledger)
    }

    async fn note(&self, kept: &Kept) -> Result<(), Error> {
        let state = serde_json::to_string(kept).unwrap_or_default();
        let thread = Thread { event: self.event, state, error: None };
        self.uploader.ledger.note_thread(SINK, self.run.as_str(), &thread, (self.uploader.clock)()).await
    }
}

impl Journal for Place<'_> {
    fn keep<'a>(&'a self, progress: &'a Progress) -> BoxFuture<'a, Result<(), IbutsuError>> {
        Box::pin(async {
            let kept = Kept { progress: progress.clone(), uploaded: None };
            self.note(&kept).await.map_err(|error| {
                let why = format!("how far the upload is cannot be noted: {error}");
                IbutsuError::new(IbutsuErrorKind::Away, why, "`towpath doctor` looks at disk and database")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_away_for_a_day_and_a_run_that_it_fails_at_holds_up_the_others_for_half_an_hour() {
        let delivery = Delivery::default();
        let hours = |attempts: u32| (1..attempts).map(|failed| delivery.wait(failed).as_millis()).sum::<u64>() / 3_600_000;
        assert_eq!((hours(delivery.attempts), hours(delivery.attempts_if_failing + 9)), (23, 1));
        let minutes = (1..delivery.attempts_if_failing).map(|failed| delivery.wait(failed).as_millis()).sum::<u64>() / 60_000;
        assert!((25..40).contains(&minutes), "{minutes}");
    }
}
