//! Who asks.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use futures_util::future::BoxFuture;
use towpath_control::{Grants, Scope, Sight, Verb};

use crate::problem::Refusal;

/// Whoever sent a request, and what they may do. A middleware puts it into the request once it knows; what comes without it is refused.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name that goes into the ledger and into commits; none for the single user of a machine, who says it themselves.
    pub name: Option<Arc<str>>,
    /// All that they may do.
    pub grants: Grants,
    /// Until when that counts; none for the single user. What lasts, such as a stream of events, ends with it.
    pub until: Option<Until>,
}

/// Tells when what is known of a caller no longer counts: they signed out, their session or token ended, or a role was taken away.
#[derive(Clone)]
pub struct Until(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>);

impl Until {
    /// `over` makes a future that resolves then; it is asked for once by each who waits.
    pub fn new(over: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(over))
    }

    /// Resolves when what was known of the caller no longer counts.
    pub fn over(&self) -> BoxFuture<'static, ()> {
        (self.0)()
    }
}

impl std::fmt::Debug for Until {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Until")
    }
}

impl Caller {
    /// The single user of this machine: whoever can connect.
    #[must_use]
    pub fn local() -> Self {
        Self { name: None, grants: Grants::everything(), until: None }
    }

    /// What they may see.
    #[must_use]
    pub fn sight(&self) -> Sight {
        self.grants.sight()
    }

    /// Refuses what they may not do to all of `scopes`. What they may not even see is refused as if it were not there.
    ///
    /// # Errors
    /// 404 `unknown-name` for what they may not see, 403 `not-allowed` otherwise.
    pub fn check(&self, verb: Verb, scopes: &[Scope]) -> Result<(), Refusal> {
        let sight = self.sight();
        if scopes.is_empty() || scopes.iter().any(|scope| !sight.sees_scope(scope)) {
            return Err(unknown());
        }
        let Some(scope) = scopes.iter().find(|scope| !self.grants.may(verb, scope)) else { return Ok(()) };
        let verb = serde_json::to_value(verb).ok().and_then(|verb| verb.as_str().map(str::to_owned)).unwrap_or_default();
        let place = match (&scope.app, &scope.environment) {
            (Some(app), Some(environment)) => format!("app {app} in {environment}"),
            (Some(app), None) => format!("app {app}"),
            (None, Some(environment)) => format!("environment {environment}"),
            (None, None) => "this installation".to_owned(),
        };
        let mend = "ask for a role in the config repository that has this permission";
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "not-allowed",
            "You may not do that",
            format!("{verb} is not allowed to you for {place}"),
            mend,
        ))
    }
}

/// The one answer for what is not there and for what may not be seen.
pub(crate) fn unknown() -> Refusal {
    let mend = "`towpath status` and the board list what there is";
    Refusal::new(StatusCode::NOT_FOUND, "unknown-name", "Nothing is called so", "nothing is known by that name", mend)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(not_signed_in)
    }
}

/// The answer to whoever does not say who they are.
pub(crate) fn not_signed_in() -> Refusal {
    let mend = "sign in, or send a token made with `towpath token create`";
    Refusal::new(StatusCode::UNAUTHORIZED, "not-signed-in", "Nobody is signed in", "the request does not say who asks", mend)
}
