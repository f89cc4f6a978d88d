//! Secret values: Vault, Kubernetes Secrets, files. Never logged, never stored.
//!
//! A secret is asked for by a [`Request`] (path, field, perhaps a pinned version) of a [`SecretStore`]; [`Stores`] is the store that
//! asks the others, each by the first component of the path. What comes back is a [`SecretValue`], which no formatting shows and
//! which is wiped from memory when it is dropped, and a *version* that tells contents apart without telling anything about them: it
//! may be written down, goes into fingerprints, and changes when the secret changes.
//!
//! | store | path | version |
//! | --- | --- | --- |
//! | [`Vault`], KV v2 | mount, then the path in it | the version's number; for the latest, its time of creation, too |
//! | [`Vault`], KV v1 | the same | keyed hash of all fields |
//! | [`Files`] | a file or folder below the store's folder | keyed hash of all fields |
//! | [`Kubernetes`] | `NAMESPACE/NAME` | keyed hash of all fields |
//! | [`Given`] | whatever its maker chose | keyed hash of all fields |
//!
//! The hash is keyed ([`VersionKey`]): a plain hash of a weak secret could be found out by trying.
//!
//! Values are kept in memory for [`LONGEST_KEPT`] at most, and no longer than their lease; what is asked for by many at once is
//! fetched once. No error of this crate contains a value, a token or text of a document that holds secrets.

mod cache;
mod contents;
mod error;
mod files;
mod given;
mod health;
mod kubernetes;
mod path;
mod redact;
mod request;
mod router;
mod store;
mod value;
mod vault;
mod version_key;

#[cfg(feature = "fake")]
pub mod fake;

pub use cache::LONGEST_KEPT;
pub use error::{SecretError, SecretErrorKind};
pub use files::{Files, FilesConfig};
pub use given::Given;
pub use health::Health;
pub use kubernetes::{Kubernetes, KubernetesConfig, KubernetesSecrets, SecretData};
pub use path::{check_path, is_below};
pub use redact::Redactor;
pub use request::{Pins, Request};
pub use router::{Route, Stores};
pub use store::{Fetched, SecretStore};
pub use value::SecretValue;
pub use vault::{KvVersion, SecretSource, SignIn, Vault, VaultConfig};
pub use version_key::VersionKey;
