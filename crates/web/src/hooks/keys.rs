//! The secrets that hooks are checked with.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::Receiver;

/// The fewest bytes of a secret. A shorter one is guessed, from one signed body, on one machine; an empty one is known.
pub const SECRET_BYTES_MIN: usize = 16;

/// How long secrets are kept before they are read again: a new one counts after this, without a restart.
const KEPT: Duration = Duration::from_secs(10);

/// Where the secrets of a receiver come from.
pub trait Secrets: Send + Sync + 'static {
    /// The secrets that count now: one, or two while one takes the place of the other.
    fn read(&self) -> BoxFuture<'_, Result<Vec<SecretString>, NoSecrets>>;
}

/// Why secrets cannot be read; without anything of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSecrets(pub String);

/// What reading came to.
type Read = Result<Arc<[SecretString]>, NoSecrets>;

/// The secrets of all receivers that have some.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<Receiver, Arc<Kept>>);

struct Kept {
    source: Arc<dyn Secrets>,
    read: Mutex<Option<(Instant, Read)>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.0.keys()).finish()
    }
}

impl Keys {
    /// The same, with `source` for `receiver`.
    #[must_use]
    pub fn with(mut self, receiver: Receiver, source: Arc<dyn Secrets>) -> Self {
        self.0.insert(receiver, Arc::new(Kept { source, read: Mutex::new(None) }));
        self
    }

    /// The secrets of `receiver`; `None` where it has none.
    pub(super) async fn of(&self, receiver: Receiver) -> Option<Read> {
        let kept = self.0.get(&receiver)?;
        let known = kept.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, read)) = known.filter(|(at, _)| at.elapsed() < KEPT) {
            return Some(read);
        }
        // That there are none is kept as well: strangers must not have a store asked again and again.
        let read = kept.fresh().await;
        if let Err(error) = &read {
            tracing::warn!(receiver = receiver.name(), %error, "the secret of a webhook receiver cannot be used: what it gets is refused");
        }
        *kept.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), read.clone()));
        Some(read)
    }
}

impl Kept {
    async fn fresh(&self) -> Read {
        let secrets: Arc<[SecretString]> = self.source.read().await?.into();
        if secrets.is_empty() {
            return Err(NoSecrets("there is none".to_owned()));
        }
        if secrets.iter().any(|secret| secret.expose_secret().len() < SECRET_BYTES_MIN) {
            return Err(NoSecrets(format!("one has fewer than {SECRET_BYTES_MIN} characters, and is easily guessed: make a longer one")));
        }
        Ok(secrets)
    }
}
