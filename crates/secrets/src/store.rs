//! What every store offers.

use futures_util::future::BoxFuture;

use crate::error::SecretError;
use crate::health::Health;
use crate::request::Request;
use crate::value::SecretValue;

/// A value and the version of the secret it was read from.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The value.
    pub value: SecretValue,
    /// Tells the secret's contents apart from earlier and later ones without revealing anything about them. Opaque.
    pub version: String,
}

/// Somewhere secrets are kept.
pub trait SecretStore: Send + Sync {
    /// One field's value.
    ///
    /// # Errors
    ///
    /// Every reason why it cannot be had; see [`SecretErrorKind`](crate::SecretErrorKind).
    fn read<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Fetched, SecretError>>;

    /// The version of the secret at `path` now, or the name of its version `pinned`: what [`SecretStore::read`] of any of its
    /// fields would say.
    ///
    /// # Errors
    ///
    /// As `read`.
    fn version<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<String, SecretError>>;

    /// Looks whether the store can be used, signing in if need be.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>>;
}
