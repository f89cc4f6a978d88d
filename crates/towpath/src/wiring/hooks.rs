//! The secrets that webhooks are checked with.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use towpath_secrets::Stores;
use towpath_web::hooks::{Keys, NoSecrets, Secrets};

use super::outside::{InStore, read_secret};
use crate::config::outside::Credential;
use crate::config::webhooks::Webhooks;

/// The secrets of all receivers that the configuration gives one. Each is read when the first webhook comes, and every few seconds after, so
/// that a store that is away keeps nothing from starting, and a new secret counts without a restart.
pub fn keys(webhooks: &Webhooks, store: &Arc<Stores>) -> Keys {
    let of = |secrets: &Vec<Credential>| Arc::new(Named { secrets: secrets.clone(), store: Arc::clone(store) });
    webhooks.0.iter().fold(Keys::default(), |keys, (receiver, secrets)| keys.with(*receiver, of(secrets)))
}

struct Named {
    secrets: Vec<Credential>,
    store: Arc<Stores>,
}

impl Named {
    async fn all(&self) -> Result<Vec<SecretString>, NoSecrets> {
        let mut all = Vec::with_capacity(self.secrets.len());
        for secret in &self.secrets {
            all.push(match secret {
                Credential::File(file) => read_secret(file).map_err(|error| NoSecrets(format!("{error:#}")))?,
                Credential::Secret(secret) => InStore::new(&self.store, secret).read().await.map_err(NoSecrets)?,
            });
        }
        Ok(all)
    }
}

impl Secrets for Named {
    fn read(&self) -> BoxFuture<'_, Result<Vec<SecretString>, NoSecrets>> {
        self.all().boxed()
    }
}
