//! The ledger and the current catalog, as sign-in asks them.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use towpath_catalog::Catalog;
use towpath_domain::Timestamp;
use towpath_ledger::{Session, Token};
use towpath_runs::World;
use towpath_web::auth::keeper::Kept;
use towpath_web::auth::{Keeper, KeeperError};

/// Who is signed in and which tokens there are is in the ledger; who may what, in the config repository.
pub struct InLedger(pub Arc<World>);

fn failed(error: towpath_ledger::Error) -> KeeperError {
    KeeperError(error.to_string())
}

impl Keeper for InLedger {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.current().catalog)
    }

    fn another_than(&self, this: Arc<Catalog>) -> BoxFuture<'_, ()> {
        let mut current = self.0.watch_current();
        async move {
            // The world outlives whoever asks: there is always somebody to tell of a new one.
            let _gone = current.wait_for(|current| !Arc::ptr_eq(&current.catalog, &this)).await;
        }
        .boxed()
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn sessions(&self) -> Kept<'_, Vec<Session>> {
        self.0.ledger.sessions().map(|sessions| sessions.map_err(failed)).boxed()
    }

    fn keep_session(&self, session: Session) -> Kept<'_, ()> {
        async move { self.0.ledger.keep_session(&session, self.now()).await.map_err(failed) }.boxed()
    }

    fn forget_session(&self, hash: String) -> Kept<'_, ()> {
        async move { self.0.ledger.forget_session(&hash).await.map_err(failed) }.boxed()
    }

    fn tokens(&self) -> Kept<'_, Vec<Token>> {
        self.0.ledger.tokens().map(|tokens| tokens.map_err(failed)).boxed()
    }

    fn keep_token(&self, token: Token) -> Kept<'_, ()> {
        async move { self.0.ledger.keep_token(&token, self.now()).await.map_err(failed) }.boxed()
    }
}
