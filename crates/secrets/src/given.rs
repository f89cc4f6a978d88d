//! Secrets that were handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::cache::{Backend, Cached};
use crate::contents::{Contents, Field};
use crate::error::{SecretError, SecretErrorKind};
use crate::health::Health;
use crate::request::{Pins, Request};
use crate::store::{Fetched, SecretStore};
use crate::value::SecretValue;
use crate::version_key::VersionKey;

/// Secrets that whoever made the store handed in as values, such as credentials that came with the process.
pub struct Given(Cached<Values>);

struct Values {
    secrets: BTreeMap<String, BTreeMap<String, SecretValue>>,
    pins: Pins,
    version_key: VersionKey,
}

impl Given {
    /// A store of these secrets: path, then field.
    #[must_use]
    pub fn new(secrets: BTreeMap<String, BTreeMap<String, SecretValue>>, pins: Pins, version_key: VersionKey) -> Self {
        Self(Cached::new(Values { secrets, pins, version_key }, Duration::ZERO))
    }
}

impl SecretStore for Given {
    fn read<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Fetched, SecretError>> {
        self.0.read(request)
    }

    fn version<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<String, SecretError>> {
        self.0.version(path, pinned)
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        self.0.examine()
    }
}

impl Backend for Values {
    fn load<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<Contents, SecretError>> {
        Box::pin(async move {
            refuse_pin(self.pins, pinned, "secrets that were handed in have no versions")?;
            let Some(values) = self.secrets.get(path) else {
                return Err(SecretError::new(
                    SecretErrorKind::Missing,
                    "no such secret was handed in",
                    "configure it, or correct the path",
                ));
            };
            let fields: BTreeMap<_, _> =
                values.iter().map(|(name, value)| (name.clone(), Field::new(value.expose().as_bytes().to_vec()))).collect();
            let version = self.version_key.version_of(path, &fields);
            Ok(Contents { fields, version, lease: None })
        })
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        let summary = format!("{} secrets that were handed in", self.secrets.len());
        Box::pin(async { Ok(Health { summary, warnings: Vec::new() }) })
    }
}

/// Refuses a pinned version where the store keeps none, unless that is to be overlooked.
pub(crate) fn refuse_pin(pins: Pins, pinned: Option<u64>, why: &str) -> Result<(), SecretError> {
    match (pins, pinned) {
        (Pins::Refuse, Some(version)) => Err(SecretError::new(
            SecretErrorKind::Refused,
            format!("version {version} is asked for, but {why}"),
            "remove `version`, or configure this store to ignore versions",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(pins: Pins, password: &str) -> Given {
        let fields = BTreeMap::from([("password".to_owned(), SecretValue::new(password))]);
        Given::new(BTreeMap::from([("app/db".to_owned(), fields)]), pins, VersionKey::new([1; 32]))
    }

    #[tokio::test]
    async fn what_was_handed_in_is_read_with_a_version_that_follows_the_value() {
        let store_one = store(Pins::Refuse, "one");
        let fetched = store_one.read(&Request::new("app/db", "password")).await.expect("read");
        assert_eq!(fetched.value.expose(), "one");
        assert_eq!(store_one.version("app/db", None).await.as_ref(), Ok(&fetched.version));
        assert_ne!(store(Pins::Refuse, "two").version("app/db", None).await, Ok(fetched.version));
        assert_eq!(store_one.version("app/other", None).await.expect_err("missing").kind(), SecretErrorKind::Missing);
    }

    #[tokio::test]
    async fn a_pin_is_refused_unless_it_is_to_be_ignored() {
        let pinned = Request::new("app/db", "password").at_version(Some(3));
        let error = store(Pins::Refuse, "one").read(&pinned).await.expect_err("refused").to_string();
        assert!(error.starts_with("secret `app/db`, field `password`: version 3 is asked for"), "{error}");
        assert_eq!(store(Pins::Ignore, "one").read(&pinned).await.expect("read").value.expose(), "one");
    }
}
