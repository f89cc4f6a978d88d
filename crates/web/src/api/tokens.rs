//! Tokens of programs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::Shared;
use super::extract::{Body, Path};
use super::once::KeptAs;
use crate::auth::made::{self, MadeToken, NewToken, TokenView};
use crate::auth::{Auth, Who};
use crate::caller::Caller;
use crate::problem::Refusal;

/// By what the caller is known, where people sign in.
fn known(shared: &Shared, who: Option<Extension<Who>>) -> Result<(Arc<Auth>, Who), Refusal> {
    match (&shared.auth, who) {
        (Some(auth), Some(Extension(who))) => Ok((Arc::clone(auth), who)),
        _ => Err(made::no_sign_in()),
    }
}

const UNKEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

pub(super) async fn make(
    State(shared): State<Shared>,
    caller: Caller,
    who: Option<Extension<Who>>,
    Body(wanted): Body<NewToken>,
) -> Result<Response, Refusal> {
    let (auth, who) = known(&shared, who)?;
    let made = made::make(&auth, &caller, &who, wanted).await?;
    // What is kept for those who ask twice must not hold the secret.
    let kept = MadeToken { token: String::new(), about: made.about.clone() };
    let kept = KeptAs(serde_json::to_string(&kept).unwrap_or_default());
    Ok((StatusCode::CREATED, UNKEPT, Extension(kept), Json(made)).into_response())
}

pub(super) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    who: Option<Extension<Who>>,
) -> Result<([(HeaderName, &'static str); 1], Json<Vec<TokenView>>), Refusal> {
    let (auth, who) = known(&shared, who)?;
    Ok((UNKEPT, Json(made::list(&auth, &caller, &who))))
}

pub(super) async fn revoke(
    State(shared): State<Shared>,
    caller: Caller,
    who: Option<Extension<Who>>,
    Path(id): Path,
) -> Result<Json<TokenView>, Refusal> {
    let (auth, who) = known(&shared, who)?;
    Ok(Json(made::revoke(&auth, &caller, &who, &id).await?))
}
