//! A keeper in memory, for tests: it says what it is told to say, and remembers what it was given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use towpath_catalog::Catalog;
use towpath_domain::{Span, Timestamp};
use towpath_ledger::{Session, Token};

use super::keeper::{Keeper, KeeperError, Kept};

/// The fake. Share it by `Arc`.
#[derive(Debug)]
pub struct FakeKeeper {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    catalog: Arc<Catalog>,
    now: Timestamp,
    sessions: BTreeMap<String, Session>,
    tokens: BTreeMap<String, Token>,
    broken: bool,
}

impl FakeKeeper {
    /// One that has this catalog and this time, and nobody who is signed in.
    #[must_use]
    pub fn new(catalog: Catalog, now: Timestamp) -> Self {
        let inner = Inner { catalog: Arc::new(catalog), now, sessions: BTreeMap::new(), tokens: BTreeMap::new(), broken: false };
        Self { inner: Mutex::new(inner), changed: watch::Sender::new(0) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.inner());
        self.changed.send_modify(|version| *version += 1);
    }

    /// From now on this catalog counts.
    pub fn set_catalog(&self, catalog: Catalog) {
        self.change(|inner| inner.catalog = Arc::new(catalog));
    }

    /// Lets time pass.
    pub fn pass(&self, span: Span) {
        self.change(|inner| inner.now = inner.now.plus(span));
    }

    /// Whether nothing can be kept or forgotten from now on.
    pub fn set_broken(&self, broken: bool) {
        self.change(|inner| inner.broken = broken);
    }

    /// The sessions that it has.
    #[must_use]
    pub fn kept_sessions(&self) -> Vec<Session> {
        self.inner().sessions.values().cloned().collect()
    }

    /// The tokens that it has.
    #[must_use]
    pub fn kept_tokens(&self) -> Vec<Token> {
        self.inner().tokens.values().cloned().collect()
    }

    fn write(&self, write: impl FnOnce(&mut Inner)) -> Kept<'_, ()> {
        let mut inner = self.inner();
        if inner.broken {
            return Box::pin(std::future::ready(Err(KeeperError("the disk is full".to_owned()))));
        }
        write(&mut inner);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Keeper for FakeKeeper {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.inner().catalog)
    }

    fn another_than(&self, this: Arc<Catalog>) -> futures_util::future::BoxFuture<'_, ()> {
        let mut changed = self.changed.subscribe();
        if !Arc::ptr_eq(&self.inner().catalog, &this) {
            return Box::pin(std::future::ready(()));
        }
        Box::pin(async move {
            let _ = changed.changed().await;
        })
    }

    fn now(&self) -> Timestamp {
        self.inner().now
    }

    fn sessions(&self) -> Kept<'_, Vec<Session>> {
        Box::pin(std::future::ready(Ok(self.kept_sessions())))
    }

    fn keep_session(&self, session: Session) -> Kept<'_, ()> {
        self.write(|inner| drop(inner.sessions.insert(session.hash.clone(), session)))
    }

    fn forget_session(&self, hash: String) -> Kept<'_, ()> {
        self.write(|inner| drop(inner.sessions.remove(&hash)))
    }

    fn tokens(&self) -> Kept<'_, Vec<Token>> {
        Box::pin(std::future::ready(Ok(self.kept_tokens())))
    }

    fn keep_token(&self, token: Token) -> Kept<'_, ()> {
        self.write(|inner| drop(inner.tokens.insert(token.id.clone(), token)))
    }
}
