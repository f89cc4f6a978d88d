//! Sign-in, as the configuration wants it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use towpath_secrets::Stores;
use towpath_web::auth::{AuthSettings, ClientSecret, OidcSettings};

use super::outside::{InStore, read_secret};
use crate::config::auth::{Auth, Oidc};
use crate::config::outside::Credential;

/// The claim that names people where the configuration names none.
const USERNAME_CLAIM: &str = towpath_web::auth::settings::USERNAME_CLAIM;

/// What the server needs to know of sign-in, with a local key of this start.
///
/// # Errors
/// When the system gives no random bytes.
pub fn settings(auth: &Auth, store: &Arc<Stores>) -> anyhow::Result<AuthSettings> {
    let usual = AuthSettings::new(auth.base_url.clone())?;
    Ok(AuthSettings {
        everybody: auth.everybody,
        oidc: auth.oidc.as_ref().map(|oidc| provider(oidc, store)),
        trusted_proxies: auth.trusted_proxies.clone(),
        session_idle: auth.session_idle.unwrap_or(usual.session_idle),
        session_max: auth.session_max.unwrap_or(usual.session_max),
        token_max: auth.token_max.unwrap_or(usual.token_max),
        ..usual
    })
}

fn provider(oidc: &Oidc, store: &Arc<Stores>) -> OidcSettings {
    let (secret, store) = (Arc::new(oidc.client_secret.clone()), Arc::clone(store));
    let client_secret = ClientSecret::new(move || {
        let (secret, store) = (Arc::clone(&secret), Arc::clone(&store));
        async move {
            match &*secret {
                Credential::File(file) => read_secret(file).map_err(|error| format!("{error:#}")),
                Credential::Secret(secret) => InStore::new(&store, secret).read().await,
            }
        }
        .boxed()
    });
    // The host is what people know of their provider when nobody gave it a name.
    let host = oidc.issuer.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(&oidc.issuer);
    OidcSettings {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret,
        scopes: oidc.scopes.clone(),
        username_claim: oidc.username_claim.clone().unwrap_or_else(|| USERNAME_CLAIM.to_owned()),
        name: oidc.name.clone().unwrap_or_else(|| host.to_owned()),
        ca: oidc.ca.clone(),
    }
}
