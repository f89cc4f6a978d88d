//! Which store a secret is in.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};

use crate::error::{SecretError, SecretErrorKind, clean};
use crate::health::Health;
use crate::path::check_path;
use crate::request::Request;
use crate::store::{Fetched, SecretStore};

/// The stores of this installation: each is asked for the paths that begin with its component, a default one for all others.
#[derive(Default)]
pub struct Stores {
    routes: BTreeMap<String, Route>,
    default: Option<Arc<dyn SecretStore>>,
}

/// A store and what it is asked.
pub struct Route {
    /// The store.
    pub store: Arc<dyn SecretStore>,
    /// The store is asked for the path without its first component. A Vault whose mount has the name of the route wants it kept.
    pub strip: bool,
}

impl Stores {
    /// No store at all: every secret is refused.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The same with a store for all paths that no route takes.
    #[must_use]
    pub fn with_default(mut self, store: Arc<dyn SecretStore>) -> Self {
        self.default = Some(store);
        self
    }

    /// The same with a store for the paths whose first component is `first`.
    #[must_use]
    pub fn with_route(mut self, first: impl Into<String>, route: Route) -> Self {
        self.routes.insert(first.into(), route);
        self
    }

    /// Looks at each store: what it is asked for (a first component, or `default`), and how it is.
    pub async fn examine_each(&self) -> Vec<(String, Result<Health, SecretError>)> {
        let routes = self.routes.iter().map(|(first, route)| (first.clone(), &route.store));
        let all = routes.chain(self.default.iter().map(|store| ("default".to_owned(), store)));
        join_all(all.map(|(name, store)| async move { (name, store.examine().await) })).await
    }

    /// The store of a path, and the path that the store knows it by.
    fn route<'a>(&self, path: &'a str) -> Result<(&dyn SecretStore, &'a str), SecretError> {
        check_path(path)?;
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        if let Some(route) = self.routes.get(first) {
            if !route.strip {
                return Ok((&*route.store, path));
            }
            if rest.is_empty() {
                let why = format!("`{}` names a store, and nothing in it", clean(first));
                return Err(SecretError::new(SecretErrorKind::Refused, why, "add the secret's path in that store").at(path));
            }
            return Ok((&*route.store, rest));
        }
        if let Some(store) = &self.default {
            return Ok((&**store, path));
        }
        let known: Vec<_> = self.routes.keys().map(|name| format!("`{name}`")).collect();
        let (why, mend) = if known.is_empty() {
            ("no secret store is configured".to_owned(), "configure one in towpath.toml".to_owned())
        } else {
            let why = format!("no secret store is configured for paths that begin with `{}`", clean(first));
            (why, format!("begin the path with one of {}, or configure a default store in towpath.toml", known.join(", ")))
        };
        Err(SecretError::new(SecretErrorKind::Setup, why, mend).at(path))
    }
}

impl SecretStore for Stores {
    fn read<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Fetched, SecretError>> {
        Box::pin(async move {
            let (store, path) = self.route(&request.path).map_err(|error| error.field(&request.field))?;
            let inner = Request { path: path.to_owned(), ..request.clone() };
            store.read(&inner).await.map_err(|error| error.seen_at(&request.path))
        })
    }

    fn version<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<String, SecretError>> {
        Box::pin(async move {
            let (store, inner) = self.route(path)?;
            store.version(inner, pinned).await.map_err(|error| error.seen_at(path))
        })
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        Box::pin(async move {
            let (mut summaries, mut warnings) = (Vec::new(), Vec::new());
            for (name, health) in self.examine_each().await {
                let health = health?;
                summaries.push(format!("{name}: {}", health.summary));
                warnings.extend(health.warnings);
            }
            let summary = if summaries.is_empty() { "no secret store is configured".to_owned() } else { summaries.join("; ") };
            Ok(Health { summary, warnings })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::Given;
    use crate::request::Pins;
    use crate::value::SecretValue;
    use crate::version_key::VersionKey;

    fn store(path: &str, value: &str) -> Arc<dyn SecretStore> {
        let fields = BTreeMap::from([("f".to_owned(), SecretValue::new(value))]);
        Arc::new(Given::new(BTreeMap::from([(path.to_owned(), fields)]), Pins::Refuse, VersionKey::new([1; 32])))
    }

    async fn read(stores: &Stores, path: &str) -> Result<String, String> {
        let fetched = stores.read(&Request::new(path, "f")).await.map_err(|error| error.to_string())?;
        assert_eq!(stores.version(path, None).await, Ok(fetched.version));
        Ok(fetched.value.expose().to_owned())
    }

    #[tokio::test]
    async fn the_first_component_chooses_and_the_rest_goes_to_the_default() {
        let stores = Stores::none()
            .with_route("files", Route { store: store("app/db", "from files"), strip: true })
            .with_route("kv", Route { store: store("kv/app/db", "from kv"), strip: false })
            .with_default(store("app/db", "from the default"));
        assert_eq!(read(&stores, "files/app/db").await.as_deref(), Ok("from files"));
        assert_eq!(read(&stores, "kv/app/db").await.as_deref(), Ok("from kv"));
        assert_eq!(read(&stores, "app/db").await.as_deref(), Ok("from the default"));
        let missing = read(&stores, "files/app/other").await.expect_err("missing");
        assert!(missing.starts_with("secret `files/app/other`, field `f`: "), "{missing}");
        assert!(read(&stores, "files").await.expect_err("nothing in it").contains("names a store"));
        assert!(read(&stores, "files/../kv/app/db").await.expect_err("climbs").contains("`..`"));
        let names: Vec<_> = stores.examine_each().await.into_iter().map(|(name, health)| (name, health.is_ok())).collect();
        assert_eq!(names, [("files".to_owned(), true), ("kv".to_owned(), true), ("default".to_owned(), true)]);
    }

    #[tokio::test]
    async fn without_a_store_the_refusal_says_what_to_configure() {
        assert_eq!(
            read(&Stores::none(), "app/db").await.expect_err("refused"),
            "secret `app/db`, field `f`: no secret store is configured; configure one in towpath.toml"
        );
        let stores = Stores::none().with_route("kv", Route { store: store("kv/a", "x"), strip: false });
        assert!(read(&stores, "app/db").await.expect_err("refused").contains("begin the path with one of `kv`"));
    }
}
