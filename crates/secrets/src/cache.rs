//! Keeps what was fetched for its lease, and fetches once what many ask for at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, WeakShared};
use tokio::time::Instant;

use crate::contents::Contents;
use crate::error::SecretError;
use crate::health::Health;
use crate::path::check_path;
use crate::request::Request;
use crate::store::{Fetched, SecretStore};

/// The longest that any value is kept in memory.
pub const LONGEST_KEPT: Duration = Duration::from_secs(60);

/// What a store has to know how to do; everything else is here.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Fetches all fields. `path` was checked.
    fn load<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<Contents, SecretError>>;

    /// The version, where it is known without fetching.
    fn known_version<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<Option<String>, SecretError>> {
        let _ = (path, pinned);
        Box::pin(async { Ok(None) })
    }

    /// Looks whether it can be used.
    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>>;
}

/// A store made of a backend.
pub(crate) struct Cached<B> {
    inner: Arc<Inner<B>>,
}

struct Inner<B> {
    backend: B,
    longest: Duration,
    slots: Mutex<HashMap<Key, Slot>>,
}

type Key = (String, Option<u64>);
type Outcome = Result<Arc<Contents>, SecretError>;
type Flight = BoxFuture<'static, Outcome>;

enum Slot {
    Kept {
        contents: Arc<Contents>,
        until: Instant,
    },
    /// Weak: who asked holds it. If all of them went away, so did the fetching.
    Fetching(WeakShared<Flight>),
}

impl<B: Backend> Cached<B> {
    /// Keeps what it fetched for `longest` at most, and never longer than [`LONGEST_KEPT`]; zero keeps nothing.
    pub fn new(backend: B, longest: Duration) -> Self {
        Self { inner: Arc::new(Inner { backend, longest: longest.min(LONGEST_KEPT), slots: Mutex::default() }) }
    }

    pub fn backend(&self) -> &B {
        &self.inner.backend
    }

    async fn contents(&self, path: &str, pinned: Option<u64>) -> Outcome {
        check_path(path)?;
        let key = (path.to_owned(), pinned);
        let flight = {
            let mut slots = self.inner.slots();
            match slots.get(&key) {
                Some(Slot::Kept { contents, until }) if *until > Instant::now() => return Ok(Arc::clone(contents)),
                Some(Slot::Fetching(flight)) => flight.upgrade(),
                _ => None,
            }
            .unwrap_or_else(|| {
                let flight = Arc::clone(&self.inner).fetch(key.clone()).boxed().shared();
                if let Some(weak) = flight.downgrade() {
                    slots.insert(key, Slot::Fetching(weak));
                }
                flight
            })
        };
        flight.await
    }
}

impl<B: Backend> Inner<B> {
    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(self: Arc<Self>, key: Key) -> Outcome {
        let loaded = self.backend.load(&key.0, key.1).await.map_err(|error| error.at(&key.0));
        let mut slots = self.slots();
        let Ok(contents) = loaded else {
            slots.remove(&key);
            return loaded.map(Arc::new);
        };
        let contents = Arc::new(contents);
        let kept_for = contents.lease.unwrap_or(self.longest).min(self.longest);
        if kept_for.is_zero() {
            slots.remove(&key);
        } else {
            let until = Instant::now() + kept_for;
            slots.insert(key, Slot::Kept { contents: Arc::clone(&contents), until });
            // Not only when somebody asks again: nobody may ask for weeks.
            tokio::spawn(drop_at(Arc::downgrade(&self), until));
        }
        Ok(contents)
    }
}

async fn drop_at<B: Backend>(inner: Weak<Inner<B>>, until: Instant) {
    tokio::time::sleep_until(until).await;
    if let Some(inner) = inner.upgrade() {
        let now = Instant::now();
        inner.slots().retain(|_, slot| match slot {
            Slot::Kept { until, .. } => *until > now,
            Slot::Fetching(flight) => flight.upgrade().is_some(),
        });
    }
}

impl<B: Backend> SecretStore for Cached<B> {
    fn read<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Fetched, SecretError>> {
        Box::pin(async move {
            let contents = self.contents(&request.path, request.version).await.map_err(|error| error.field(&request.field))?;
            contents.pick(request)
        })
    }

    fn version<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<String, SecretError>> {
        Box::pin(async move {
            check_path(path)?;
            if let Some(version) = self.inner.backend.known_version(path, pinned).await.map_err(|error| error.at(path))? {
                return Ok(version);
            }
            Ok(self.contents(path, pinned).await?.version.clone())
        })
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        self.inner.backend.examine()
    }
}

#[cfg(test)]
#[path = "cache/tests.rs"]
mod tests;
