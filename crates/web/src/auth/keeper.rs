//! What sign-in needs of ledger and catalog.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use towpath_catalog::Catalog;
use towpath_domain::Timestamp;
use towpath_ledger::{Session, Token};

/// Why something could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sessions and tokens cannot be read or kept: {0}")]
pub struct KeeperError(pub String);

/// A question to the keeper.
pub type Kept<'a, T> = BoxFuture<'a, Result<T, KeeperError>>;

/// The config repository's word on who may what, and the durable record of sessions and tokens. It has only hashes of what gets people in.
pub trait Keeper: Send + Sync + 'static {
    /// What counts now: people and roles are in it. The same until it changes, by its address.
    fn catalog(&self) -> Arc<Catalog>;

    /// Resolves when another catalog than `this` counts, or the time may be another than the machine's clock would have it.
    fn another_than(&self, this: Arc<Catalog>) -> BoxFuture<'_, ()>;

    /// What time it is.
    fn now(&self) -> Timestamp;

    /// All sessions.
    fn sessions(&self) -> Kept<'_, Vec<Session>>;

    /// Keeps a session, new or changed.
    fn keep_session(&self, session: Session) -> Kept<'_, ()>;

    /// Forgets a session.
    fn forget_session(&self, hash: String) -> Kept<'_, ()>;

    /// All tokens, those included that have ended of late.
    fn tokens(&self) -> Kept<'_, Vec<Token>>;

    /// Keeps a token, new or changed.
    fn keep_token(&self, token: Token) -> Kept<'_, ()>;
}
