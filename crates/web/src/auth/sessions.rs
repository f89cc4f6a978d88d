//! Who is signed in: in memory, and in the ledger so that a restart signs nobody out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use towpath_domain::{Span, Timestamp};
use towpath_ledger::{Identity, Session};

use super::keeper::{Keeper, KeeperError};
use super::token::{NoRandomness, Secret};
use crate::limits;

/// Why nobody could be signed in or out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

struct Live {
    session: Session,
    /// When it was last noted that it was used.
    noted: Timestamp,
    /// Turns true when it ends.
    ended: watch::Sender<bool>,
}

/// All sessions.
pub(crate) struct Sessions {
    keeper: Arc<dyn Keeper>,
    idle: Span,
    max: Span,
    live: Mutex<HashMap<String, Live>>,
    /// One writes at a time, and looks first whether the session is still there: one that was ended must not be noted as used after that.
    writing: tokio::sync::Mutex<()>,
}

impl Sessions {
    /// Those that the ledger has.
    pub(crate) async fn read(keeper: Arc<dyn Keeper>, idle: Span, max: Span) -> Result<Self, KeeperError> {
        let live = keeper.sessions().await?;
        let live =
            live.into_iter().map(|session| (session.hash.clone(), Live { noted: session.seen, session, ended: watch::Sender::new(false) }));
        Ok(Self { keeper, idle, max, live: Mutex::new(live.collect()), writing: tokio::sync::Mutex::new(()) })
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it ends, unless it is used. A span that was made shorter counts for those who are signed in already.
    fn ends(&self, session: &Session) -> Timestamp {
        session.seen.plus(self.idle).min(session.began.plus(self.max)).min(session.ends)
    }

    /// Whose session it is, where it still counts, and what tells when it ends. It is not noted as used.
    pub(crate) fn still(&self, hash: &str) -> Option<(Identity, watch::Receiver<bool>)> {
        let now = self.keeper.now();
        let live = self.live();
        let found = live.get(hash).filter(|live| now < self.ends(&live.session))?;
        Some((found.session.identity.clone(), found.ended.subscribe()))
    }

    /// Whose session it is, where it still counts; it was used now.
    pub(crate) fn used(self: &Arc<Self>, hash: &str) -> Option<Identity> {
        let now = self.keeper.now();
        let mut live = self.live();
        let found = live.get_mut(hash)?;
        if now >= self.ends(&found.session) {
            if let Some(ended) = live.remove(hash) {
                let _ = ended.ended.send(true);
                self.later(hash.to_owned(), None);
            }
            return None;
        }
        found.session.seen = found.session.seen.max(now);
        let each = i64::try_from(limits::NOTED_EACH.as_millis()).unwrap_or(i64::MAX);
        if now.as_millis().saturating_sub(found.noted.as_millis()) >= each {
            found.noted = now;
            self.later(hash.to_owned(), Some(now));
        }
        Some(found.session.identity.clone())
    }

    /// Writes behind the request's back: that it was used, or that it is over.
    fn later(self: &Arc<Self>, hash: String, used: Option<Timestamp>) {
        let all = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = all.writing.lock().await;
            let session = all.live().get(&hash).map(|live| live.session.clone());
            let written = match (session, used) {
                (Some(session), Some(_)) => all.keeper.keep_session(session).await,
                (None, None) => all.keeper.forget_session(hash).await,
                _ => Ok(()),
            };
            if let Err(error) = written {
                tracing::warn!(%error, "that a session was used or is over could not be noted");
            }
        });
    }

    /// Signs somebody in, with a secret that nobody had before.
    pub(crate) async fn begin(&self, identity: Identity) -> Result<Secret, SessionError> {
        let secret = Secret::make()?;
        let now = self.keeper.now();
        let session = Session { hash: secret.hash(), identity, began: now, seen: now, ends: now.plus(self.max) };
        let _turn = self.writing.lock().await;
        self.keeper.keep_session(session.clone()).await?;
        let crowded = {
            let mut live = self.live();
            let mut own: Vec<(Timestamp, String)> = live
                .values()
                .filter(|other| other.session.identity == session.identity)
                .map(|other| (other.session.seen, other.session.hash.clone()))
                .collect();
            own.sort();
            let crowded = own.len().saturating_sub(limits::SESSIONS_OF_ONE - 1);
            let crowded: Vec<String> = own.into_iter().take(crowded).map(|(_, hash)| hash).collect();
            for ended in crowded.iter().filter_map(|hash| live.remove(hash)) {
                let _ = ended.ended.send(true);
            }
            live.insert(session.hash.clone(), Live { noted: now, session, ended: watch::Sender::new(false) });
            crowded
        };
        for hash in crowded {
            self.keeper.forget_session(hash).await?;
        }
        Ok(secret)
    }

    /// Signs out: at once here, and then in the ledger.
    pub(crate) async fn end(&self, hash: &str) -> Result<(), KeeperError> {
        self.end_all(vec![hash.to_owned()]).await
    }

    /// Signs somebody out wherever they are signed in.
    pub(crate) async fn end_of(&self, identity: &Identity) -> Result<(), KeeperError> {
        let own = {
            let live = self.live();
            live.values().filter(|live| live.session.identity == *identity).map(|live| live.session.hash.clone()).collect()
        };
        self.end_all(own).await
    }

    async fn end_all(&self, hashes: Vec<String>) -> Result<(), KeeperError> {
        for ended in hashes.iter().filter_map(|hash| self.live().remove(hash)) {
            let _ = ended.ended.send(true);
        }
        let _turn = self.writing.lock().await;
        let mut result = Ok(());
        for hash in hashes {
            if let Err(error) = self.keeper.forget_session(hash).await {
                result = Err(error);
            }
        }
        result
    }

    /// How many sessions somebody has.
    pub(crate) fn count_of(&self, identity: &Identity) -> usize {
        let now = self.keeper.now();
        self.live().values().filter(|live| live.session.identity == *identity && now < self.ends(&live.session)).count()
    }
}
