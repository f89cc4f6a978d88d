//! Tokens of programs: what each may do is what it was made for, and never more than its owner and the token it was made with may do now.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use towpath_control::{Grants, Verb};
use towpath_domain::Timestamp;
use towpath_ledger::Token;

use super::keeper::{Keeper, KeeperError};
use super::token::Secret;
use crate::limits;

/// So many tokens may be made each with the one before.
pub(crate) const GENERATIONS_MAX: usize = 8;

/// What a token is restricted to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Allows {
    pub(crate) may: BTreeSet<Verb>,
    /// None stands for all of them.
    pub(crate) apps: Option<Vec<Arc<str>>>,
    /// None stands for all of them.
    pub(crate) environments: Option<Vec<Arc<str>>>,
}

impl Allows {
    pub(crate) fn grants(&self) -> Grants {
        let all = |list: &Option<Vec<Arc<str>>>| list.as_ref().map_or(vec![None], |names| names.iter().cloned().map(Some).collect());
        let (apps, environments) = (all(&self.apps), all(&self.environments));
        let mut grants = Grants::default();
        for verb in &self.may {
            for app in &apps {
                for environment in &environments {
                    grants.allow(*verb, app.clone(), environment.clone());
                }
            }
        }
        grants
    }

    /// As it was written; what cannot be read any more allows nothing.
    pub(crate) fn of(token: &Token) -> Self {
        serde_json::from_str(&token.allows).unwrap_or_else(|error| {
            tracing::warn!(token = token.id, %error, "what a token allows cannot be read: it allows nothing");
            Self::default()
        })
    }
}

struct Live {
    token: Token,
    noted: Option<Timestamp>,
    /// Turns true when it is taken back, or one that it was made with.
    ended: watch::Sender<bool>,
}

/// All tokens, those included that have ended of late.
pub(crate) struct Tokens {
    keeper: Arc<dyn Keeper>,
    inner: Mutex<Inner>,
    /// One writes at a time, and what counts then: that a token was used must not take back that it was revoked.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    by_id: HashMap<String, Live>,
    ids: HashMap<String, String>,
}

impl Inner {
    /// The token and those it was made with, if all of them count.
    fn line(&self, id: &str, now: Timestamp) -> Option<Vec<&Live>> {
        let mut line = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let live = self.by_id.get(id)?;
            if live.token.revoked.is_some() || now >= live.token.ends || line.len() > GENERATIONS_MAX {
                return None;
            }
            line.push(live);
            next = live.token.parent.as_deref();
        }
        Some(line)
    }
}

impl Tokens {
    /// Those that the ledger has.
    pub(crate) async fn read(keeper: Arc<dyn Keeper>) -> Result<Self, KeeperError> {
        let mut inner = Inner::default();
        for token in keeper.tokens().await? {
            inner.add(token);
        }
        Ok(Self { keeper, inner: Mutex::new(inner), writing: tokio::sync::Mutex::new(()) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token of this text and those it was made with, the nearest first, where all of them count; and it was used now.
    pub(crate) fn used(self: &Arc<Self>, text: &str) -> Option<Vec<Token>> {
        let secret = Secret::parse(text)?;
        let now = self.keeper.now();
        let mut inner = self.inner();
        let id = inner.ids.get(&secret.hash())?.clone();
        let line: Vec<Token> = inner.line(&id, now)?.into_iter().map(|live| live.token.clone()).collect();
        let live = inner.by_id.get_mut(&id)?;
        live.token.used = Some(now);
        let each = i64::try_from(limits::NOTED_EACH.as_millis()).unwrap_or(i64::MAX);
        if live.noted.is_none_or(|noted| now.as_millis().saturating_sub(noted.as_millis()) >= each) {
            live.noted = Some(now);
            let all = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = all.write(&id).await {
                    tracing::warn!(%error, "that a token was used could not be noted");
                }
            });
        }
        Some(line)
    }

    /// As [`Self::used`], by the token's id, and it was not used; with what tells when it is taken back.
    pub(crate) fn still(&self, id: &str) -> Option<(Vec<Token>, watch::Receiver<bool>)> {
        let inner = self.inner();
        let line = inner.line(id, self.keeper.now())?;
        let ended = line.first()?.ended.subscribe();
        Some((line.into_iter().map(|live| live.token.clone()).collect(), ended))
    }

    /// Writes a token as it is now.
    async fn write(&self, id: &str) -> Result<(), KeeperError> {
        let _turn = self.writing.lock().await;
        let token = self.inner().by_id.get(id).map(|live| live.token.clone());
        match token {
            Some(token) => self.keeper.keep_token(token).await,
            None => Ok(()),
        }
    }

    /// Keeps a new one: in the ledger first, then it counts.
    pub(crate) async fn add(&self, token: Token) -> Result<(), KeeperError> {
        let _turn = self.writing.lock().await;
        self.keeper.keep_token(token.clone()).await?;
        self.inner().add(token);
        Ok(())
    }

    /// Takes a token back, and those that were made with it: at once here, and then in the ledger.
    pub(crate) async fn revoke(&self, id: &str) -> Result<Option<Token>, KeeperError> {
        let now = self.keeper.now();
        {
            let mut inner = self.inner();
            let Some(live) = inner.by_id.get_mut(id) else { return Ok(None) };
            live.token.revoked.get_or_insert(now);
            let mut over: BTreeSet<String> = [id.to_owned()].into();
            // Children stand anywhere among the others: until none is found any more.
            loop {
                let is_child = |live: &&Live| live.token.parent.as_ref().is_some_and(|parent| over.contains(parent));
                let children: Vec<String> = inner.by_id.values().filter(is_child).map(|live| live.token.id.clone()).collect();
                let before = over.len();
                over.extend(children);
                if over.len() == before {
                    break;
                }
            }
            for id in &over {
                if let Some(live) = inner.by_id.get(id) {
                    let _ = live.ended.send(true);
                }
            }
        }
        self.write(id).await?;
        Ok(self.find(id))
    }

    /// The token of this id, whether it counts or not.
    pub(crate) fn find(&self, id: &str) -> Option<Token> {
        self.inner().by_id.get(id).map(|live| live.token.clone())
    }

    /// All of them, newest first.
    pub(crate) fn all(&self) -> Vec<Token> {
        let mut all: Vec<Token> = self.inner().by_id.values().map(|live| live.token.clone()).collect();
        all.sort_by(|a, b| (b.made, &b.id).cmp(&(a.made, &a.id)));
        all
    }

    /// Whether it counts still.
    pub(crate) fn counts(&self, id: &str) -> bool {
        self.inner().line(id, self.keeper.now()).is_some()
    }
}

impl Inner {
    fn add(&mut self, token: Token) {
        self.ids.insert(token.hash.clone(), token.id.clone());
        self.by_id.insert(token.id.clone(), Live { noted: token.used, token, ended: watch::Sender::new(false) });
    }
}
