//! Who may what: sign-in by OpenID Connect, sessions, tokens of programs.
//!
//! Without [`AuthSettings`] there is a single user, and whoever can connect is it. With them nobody is trusted for where they come from: a request
//! shows a session's cookie, a token, or this start's local key, or it gets nothing but the few public paths. What somebody may do is asked of the
//! current catalog with each request, so that a role that is taken away counts at once, and what lasts, such as a stream of events, ends then.
//!
//! - [`settings`]: how people sign in, and how long that counts. - [`keeper`]: what is needed of ledger and catalog. - [`token`]: secrets and their
//!   hashes.
//! - `identify`: who sends a request. - `sessions`, `tokens`: who is signed in, and which programs. - `standing`: what they may do now.
//! - `oidc`: sign-in by an identity provider. - `made`: tokens made, listed and taken back.
//! - `doctor`: whether all that works.
//! - `peer`, `limiter`: where requests come from, and how often somebody may try. - `cookies`: how browsers remember.

mod cookies;
mod doctor;
#[cfg(feature = "fake")]
pub mod fake;
mod identify;
pub mod keeper;
mod limiter;
pub(crate) mod made;
pub(crate) mod oidc;
mod peer;
mod sessions;
pub mod settings;
mod standing;
pub mod token;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use towpath_control::Grants;
use towpath_ledger::{Identity, Token};

use crate::caller::Until;
use crate::limits;
use limiter::Limiter;
use oidc::Oidc;
use sessions::Sessions;
use standing::Standings;
use tokens::{Allows, Tokens};

pub use doctor::nobody_signs_in;
pub use identify::CSRF_HEADER;
pub use keeper::{Keeper, KeeperError};
pub use made::{MadeToken, NewToken, TokenView};
pub use oidc::BadOidc;
pub use settings::{AuthSettings, BadBaseUrl, BadNetwork, BaseUrl, ClientSecret, Everybody, LocalKey, Network, OidcSettings};
pub use token::{NoRandomness, Secret};

pub(crate) use cookies::Cookie;
pub(crate) use identify::{Signed, identify, own_identity, same};
pub(crate) use peer::{Other, Peer};

/// Why nobody could sign in.
#[derive(Debug, thiserror::Error)]
pub enum BadAuth {
    /// Sessions and tokens cannot be read.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The identity provider cannot be asked so.
    #[error(transparent)]
    Oidc(#[from] BadOidc),
}

/// By what a caller is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// The local key: whoever administers this machine.
    Local,
    /// A browser that is signed in.
    Session { hash: String, identity: Identity },
    /// A program; no owner for a machine's token.
    Token { id: String, owner: Option<Identity> },
}

/// Everything that knows who may what.
pub struct Auth {
    pub(crate) settings: AuthSettings,
    pub(crate) keeper: Arc<dyn Keeper>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) tokens: Arc<Tokens>,
    standings: Standings,
    wrong_tokens: Limiter,
    pub(crate) sign_ins: Limiter,
    pub(crate) oidc: Option<Oidc>,
    told_of_proxy: AtomicBool,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Auth {
    /// With the sessions and tokens that the keeper has.
    ///
    /// # Errors
    /// [`BadAuth`] when it cannot be read, or the identity provider cannot be asked as the settings say. It is not asked yet.
    pub async fn open(settings: AuthSettings, keeper: Arc<dyn Keeper>) -> Result<Arc<Self>, BadAuth> {
        let oidc = settings.oidc.clone().map(|oidc| Oidc::new(oidc, &settings.base_url)).transpose()?;
        let sessions = Sessions::read(Arc::clone(&keeper), settings.session_idle, settings.session_max).await?;
        let tokens = Tokens::read(Arc::clone(&keeper)).await?;
        Ok(Arc::new(Self {
            settings,
            oidc,
            keeper,
            sessions: Arc::new(sessions),
            tokens: Arc::new(tokens),
            standings: Standings::default(),
            wrong_tokens: Limiter::new(limits::WRONG_TOKEN_BURST, limits::WRONG_TOKEN_REFILL),
            sign_ins: Limiter::new(limits::SIGN_IN_BURST, limits::SIGN_IN_REFILL),
            told_of_proxy: AtomicBool::new(false),
        }))
    }

    /// The name that somebody's writes carry, and what they may do now; none when their session or token no longer counts.
    fn standing(&self, who: &Who) -> Option<(Arc<str>, Grants)> {
        match who {
            Who::Local => None,
            Who::Session { hash, .. } => {
                let (identity, _) = self.sessions.still(hash)?;
                let standing = self.standings.of(&*self.keeper, &identity, self.settings.everybody);
                Some((standing.name, standing.grants))
            }
            Who::Token { id, .. } => {
                let (line, _) = self.tokens.still(id)?;
                Some(self.standing_of(&line))
            }
        }
    }

    /// As [`Self::standing`], of a token and those it was made with.
    fn standing_of(&self, line: &[Token]) -> (Arc<str>, Grants) {
        let mut name: Arc<str> = "".into();
        let mut grants = Grants::everything();
        // From the oldest down: none allows more than the one before it.
        for token in line.iter().rev() {
            let owned = match &token.owner {
                Some(owner) => {
                    let standing = self.standings.of(&*self.keeper, owner, self.settings.everybody);
                    name = standing.name;
                    standing.grants
                }
                None => {
                    name = format!("{} (machine)", token.name).into();
                    Grants::everything()
                }
            };
            grants = grants.restricted_to(&owned).restricted_to(&Allows::of(token).grants());
        }
        (name, grants)
    }

    /// Tells when what a caller was allowed no longer counts.
    fn until(self: &Arc<Self>, who: Who, grants: Grants) -> Until {
        let auth = Arc::clone(self);
        Until::new(move || {
            let (auth, who, grants) = (Arc::clone(&auth), who.clone(), grants.clone());
            Box::pin(async move { auth.over(&who, &grants).await })
        })
    }

    async fn over(&self, who: &Who, grants: &Grants) {
        loop {
            // The catalog first: one that comes while it is looked at is not missed.
            let catalog = self.keeper.catalog();
            let ended = match who {
                Who::Local => None,
                Who::Session { hash, .. } => self.sessions.still(hash).map(|(_, ended)| ended),
                Who::Token { id, .. } => self.tokens.still(id).map(|(_, ended)| ended),
            };
            let Some(mut ended) = ended else { return };
            if self.standing(who).is_none_or(|(_, now)| now != *grants) {
                return;
            }
            tokio::select! {
                _ = ended.wait_for(|ended| *ended) => return,
                () = self.keeper.another_than(catalog) => {}
                () = tokio::time::sleep(limits::LOOK_AGAIN) => {}
            }
        }
    }
}
