//! The ledger: opened, appended to, listened to.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, watch};
use towpath_domain::Timestamp;
use towpath_engine::{Event, FactKey, Facts};

use crate::db::lock::ProcessLock;
use crate::db::{self, migrate, rows};
use crate::error::{Error, Result};
use crate::rebuild::{VERSION, rebuild};
use crate::record::{EventId, Recorded};
use crate::verify::replay;
use crate::writer::{Receipt, Request, Writer};

/// The durable record of all that happened, and what it adds up to. Cheap to clone; all clones are one ledger.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) file: PathBuf,
    pub(crate) readers: SqlitePool,
    pub(crate) published: Published,
    writer: Mutex<Option<Writer>>,
    read_only: bool,
    // Last, so that the connections are gone before the next process may come.
    _lock: Option<ProcessLock>,
}

/// What everybody sees: the facts up to the last committed event, and its number.
pub(crate) struct Published {
    facts: RwLock<Facts>,
    latest: watch::Sender<EventId>,
    touched: std::sync::Mutex<Touched>,
    observer: OnceLock<Observer>,
}

/// Called with each event's number right after it is on disk, before anything is done about it.
pub type Observer = Box<dyn Fn(EventId) + Send + Sync>;

/// Which facts the last events touched, so that who follows the ledger need not look at all of them.
struct Touched {
    /// Everything after this event is in `keys`.
    complete_after: EventId,
    keys: VecDeque<(EventId, FactKey)>,
}

/// How many touched facts are remembered: who falls further behind looks at everything.
const TOUCHED: usize = 65_536;

impl Published {
    fn new(facts: Facts, latest: EventId) -> Self {
        let touched = std::sync::Mutex::new(Touched { complete_after: latest, keys: VecDeque::new() });
        Self { facts: RwLock::new(facts), latest: watch::Sender::new(latest), touched, observer: OnceLock::new() }
    }

    /// Remembers which facts an event touched, and tells the observer of the event.
    pub(crate) fn note(&self, event: EventId, keys: impl IntoIterator<Item = FactKey>) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.keys.extend(keys.into_iter().map(|key| (event, key)));
        while touched.keys.len() > TOUCHED {
            if let Some((dropped, _)) = touched.keys.pop_front() {
                touched.complete_after = dropped;
            }
        }
        drop(touched);
        if let Some(observer) = self.observer.get() {
            observer(event);
        }
    }

    /// After a reload nobody knows any more what was touched, not even who had seen the last event: rows that were mended
    /// changed without one.
    pub(crate) fn forget_touched(&self, latest: EventId) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        *touched = Touched { complete_after: latest.next(), keys: VecDeque::new() };
    }

    /// Shows `facts` from now on, and hands back those that were shown before.
    pub(crate) fn swap(&self, facts: &mut Facts) {
        std::mem::swap(&mut *self.facts.write().unwrap_or_else(PoisonError::into_inner), facts);
    }

    pub(crate) fn replace(&self, mut facts: Facts) {
        self.swap(&mut facts);
    }

    /// Wakes those that wait for new events.
    pub(crate) fn announce(&self, latest: EventId) {
        self.latest.send_if_modified(|known| {
            let newer = *known != latest;
            *known = latest;
            newer
        });
    }
}

impl Ledger {
    /// Opens the ledger for writing, makes it when there is none, and brings its format up to date.
    ///
    /// `path` is a file that ends in `.db`, or a state directory, which is made; the file in it is `ledger.db`.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it open, [`Error::TooNew`], [`Error::NotALedger`],
    /// [`Error::Damaged`], [`Error::Environment`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = db::file_of(path.as_ref());
        if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(|error| Error::io("make", directory, &error))?;
        }
        let lock = ProcessLock::take(&file)?;
        let failed = |error: sqlx::Error| Error::database("read", &file, &error);
        let mut writer = db::writer(&file).await?;
        migrate::run(&mut writer, &file).await?;
        let head = rows::head(&mut writer).await.map_err(failed)?;
        let facts = load_or_count(&mut writer, &file).await?;
        let readers = db::readers(&file).await?;
        let published = Published::new(facts.clone(), head.event);
        let writer = Mutex::new(Some(Writer::new(file.clone(), writer, facts, head)));
        Ok(Self { inner: Arc::new(Inner { file, readers, published, writer, read_only: false, _lock: Some(lock) }) })
    }

    /// Opens a ledger for reading, also while another process writes to it. What that one records later is seen by
    /// queries, and by [`Self::facts`] after [`Self::refresh`].
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::TooNew`], [`Error::TooOld`], [`Error::NotALedger`], [`Error::Damaged`],
    /// [`Error::Environment`].
    pub async fn read_only(path: impl AsRef<Path>) -> Result<Self> {
        let file = db::file_of(path.as_ref());
        if !file.is_file() {
            return Err(Error::Missing { path: file });
        }
        let readers = db::readers(&file).await?;
        let failed = |error: sqlx::Error| Error::database("read", &file, &error);
        let found = migrate::check(&mut *readers.acquire().await.map_err(failed)?, &file).await?;
        if found < migrate::newest() {
            return Err(Error::TooOld { path: file, found });
        }
        let published = Published::new(Facts::default(), EventId::NONE);
        let ledger = Self { inner: Arc::new(Inner { file, readers, published, writer: Mutex::new(None), read_only: true, _lock: None }) };
        ledger.refresh().await?;
        Ok(ledger)
    }

    /// Reads the facts again that another process may have changed. Needed only after [`Self::read_only`].
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`].
    pub async fn refresh(&self) -> Result<()> {
        if !self.inner.read_only {
            return Ok(());
        }
        let failed = |error: sqlx::Error| Error::database("read", &self.inner.file, &error);
        let mut tx = self.inner.readers.begin().await.map_err(failed)?;
        let head = rows::head(&mut tx).await.map_err(failed)?;
        let facts = match rows::load_facts(&mut tx).await {
            // What is wrong with the rows, `verify` says; the events are enough to go on with.
            Err(sqlx::Error::Decode(_)) => replay(&mut tx, &mut Vec::new()).await.map_err(failed)?.facts,
            loaded => loaded.map_err(failed)?,
        };
        self.inner.published.replace(facts);
        self.inner.published.announce(head.event);
        Ok(())
    }

    /// The database file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.inner.file
    }

    /// Records events in one transaction, with the facts, runs, steps and outbox rows that follow from them.
    ///
    /// All of them get the same cause and moment. When this returns an error, nothing of it was recorded and memory is
    /// as it was; the one exception is a commit that the disk answered with an error, after which memory is whatever
    /// the disk holds. It goes on to its end even when the caller stops waiting.
    ///
    /// # Errors
    /// [`Error::AlreadyQueued`] when one of them queues a run that was queued before, [`Error::UnknownRun`] and
    /// [`Error::RunOver`] when one speaks of such a run, [`Error::UnknownEvent`] for the cause; [`Error::ReadOnly`],
    /// [`Error::Environment`].
    pub async fn append(&self, cause: Option<EventId>, actor: &str, at: Timestamp, events: Vec<Event>) -> Result<Vec<Recorded>> {
        Ok(self.record(Request::Append { cause, actor: actor.to_owned(), at, events }).await?.recorded)
    }

    /// The facts up to the last recorded event. Hold it briefly, never across an await: writers wait for it.
    pub fn facts(&self) -> RwLockReadGuard<'_, Facts> {
        // A panic cannot leave the facts half-changed: they are only ever replaced as a whole.
        self.inner.published.facts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The facts that were touched by events after `since`, with the number of the last of these events. `None` when that is too long ago:
    /// then anything may have changed.
    #[must_use]
    pub fn touched_since(&self, since: EventId) -> Option<(EventId, Vec<FactKey>)> {
        let touched = self.inner.published.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if since < touched.complete_after {
            return None;
        }
        let newer = touched.keys.iter().skip(touched.keys.partition_point(|(event, _)| *event <= since));
        let mut keys: Vec<FactKey> = newer.map(|(_, key)| key.clone()).collect();
        keys.sort();
        keys.dedup();
        Some((touched.keys.back().map_or(since, |(event, _)| (*event).max(since)), keys))
    }

    /// Has `observer` called with each event's number right after it is on disk and before anything is done about it. Only the first call
    /// counts. For tests that end the process at chosen moments.
    pub fn on_commit(&self, observer: Observer) {
        // A second observer is a slip of the caller's that harms nobody.
        let _first = self.inner.published.observer.set(observer);
    }

    /// The number of the last recorded event.
    #[must_use]
    pub fn latest(&self) -> EventId {
        *self.inner.published.latest.borrow()
    }

    /// Wakes its holder when events were recorded, with the number of the last one. It tells that there is something
    /// new, not each event: who falls behind just reads more at once.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<EventId> {
        self.inner.published.latest.subscribe()
    }

    /// Waits for the write under way and closes the files. Later calls, also on clones, answer with [`Error::Closed`]; who
    /// waits for new events is woken to see it.
    pub async fn close(&self) {
        let writer = self.inner.writer.lock().await.take();
        self.inner.readers.close().await;
        if let Some(writer) = writer
            && let Err(error) = writer.db.close().await
        {
            tracing::warn!(%error, "The ledger was not closed cleanly; nothing is lost, the next start replays its journal.");
        }
        self.inner.published.latest.send_modify(|_| {});
    }

    pub(crate) async fn record(&self, request: Request) -> Result<Receipt> {
        let inner = self.inner.clone();
        detached(async move { inner.writer().await?.record(&inner.published, request).await }).await
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("file", &self.inner.file).field("latest", &self.latest()).finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) async fn writer(&self) -> Result<MappedMutexGuard<'_, Writer>> {
        let closed = if self.read_only { Error::ReadOnly } else { Error::Closed };
        let mut writer = MutexGuard::try_map(self.writer.lock().await, Option::as_mut).map_err(|_| closed)?;
        writer.ready(&self.published).await?;
        Ok(writer)
    }
}

/// The facts from their rows; counted anew from the events where the rows were counted by another version's rules, or
/// cannot be read.
async fn load_or_count(writer: &mut SqliteConnection, file: &Path) -> Result<Facts> {
    let failed = |error: sqlx::Error| Error::database("read", file, &error);
    if rows::counted(writer).await.map_err(failed)?.as_deref() == Some(VERSION) {
        match rows::load_facts(writer).await {
            Err(sqlx::Error::Decode(error)) => {
                tracing::warn!(%error, path = %file.display(), "A fact could not be read; all are counted anew from the events.");
            }
            loaded => return loaded.map_err(failed),
        }
    }
    let counting = |error: sqlx::Error| Error::database("count anew", file, &error);
    let (facts, differences) = rebuild(writer).await.map_err(counting)?;
    for difference in &differences {
        tracing::error!(%difference, path = %file.display(), "An event of the ledger does not add up.");
    }
    Ok(facts)
}

/// Runs a write to its end, whether or not the caller goes on waiting: a write given up in the middle would leave
/// memory and disk at odds.
pub(crate) async fn detached<T: Send + 'static>(write: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    match tokio::spawn(write).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Closed),
        },
    }
}
