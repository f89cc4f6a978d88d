//! `/tokens`: the tokens of whoever is signed in.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use towpath_control::Verb;

use super::act::own_form;
use super::ask::Form;
use super::{Failed, Frame, Nav, show, words};
use crate::api::Shared;
use crate::auth::made::{self, MadeToken, NewToken, TokenView};
use crate::auth::{Auth, Who};
use crate::caller::Caller;
use crate::problem::Refusal;

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage<'a> {
    frame: &'a Frame,
    verbs: [Verb; 9],
    tokens: Vec<TokenView>,
    made: Option<MadeToken>,
    problem: Option<towpath_control::view::Problem>,
    sessions: usize,
    days: u64,
}

fn known(shared: &Shared, who: Option<Extension<Who>>) -> Result<(std::sync::Arc<Auth>, Who), Refusal> {
    match (&shared.auth, who) {
        (Some(auth), Some(Extension(who))) => Ok((std::sync::Arc::clone(auth), who)),
        _ => Err(made::no_sign_in()),
    }
}

fn shown(auth: &Auth, caller: &Caller, who: &Who, frame: &Frame, made: Result<Option<MadeToken>, Refusal>) -> Response {
    let status = made.as_ref().err().and_then(|refusal| StatusCode::from_u16(refusal.0.status).ok()).unwrap_or(StatusCode::OK);
    let (made, problem) = match made {
        Ok(made) => (made, None),
        Err(refusal) => (None, Some(refusal.0)),
    };
    let sessions = match who {
        Who::Session { identity, .. } => auth.sessions.count_of(identity),
        Who::Local | Who::Token { .. } => 0,
    };
    let days = (auth.settings.token_max.as_millis() / 86_400_000).max(1);
    let page = TokensPage { frame, verbs: Verb::ALL, tokens: made::list(auth, caller, who), made, problem, sessions, days };
    let mut response = (status, show(&page)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The page.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    who: Option<Extension<Who>>,
    frame: Frame,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Elsewhere, "Tokens");
    let (auth, who) = known(&shared, who).map_err(|refusal| Failed::new(frame.clone(), refusal))?;
    Ok(shown(&auth, &caller, &who, &frame, Ok(None)))
}

/// The form; each verb is a box of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    days: u32,
    #[serde(default)]
    apps: String,
    #[serde(default)]
    environments: String,
    #[serde(default)]
    machine: String,
    look: Option<String>,
    retry: Option<String>,
    hold: Option<String>,
    promote: Option<String>,
    rollback: Option<String>,
    approve: Option<String>,
    reserve: Option<String>,
    administer: Option<String>,
}

impl Wanted {
    fn token(self) -> NewToken {
        let boxes = [self.look, self.retry, self.hold, self.promote, self.rollback, self.approve, self.reserve, self.administer];
        let may = Verb::ALL.into_iter().zip(boxes).filter_map(|(verb, ticked)| ticked.map(|_| verb)).collect();
        let names = |text: &str| -> Option<Vec<String>> {
            let names: Vec<String> = text.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
            Some(names).filter(|names| !names.is_empty())
        };
        let (apps, environments) = (names(&self.apps), names(&self.environments));
        NewToken { name: self.name, expires_in_days: self.days, may, apps, environments, machine: self.machine == "yes" }
    }
}

/// `POST /tokens`.
pub(super) async fn make(
    State(shared): State<Shared>,
    caller: Caller,
    who: Option<Extension<Who>>,
    frame: Frame,
    Form(form): Form<Wanted>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Elsewhere, "Tokens");
    own_form(&frame, &form.csrf)?;
    let (auth, who) = known(&shared, who).map_err(|refusal| Failed::new(frame.clone(), refusal))?;
    let made = made::make(&auth, &caller, &who, form.token()).await.map(Some);
    Ok(shown(&auth, &caller, &who, &frame, made))
}

#[derive(Debug, Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    csrf: String,
}

/// `POST /tokens/{id}/revoke`.
pub(super) async fn revoke(
    State(shared): State<Shared>,
    caller: Caller,
    who: Option<Extension<Who>>,
    frame: Frame,
    Path(id): Path<String>,
    Form(form): Form<Back>,
) -> Result<Response, Failed> {
    own_form(&frame, &form.csrf)?;
    let failed = |refusal: Refusal| Failed::new(frame.clone(), refusal);
    let (auth, who) = known(&shared, who).map_err(failed)?;
    made::revoke(&auth, &caller, &who, &id).await.map_err(failed)?;
    Ok(Redirect::to("/tokens").into_response())
}
